"""docs/brokers.md: what each adapter can do, and how that was verified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.evidence.accounts import NAMES, Account, accounts
from tests.evidence.claims import Grade, claim_of
from tests.evidence.rows import GROUPS, NO, YES, Group, rows

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "brokers.md"

_HEAD = """# Brokers

Which venues there are, what each can do here, and how we know. **Nobody has traded at a real venue with this program yet**: it was
built where none could be reached. Start with a venue's testnet or demo where it has one, then with an amount that you can lose, and
look at `quarterdeck check --broker NAME` first: it asks everything that can be asked without ordering anything.

This page is written by `make pages` from the adapters' own code and from `tests/evidence/claims.py`, which names a test for every mark;
a test fails when page, code and tests disagree. How to begin: [crypto venues](crypto-venues.md); every setting:
[configuration](configuration.md#crypto-venues).

## How to read it

A dash: not offered; it is refused before anything is sent, never imitated. Otherwise the mark says how that was verified:

| Mark | Verified by |
|---|---|
| own | The venue is part of this program; the contract suite of all adapters and its own tests run on it. |
| wire | Our adapter and unmodified ccxt against a server of ours that speaks the venue's documented protocol over real sockets, with faults. Binance's official SDKs have checked what it says of spot and of USDT-M (`make witness`); of margin nobody else has. |
| payload | Our adapter and unmodified ccxt over real sockets, with the venue's documented or reconstructed answers; every request is compared word for word. Nothing was recorded at the venue, and no matching takes place. |
| read | Taken from the documentation or from ccxt's code. No test shows it. |
| live | Tried at the venue itself. There is no such mark on this page. |
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD, _summary(), *(_table(group) for group in GROUPS), _limits(), _proofs()]
    return "\n".join(parts)


def cell(row: str, answer: str, account: Account) -> str:
    """One mark, with what is to be said of it."""
    if answer == NO:
        return "–"
    claim = claim_of(row, account.key)
    assert claim is not None, f"{row} of {account.key} is offered, and nothing says how we know"
    return claim.grade.value if answer == YES else f"{claim.grade.value}<br>{answer}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(count: int) -> str:
    return "|" + "---|" * count


def _summary() -> str:
    """How many claims of each grade a kind of account has."""
    grades = [Grade.OWN, Grade.WIRE, Grade.PAYLOAD, Grade.READ, Grade.LIVE]
    lines = ["## In short", "", _row(["Account", "Settings", *grades, "not offered"]), _rule(3 + len(grades))]
    for account in accounts():
        settings = f"`adapter: {account.adapter}`" + (f", `market: {account.market}`" if account.market else "")
        found = [(row, row.answer(account)) for row in rows()]
        count = Counter(claim.grade for row, answer in found if answer and (claim := claim_of(row.key, account.key)))
        missing = sum(answer == NO for _, answer in found)
        figures = [str(count[grade] or "–") for grade in grades]
        lines.append(_row([account.head.replace("<br>", " "), settings, *figures, str(missing)]))
    return "\n".join([*lines, ""])


def _table(group: Group) -> str:
    columns = accounts()
    lines = [f"## {group.title}", "", *([group.before, ""] if group.before else [])]
    lines += [_row(["", *(each.head for each in columns)]), _rule(1 + len(columns))]
    lines += [_row([row.title, *(cell(row.key, row.answer(each), each) for each in columns)]) for row in group.rows]
    return "\n".join([*lines, "", *([group.after, ""] if group.after else [])])


def _limits() -> str:
    """What a trader should know of each venue."""
    text = (ROOT / "tests" / "evidence" / "limits.txt").read_text(encoding="utf-8")
    return f"## Each venue's limits\n\n{text}"


def _proofs() -> str:
    """The files that the marks rest on."""
    lines = ["## Where the tests are", "", _row(["Venue", "Marks rest on"]), _rule(2)]
    for adapter in dict.fromkeys(each.adapter for each in accounts()):
        found = set()
        for account in (each for each in accounts() if each.adapter == adapter):
            claims = (claim_of(row.key, account.key) for row in rows() if row.answer(account) != NO)
            found |= {claim.node.partition("::")[0] for claim in claims if claim and claim.grade is not Grade.READ}
        lines.append(_row([NAMES.get(adapter, adapter.title()), ", ".join(f"`{path}`" for path in sorted(found))]))
    return "\n".join([*lines, ""])
