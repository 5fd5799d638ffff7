"""A slip on one desk: which units, which side, and whether the venue offers such an order. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext

from brokers.instrument import Instrument
from brokers.market import Quote
from brokers.order import OrderType, Side, TimeInForce
from brokers.port import Capabilities, TrailBy
from core.errors import UnknownName, UserError
from core.trading.by_hand.numbers import plain
from core.trading.by_hand.slip import Slip, Unit, Verb
from core.trading.desk import Desk
from core.trading.dust import not_there, stays, too_little
from core.trading.lifetimes import for_now
from core.trading.live_order import MANUAL
from core.trading.protection.spec import ExitSpec
from risk.intent import OrderIntent, Origin

_HUNDRED = Decimal(100)
_DIGITS = 60
_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


class Several(UserError):
    """More than one holds the symbol: whose position is meant must be said."""

    def __init__(self, symbol: str, holders: Mapping[str, Decimal]) -> None:
        super().__init__(f"Whose {symbol}? {', '.join(holders)} hold some. Write /close {symbol} NAME.")
        self.symbol = symbol
        self.holders = dict(holders)


class SeveralAccounts(UserError):
    """More than one account has the symbol: in which is meant must be said."""

    def __init__(self, accounts: Sequence[str]) -> None:
        super().__init__(f"In which account: {', '.join(accounts)}? Add “in {accounts[0]}”, for example.")
        self.accounts = tuple(accounts)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A slip in units: what would be sent, for whom, and what `owner` holds now."""

    slip: Slip
    intent: OrderIntent
    owner: str
    held: Decimal


def wanted_of(slip: Slip, desk: Desk, quote: Quote | None, at: datetime) -> Wanted:
    """The order that a slip means on this desk at this moment. Raises `UserError` that says what to write instead."""
    instrument = _instrument(slip.symbol, desk)
    owner = _owner(slip, desk, instrument.symbol)
    held = desk.portfolio.lot(owner, instrument.symbol).quantity
    side = slip.verb.side or Side.of(-held)
    left = _left(slip, desk, instrument.symbol, owner, held)
    with localcontext(prec=_DIGITS):
        quantity = _units(slip, desk, instrument, quote, side, left)
    _check_offered(slip, desk.broker.capabilities)
    intent = OrderIntent(
        account=desk.account,
        instrument=instrument,
        side=side,
        quantity=quantity,
        at=at,
        allocations={owner: side.sign * quantity},
        type=slip.type,
        limit_price=slip.limit_price,
        stop_price=slip.stop_price,
        trail=slip.trail,
        trail_percent=slip.trail_percent,
        time_in_force=_lifetime(slip, desk.broker.capabilities),
        expires_at=slip.expires_at,
        post_only=slip.post_only,
        reduce_only=slip.reduce_only or _promises(slip, desk, instrument, side, quantity),
        origin=Origin.MANUAL,
        reason=f"{slip.verb.value} by hand",
    )
    _check_sense(slip, intent, desk, held, quote)
    return Wanted(slip.of_units(quantity), intent, owner, held)


def holders_of(desk: Desk, symbol: str) -> dict[str, Decimal]:
    """Who holds a symbol, and how much."""
    return {name: lot.quantity for name, lot in desk.portfolio.lots(symbol) if lot.quantity}


def _instrument(symbol: str, desk: Desk) -> Instrument:
    known = desk.portfolio.instruments
    by_capitals = {each.upper(): each for each in known}
    if symbol.upper() not in by_capitals:
        raise UnknownName("symbol", symbol, known)
    return known[by_capitals[symbol.upper()]]


def _owner(slip: Slip, desk: Desk, symbol: str) -> str:
    """Whose virtual position the order is for: the manual one, unless a close means another."""
    if slip.verb is not Verb.CLOSE:
        return MANUAL
    holders = holders_of(desk, symbol)
    if not holders:
        raise UserError(f"Nobody holds {symbol} in {desk.account}: there is nothing to close.")
    if slip.strategy and slip.strategy not in holders:
        raise UnknownName(f"holder of {symbol}", slip.strategy, holders)
    if not slip.strategy and len(holders) > 1:
        raise Several(symbol, holders)
    owner = slip.strategy or next(iter(holders))
    if owner != MANUAL and (slip.type is not OrderType.MARKET or slip.time_in_force is not TimeInForce.DAY):
        raise UserError(
            f"{owner} is a strategy: its position is closed at market only. "
            f"Exits at a price: /exits {owner} {symbol} stop … target …"
        )
    return owner


def _left(slip: Slip, desk: Desk, symbol: str, owner: str, held: Decimal) -> Decimal:
    """What the order is a part of. What open orders close already is not closed once more: both would fill."""
    if slip.verb is not Verb.CLOSE:
        return held
    left = desk.exits.closable(owner, symbol)
    if not left:
        raise UserError(
            f"All of {owner}'s {plain(abs(held))} {symbol} is being closed already: /cancel {symbol} first."
        )
    return left


def _units(slip: Slip, desk: Desk, instrument: Instrument, quote: Quote | None, side: Side, held: Decimal) -> Decimal:
    """Whole lots; what was said in units is taken as it is, for the gate to judge."""
    size = slip.size
    if size.unit is Unit.UNITS:
        return _within(slip, size.amount, held, instrument)
    if size.unit is Unit.POSITION:
        return _there(desk, instrument, side, _part(slip, instrument, side, held, _touch(quote, side)))
    price = slip.limit_price or slip.stop_price or _touch(quote, side)
    rate = desk.portfolio.fx_rates.get(instrument.currency) if instrument.currency != desk.currency else Decimal(1)
    if price is None or rate is None:
        raise UserError(f"There is no price of {instrument.symbol} yet: say how many units instead.")
    money = size.amount
    if size.unit is Unit.EQUITY:
        if desk.portfolio.equity is None:
            raise UserError("The equity is not known now: say how many units instead.")
        money = desk.portfolio.equity * size.amount / _HUNDRED
    units = instrument.floor_quantity(money / (price * instrument.multiplier * rate))
    if units <= 0:
        one = plain((instrument.lot * price * instrument.multiplier * rate).quantize(Decimal("0.01")))
        raise UserError(f"That is less than one lot of {instrument.symbol}, which costs about {one} {desk.currency}.")
    return _within(slip, units, held, instrument)


def _within(slip: Slip, units: Decimal, held: Decimal, instrument: Instrument) -> Decimal:
    """A close is never more than what is held."""
    if slip.verb is Verb.CLOSE and units > abs(held):  # less what is being closed already
        raise UserError(f"Only {plain(abs(held))} {instrument.symbol} can be closed, not {plain(units)}.")
    return units


def _part(slip: Slip, instrument: Instrument, side: Side, held: Decimal, price: Decimal | None) -> Decimal:
    if held * side.sign >= 0:
        raise UserError(
            f"You hold no {instrument.symbol} by hand that a {side} would close: say how many units. "
            f"A strategy's position is closed by /close {instrument.symbol}."
        )
    units = instrument.floor_quantity(abs(held) * slip.size.amount / _HUNDRED)
    if slip.size.amount == _HUNDRED and too_little(instrument, units, price):
        raise UserError(f"Nothing to close: {stays(instrument, held)}.")
    if units <= 0:
        raise UserError(f"{plain(slip.size.amount)}% of {plain(abs(held))} is less than one lot: say how many units.")
    return units


def _there(desk: Desk, instrument: Instrument, side: Side, units: Decimal) -> Decimal:
    """No more than the account can give, where nothing can be sold short: somebody else may have sold a part."""
    cover = desk.exits.cover(instrument.symbol) if side is Side.SELL else None
    if cover is None or units <= cover:
        return units
    left = instrument.floor_quantity(cover)
    if not left:
        raise UserError(f"Nothing to close: {not_there(instrument, units, cover)}.")
    return left


def _lifetime(slip: Slip, offers: Capabilities) -> TimeInForce:
    """Day is what is meant where nothing is said; where there is no such thing, the next best that there is."""
    return for_now(offers) if slip.time_in_force is TimeInForce.DAY else slip.time_in_force


def _touch(quote: Quote | None, side: Side) -> Decimal | None:
    price = None if quote is None else quote.ask if side is Side.BUY else quote.bid
    return price if price is not None and price.is_finite() and price > 0 else None


def _promises(slip: Slip, desk: Desk, instrument: Instrument, side: Side, quantity: Decimal) -> bool:
    """Whether a close can be reduce-only: the venue knows that, and the account holds as much that nobody closes."""
    return slip.verb is Verb.CLOSE and desk.exits.can_promise(instrument.symbol, side.sign * quantity)


# --- what makes no sense, or is not offered --------------------------------------------------------


def _check_offered(slip: Slip, offers: Capabilities) -> None:
    if slip.type not in offers.order_types:
        raise UserError(f"This venue takes no {_said(slip.type)} orders; it takes {_listed(offers.order_types)}.")
    if slip.trail is not None and TrailBy.PRICE not in offers.trails:
        raise UserError("This venue takes a trailing distance in percent only: write, say, trail 2%.")
    if slip.trail_percent is not None and TrailBy.PERCENT not in offers.trails:
        raise UserError("This venue takes a trailing distance in price only: write it without %.")
    if _lifetime(slip, offers) not in offers.times_in_force:
        raise UserError(f"This venue does not know “{slip.time_in_force}”; it knows {_listed(offers.times_in_force)}.")
    if slip.post_only and not offers.post_only:
        raise UserError("This venue has no post-only orders.")
    if slip.reduce_only and not offers.reduce_only:
        raise UserError("This venue has no reduce-only orders; /close never closes more than there is.")


def _said(kind: OrderType) -> str:
    return kind.value.replace("_", " ")


def _listed(kinds: frozenset[OrderType] | frozenset[TimeInForce]) -> str:
    return ", ".join(sorted(each.value.replace("_", " ") for each in kinds))


def _check_sense(slip: Slip, intent: OrderIntent, desk: Desk, held: Decimal, quote: Quote | None) -> None:
    """What the person cannot have meant."""
    if slip.post_only and (not intent.type.has_limit or slip.time_in_force in _AT_ONCE):
        raise UserError("Post-only needs a limit price, and an order that may rest.")
    if slip.time_in_force in _AT_ONCE and intent.type.is_conditional:
        raise UserError(f"An order that waits for a price cannot be “{slip.time_in_force}”.")
    if intent.expires_at is not None and intent.expires_at <= intent.at:
        raise UserError(f"{intent.expires_at:%Y-%m-%d %H:%M} UTC is past; it is {intent.at:%Y-%m-%d %H:%M} now.")
    if not desk.broker.capabilities.shorting and intent.side is Side.SELL:
        _check_long(intent, desk, held)
    market = None if quote is None else quote.last
    if market is not None and intent.stop_price is not None:
        _check_trigger(intent, market)
    if slip.exits is not None:
        _check_exits(slip, intent, held, market)


def _check_long(intent: OrderIntent, desk: Desk, held: Decimal) -> None:
    """Where nothing is sold short, nobody sells what another holds: that one would be left with coins that are gone."""
    symbol = intent.instrument.symbol
    if desk.portfolio.quantity(symbol) < intent.quantity:
        raise UserError("This venue does not sell short: that is more than the account holds.")
    if held < intent.quantity:
        others = {name: units for name, units in holders_of(desk, symbol).items() if name not in intent.allocations}
        whose = ", ".join(f"{name} {plain(units)}" for name, units in sorted(others.items()))
        raise UserError(
            f"You hold {plain(held)} {symbol} by hand, and this venue does not sell short. Others hold {whose}: "
            f"/close {symbol} NAME sells theirs."
        )


def _check_trigger(intent: OrderIntent, market: Decimal) -> None:
    """A trigger that is reached already trades at once; most often a stop-loss was meant."""
    assert intent.stop_price is not None
    direction = -intent.side.sign if intent.type.takes_profit else intent.side.sign
    if (intent.stop_price - market) * direction > 0:
        return
    waits = "a rise" if direction > 0 else "a fall"
    at = plain(intent.stop_price)
    hint = "Leave it out to trade now"
    if intent.type in (OrderType.STOP, OrderType.STOP_LIMIT):
        hint = f"To protect what you {intent.side}, write “with stop {at}”"
    raise UserError(
        f"A {intent.side} {_said(intent.type)} waits for {waits} to {at}, but the market is at {plain(market)}: "
        f"it would trade at once. {hint}."
    )


def _check_exits(slip: Slip, intent: OrderIntent, held: Decimal, market: Decimal | None) -> None:
    if slip.verb is Verb.CLOSE or slip.reduce_only or held * intent.side.sign < 0:
        raise UserError("Exits protect what an order opens, and this one closes something. See /exits.")
    entry = intent.price or market
    assert slip.exits is not None
    if entry is not None:
        check_levels(slip.exits, intent.side.sign, entry)


def check_levels(spec: ExitSpec, sign: int, price: Decimal) -> None:
    """Raise `UserError` for a stop or target that would close at once at `price`; `sign` is 1 for a long position."""
    whose, below, above = ("long", "below", "above") if sign > 0 else ("short", "above", "below")
    stop = None if spec.stop_loss is None else spec.stop_loss.price
    target = None if spec.take_profit is None else spec.take_profit.price
    at = plain(price)
    if stop is not None and (price - stop) * sign <= 0:
        raise UserError(f"The stop of a {whose} position lies {below} the price ({at}), not at {plain(stop)}.")
    if target is not None and (target - price) * sign <= 0:
        raise UserError(f"The target of a {whose} position lies {above} the price ({at}), not at {plain(target)}.")
