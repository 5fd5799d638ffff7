"""An order by hand turned into what a person is shown before it is confirmed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from brokers.market import Quote
from brokers.money import exact
from core.trading.by_hand.estimate import Basis, Estimate
from core.trading.by_hand.grammar import slip_words
from core.trading.by_hand.intents import Wanted, holders_of
from core.trading.by_hand.numbers import plain
from core.trading.by_hand.slices import slices_of
from core.trading.desk import Desk
from core.trading.lifetimes import outlives_the_day
from core.trading.live_order import MANUAL
from core.trading.protection.guard import Guard
from core.venue_watch import shut
from core.views import LimitChange, OrderPreview
from risk.metrics import quote_price
from risk.usage import Usage
from risk.view import PortfolioView, TradingState
from risk.whatif import Stake, WhatIf

_MOST_LIMITS = 5
_LOSSES = frozenset({"DAILY_LOSS", "DRAWDOWN"})
_UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a preview was looked at on: the confirmation is good for just this."""

    price: Decimal | None
    held: Decimal
    account_held: Decimal
    state: TradingState

    @classmethod
    def now(cls, wanted: Wanted, desk: Desk, quote: Quote | None) -> Seen:
        """As it stands at this moment."""
        symbol = wanted.intent.instrument.symbol
        state = desk.state_for(wanted.intent.strategies, symbol)
        price = None if quote is None else quote_price(quote)
        return cls(price, wanted.held, desk.portfolio.quantity(symbol), state)

    def __str__(self) -> str:
        price = _UNKNOWN if self.price is None else plain(self.price)
        return "/".join((price, plain(self.held), plain(self.account_held), self.state.name))

    @classmethod
    def read(cls, text: str) -> Seen:
        """Back from the text. Raises `ValueError`, `ArithmeticError` or `LookupError` for anything else."""
        price, held, account_held, state = text.split("/")
        known = None if price == _UNKNOWN else exact(price)
        return cls(known, exact(held), exact(account_held), TradingState[state])


def changes_since(then: Seen, now: Seen, tolerance_percent: Decimal) -> str:
    """What is other than it was shown, in a sentence; empty if nothing is that matters."""
    return " ".join(_changes(then, now, tolerance_percent))


def _changes(then: Seen, now: Seen, tolerance_percent: Decimal) -> Iterator[str]:
    if then.state is not now.state:
        yield f"Trading was {then.state.name} and is {now.state.name} now."
    if (then.held, then.account_held) != (now.held, now.account_held):
        yield f"The position was {plain(then.held)} and is {plain(now.held)} now."
    if (then.price is None) != (now.price is None):
        yield "There was no price." if then.price is None else "There is no price any more."
    elif then.price and now.price:
        moved = abs(now.price - then.price) / then.price * 100
        if moved > tolerance_percent:
            shown = moved.quantize(Decimal("0.01"))
            yield f"The price has moved by {shown} %, from {_short(then.price)} to {_short(now.price)}."


def _short(price: Decimal) -> str:
    return plain(price.quantize(Decimal("0.000001")) if price < 1 else price.quantize(Decimal("0.0001")))


@dataclass(frozen=True, slots=True)
class Facts:
    """What a preview is made of."""

    wanted: Wanted
    desk: Desk
    view: PortfolioView
    quote: Quote | None
    estimate: Estimate
    fee: Decimal | None
    risk: WhatIf
    guard: Guard | None
    changed: str = ""


def order_preview(facts: Facts) -> OrderPreview:
    """The view of it."""
    wanted, desk, found, quote = facts.wanted, facts.desk, facts.estimate, facts.quote
    intent, slip, denied = wanted.intent, wanted.slip, facts.risk.denied
    thing = intent.instrument
    account_held = desk.portfolio.quantity(thing.symbol)
    largest = denied.largest_passing if denied is not None else intent.quantity
    return OrderPreview(
        verb=slip.verb.value,
        words=slip_words(slip),
        seen=str(Seen.now(wanted, desk, quote)),
        account=desk.account,
        simulated=desk.broker.capabilities.simulated,
        mode=desk.mode,
        owner=wanted.owner,
        side=intent.side,
        symbol=thing.symbol,
        quantity=intent.quantity,
        type=intent.type,
        limit_price=intent.limit_price,
        stop_price=intent.stop_price,
        trail=intent.trail,
        trail_percent=intent.trail_percent,
        time_in_force=intent.time_in_force.value,
        expires_at=intent.expires_at,
        post_only=intent.post_only,
        reduce_only=intent.reduce_only,
        exits=str(slip.exits or ""),
        bid=None if quote is None else quote.bid,
        ask=None if quote is None else quote.ask,
        quote_age=None if quote is None else (facts.view.at - quote.at).total_seconds(),
        basis=found.basis.value,
        price=found.average,
        worst_price=found.worst,
        slippage_bps=found.slippage,
        shown=found.shown,
        price_currency=thing.currency,
        value=_value(facts),
        slippage_cost=_slippage_cost(facts),
        fee=_in_account(facts, facts.fee),
        currency=desk.currency,
        held=wanted.held,
        held_after=wanted.held + intent.signed_quantity,
        account_held=account_held,
        account_after=account_held + intent.signed_quantity,
        equity=facts.view.equity,
        gross=_pair(facts.risk, "gross"),
        net=_pair(facts.risk, "net"),
        leverage=_pair(facts.risk, "leverage"),
        limits=_limits(facts.risk),
        state=desk.state_for(intent.strategies, thing.symbol),
        connected=desk.broker.is_connected,
        code="" if denied is None else denied.code,
        objection="" if denied is None else denied.reason,
        largest=largest,
        largest_words=slip_words(slip.of_units(largest)) if denied is not None and largest > 0 else (),
        notes=tuple(_notes(facts)),
        changed=facts.changed,
    )


# --- money -----------------------------------------------------------------------------------------


def _in_account(facts: Facts, amount: Decimal | None) -> Decimal | None:
    """Money of the instrument's currency in the account's."""
    rate = facts.view.rate(facts.wanted.intent.instrument.currency)
    return None if amount is None or rate is None else amount * rate


def _value(facts: Facts) -> Decimal | None:
    intent, price = facts.wanted.intent, facts.estimate.average
    return None if price is None else _in_account(facts, intent.instrument.notional(intent.quantity, price))


def _slippage_cost(facts: Facts) -> Decimal | None:
    """What is lost against the mid, below zero if anything is gained."""
    intent, found, quote = facts.wanted.intent, facts.estimate, facts.quote
    if found.slippage is None or found.average is None or quote is None:
        return None
    away = (found.average - quote.mid) * intent.side.sign
    return _in_account(facts, away * intent.quantity * intent.instrument.multiplier)


# --- risk ------------------------------------------------------------------------------------------


def _pair(risk: WhatIf, figure: str) -> tuple[Decimal | None, Decimal | None]:
    return _figure(risk.stake_before, figure), _figure(risk.stake_after, figure)


def _figure(stake: Stake | None, figure: str) -> Decimal | None:
    value: Decimal | None = None if stake is None else getattr(stake, figure)
    return value


def _limits(risk: WhatIf) -> tuple[LimitChange, ...]:
    """The fullest limits after the order, and what they were before; losses do not change by trading."""
    before = {each.code: each for each in risk.before}
    after = {each.code: each for each in risk.after or ()}
    rows = [_limit(each, after.get(code)) for code, each in before.items() if code not in _LOSSES]
    rows.sort(key=lambda row: -(2.0 if row.fraction_after is None else row.fraction_after))
    return tuple(rows[:_MOST_LIMITS])


def _limit(before: Usage, after: Usage | None) -> LimitChange:
    return LimitChange(
        before.title,
        before.limit,
        before.value,
        "unknown" if after is None else after.value,
        before.fraction,
        None if after is None else after.fraction,
    )


# --- words -----------------------------------------------------------------------------------------


def _notes(facts: Facts) -> Iterator[str]:
    """What a person should know before the yes."""
    wanted, desk, found = facts.wanted, facts.desk, facts.estimate
    intent = wanted.intent
    symbol = intent.instrument.symbol
    yield from shut(desk, facts.view.at)
    if (orders := len(slices_of(intent, desk))) > 1:
        most = plain(intent.instrument.most(at_market=not intent.type.has_limit) or intent.quantity)
        yield f"The venue takes {most} at once: it goes in {orders} orders, one after another."
    if outlives_the_day(intent.type, wanted.slip.time_in_force, desk.broker.capabilities):
        yield "This venue has no day orders: it stays until it is filled or cancelled."
    yield from _about_holders(
        wanted, {name: own for name, own in holders_of(desk, symbol).items() if name != wanted.owner}
    )
    if found.basis is Basis.SHALLOW and found.shown is not None:
        yield f"The book shows only {plain(found.shown)} at these prices: the rest may cost more."
    if wanted.slip.exits is not None and wanted.held * intent.side.sign > 0:
        whole = plain(wanted.held + intent.signed_quantity)
        yield f"The exits are for all that {wanted.owner} holds then: {whole} {symbol}, not only for this order."
    if wanted.slip.exits is not None and facts.guard is not None:
        yield f"These exits take the place of those that you have in {symbol}: {facts.guard.spec or 'none'}."
    elif wanted.held * intent.side.sign > 0 and facts.guard is not None and facts.guard.spec is not None:
        yield f"Your exits in {symbol} ({facts.guard.spec}) cover what is added, too."
    mine = [each for each in desk.orders.open_orders if each.symbol == symbol and MANUAL in each.parts]
    if waiting := [each for each in mine if not each.is_resting_exit]:
        yield f"{len(waiting)} of your orders in {symbol} {'is' if len(waiting) == 1 else 'are'} open already."
    if not desk.broker.is_connected:
        yield "The broker is not connected now."


def _about_holders(wanted: Wanted, others: Mapping[str, Decimal]) -> Iterator[str]:
    """Whose position it is, where a reader may take one for another."""
    intent, symbol = wanted.intent, wanted.intent.instrument.symbol
    if wanted.owner != MANUAL:
        yield f"{wanted.owner} keeps what is left until its signal changes."
        return
    opens = wanted.held + intent.signed_quantity
    if others:
        shown = ", ".join(f"{name} {plain(quantity)}" for name, quantity in sorted(others.items()))
        yield f"Others hold {symbol}, too ({shown}): this order is your own and leaves theirs as they are."
        if opens * intent.side.sign > 0 and any(each * intent.side.sign < 0 for each in others.values()):
            yield f"To close theirs: /close {symbol} NAME."
    if opens < 0 and intent.signed_quantity < 0:
        yield f"It goes short: {plain(opens)} {symbol} afterwards."
