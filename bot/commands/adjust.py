"""Booking an adjustment: what the venue has otherwise than the books, and nothing explains."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from bot import html
from bot.bound import bound, token_of, typed
from bot.command import Call, Question, Unclear, command
from bot.differences import headline, render_difference, told_as
from bot.figures import clip
from bot.framing import HOME, badge, title
from bot.outcomes import outcome
from bot.screen import Act, Button, Nav, Rows, Screen
from core.access.roles import Permission
from core.errors import UserError
from core.trading.adjustment import Treatment, Wish
from core.trading.scopes import Scope, ScopeKind
from core.views import AdjustView

_LONGEST_REASON = 200
_MOST_HOLDERS = 4
# What it mostly is, a press away: the label, and what is written down as the reason.
_REASONS = {
    Treatment.CAPITAL: (
        ("🔁 Moved in or out: capital", "moved in or out, and the venue does not tell it"),
        ("♻️ A reset by the venue: capital", "the venue has reset the account"),
    ),
    Treatment.RESULT: (
        ("🧾 Fee, funding, gift: a result", "a fee, funding or gift that the venue does not tell"),
        ("❓ Nobody knows: a result", "nobody knows why"),
    ),
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """The words after /adjust; `treatment` is None as long as nobody has said what it is."""

    account: str
    first: str
    treatment: Treatment | None
    reason: str

    @property
    def wish(self) -> Wish:
        return Wish(self.treatment or Treatment.CAPITAL, self.first)

    def words(self, treatment: Treatment | None = None) -> tuple[str, ...]:
        """The same as it is typed, without a reason."""
        source = ("from", self.first) if self.first else ()
        return (self.account, *source, *((treatment.value,) if treatment else ()))


def _read(call: Call) -> _Asked:
    """`[ACCOUNT] [from HOLDER] [capital|result] [REASON]`. Raises `UserError`."""
    words = list(typed(call.args))
    is_named = bool(words) and words[0].lower() not in ("from", *Treatment)
    account = _account(call, words.pop(0) if is_named else "", tuple(words))
    first = ""
    if words and words[0].lower() == "from":
        if len(words) == 1:
            raise call.wrong("From whom? /positions shows who holds what.")
        first, words = words[1], words[2:]
    said = words.pop(0).lower() if words else ""
    if said and said not in tuple(Treatment):
        raise call.wrong(f"“{said[:30]}” is neither capital nor result.")
    return _Asked(account, first, Treatment(said) if said else None, clip(" ".join(words), _LONGEST_REASON))


def _account(call: Call, named: str, rest: tuple[str, ...]) -> str:
    found = call.service.accounts_to_adjust(call.actor, named)
    if len(found) != 1:
        raise Unclear("Which account?", {each: (each, *rest) for each in found})
    return found[0]


async def _its_account(call: Call) -> Collection[str] | None:
    try:
        return (_read(call).account,)
    except UserError:
        return None


async def _is_bound(call: Call) -> bool:
    """Whether it is the yes to a question: only then a code is asked."""
    return bool(token_of(call.args))


async def _ask(call: Call) -> Question | None:
    asked = _read(call)
    if asked.treatment is None or not asked.reason:
        return None
    view = await call.service.adjust_preview(call.actor, asked.account, asked.wish)
    if not view.rows:
        return None
    text = html.lines(
        html.text("⚖️ ", html.bold(f"Book this in {view.account}?"), badge(call, (view.account,))),
        html.bold(headline(view)),
        render_difference(view),
        told_as(view, asked.treatment),
        html.text("Reason: ", html.bold(asked.reason)),
        "Nothing is sent to the venue. Trading is resumed by a person, afterwards.",
    )
    args = (*asked.words(asked.treatment), bound(view.token), *asked.reason.split())
    return Question(text, "⚖️ Yes, book it", fingerprint=view.token, args=args)


@command(
    "adjust",
    "Book what differs from the venue without a reason",
    permission=Permission.ADMINISTER,
    usage="[ACCOUNT] [from HOLDER] [capital|result] [REASON]",
    takes=None,
    ask=_ask,
    trace=("adjust",),
    accounts=_its_account,
    step_up=_is_bound,
    approval="adjust",
    details="capital is money or units that somebody moved: no profit and no loss. result is gained or lost, and is "
    "external's. Units that are missing come from external, then manual, then whoever holds most; from names another.",
)
async def adjust(call: Call) -> Screen:
    """Compare anew and show it; or book exactly what was shown."""
    asked, token = _read(call), token_of(call.args)
    if asked.treatment is None or not asked.reason or not token:
        return await _difference(call, asked, await call.service.adjust_preview(call.actor, asked.account, asked.wish))
    done = await call.service.adjust(call.actor, asked.account, asked.wish, asked.reason, token)
    if done.view is not None and done.view.rows:
        screen = await _difference(call, asked, done.view)
        return replace(screen, toast=f"⚠️ {done.result.message}"[:180], alert=True)
    return outcome(done.result, *await _resume(call, asked.account), Nav("📦 Positions", "positions"))


async def _difference(call: Call, asked: _Asked, view: AdjustView) -> Screen:
    """What differs, and the question what it is."""
    head = html.text(title("Adjust", view.account), badge(call, (view.account,)))
    again = (Act("↻ Compare again", "adjust", asked.words()), HOME)
    if not view.rows:
        resume = await _resume(call, view.account)
        said = f"✅ {view.account} agrees with its venue to the last digit: there is nothing to book."
        return Screen(html.lines(head, "", said), ((*resume, Nav("🛡 Risk", "risk")), again), toast="No difference")
    body = html.lines(
        head,
        "",
        html.text("⚖️ ", html.bold(headline(view))),
        render_difference(view),
        "",
        "No execution and no cash flow that the venue tells explains it. Look at its statement first. What is it?",
        html.text("In your own words: ", html.code(f"/adjust {' '.join(asked.words(Treatment.CAPITAL))} REASON")),
    )
    return Screen(body, (*_reasons(asked, view), *_holders(asked, view), again))


def _reasons(asked: _Asked, view: AdjustView) -> Rows:
    """One button a row: their words are long."""
    rows: list[tuple[Button, ...]] = []
    for treatment, reasons in _REASONS.items():
        for label, reason in reasons:
            if view.mode != "live" or "reset" not in label:
                rows.append((Act(label, "adjust", (*asked.words(treatment), *reason.split())),))
    return tuple(rows)


def _holders(asked: _Asked, view: AdjustView) -> Rows:
    """Who else could give the units that are missing."""
    names = [each for each in view.others if each != asked.first][:_MOST_HOLDERS]
    return tuple((Act(f"Take from {clip(each, 20)} first", "adjust", (view.account, "from", each)),) for each in names)


async def _resume(call: Call, account: str) -> tuple[Button, ...]:
    """The next step, if it is theirs and there is one: it asks its own question."""
    if not call.actor.may(Permission.RESUME, account):
        return ()
    view = await call.service.resume_preview(call.actor, Scope(ScopeKind.ACCOUNT, account))
    return (Act("▶️ Resume…", "resume", (ScopeKind.ACCOUNT.value, account)),) if view.lifts else ()
