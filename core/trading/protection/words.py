"""What people are told of protective exits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from brokers.money import ZERO
from brokers.order import Side
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.store.models import FillRow
from core.trading.live_order import MANUAL
from core.trading.protection.guard import Guard, Leg

_DONE = {
    Leg.STOP: "Stopped out",
    Leg.TRAIL: "Trailing stop",
    Leg.TARGET: "Target reached",
    Leg.TIME: "Time is up",
    Leg.EXCESS: "Excess closed",
}


def plain(number: Decimal) -> str:
    """Digits that matter, grouped."""
    return f"{number.normalize():,f}"


def held(guard: Guard) -> str:
    """The position: `10 AAPL`, `-4 IBM`."""
    return f"{plain(guard.quantity)} {guard.symbol}"


def level_of(guard: Guard, leg: Leg) -> str:
    """What was hit: `stop 98`."""
    if leg is Leg.TARGET and guard.target is not None:
        return f"target {plain(guard.target)}"
    if leg is Leg.TRAIL and guard.trailing_stop is not None:
        return f"trailing stop {plain(guard.trailing_stop)}"
    if leg is Leg.STOP and guard.fixed_stop is not None:
        return f"stop {plain(guard.fixed_stop)}"
    return f"after {guard.bars} bars" if leg is Leg.TIME else "two exits had filled"


def closed(guard: Guard, leg: Leg, fills: Sequence[FillRow]) -> Alert:
    """A protective exit has closed (a part of) the position."""
    quantity = sum((fill.quantity for fill in fills), ZERO)
    price = guard.instrument.round_price(sum((fill.quantity * fill.price for fill in fills), ZERO) / quantity)
    verb = "Bought" if fills[0].side == Side.BUY else "Sold"
    title = f"{_DONE[leg]}: {verb} {plain(quantity)} {guard.symbol} at {plain(price)} ({level_of(guard, leg)})"
    body = f"{guard.strategy} opens nothing in {guard.symbol} until it wishes something else."
    if guard.strategy == MANUAL:
        body = "It was set by hand."
    return Alert("exit", Severity.WARNING, title, body, strategy=guard.strategy)


def gap(guard: Guard, leg: Leg, price: Decimal) -> Alert:
    """The price was past the level when we looked again."""
    title = f"Past the {level_of(guard, leg)} while we were away: closing {held(guard)}"
    body = f"{guard.strategy}: the market is at {plain(price)}."
    return Alert("exit", Severity.WARNING, title, body, strategy=guard.strategy)


def venue_fails(guard: Guard, leg: Leg, reason: str) -> Alert:
    """A stop or target could not be placed at the venue."""
    title = f"The venue does not hold the {level_of(guard, leg)} of {held(guard)}"
    body = f"{guard.strategy}: {reason}\nOur own engine guards it from now on, and the venue is tried again."
    return Alert("protection", Severity.CRITICAL, title, body)


def venue_holds_again(guard: Guard) -> Alert:
    """What had failed works again."""
    return Alert("protection", Severity.INFO, f"The exits of {held(guard)} are at the venue again", guard.strategy)


def exit_fails(guard: Guard, reason: str) -> Alert:
    """A market exit did not get out."""
    title = f"NOT CLOSED: {held(guard)} is past its exit"
    body = (
        f"{guard.strategy}: {reason}\nIt is tried again, later and later. /flatten {guard.strategy} closes it by hand."
    )
    return Alert("protection", Severity.CRITICAL, title, body)


def unprotected(guards: Iterable[Guard], account: str) -> Alert:
    """A halt has taken the exits away."""
    lines = [f"{each.strategy}: {held(each)}, {each.spec}" for each in guards]
    body = "\n".join([*lines, "They count again when trading resumes; /flatten closes positions now."])
    title = f"UNPROTECTED while halted: {_positions(len(lines))}"
    return Alert("protection", Severity.CRITICAL, title, body, account=account, key=halted_key(account))


def halted_key(account: str) -> str:
    """What the alerts about exits that a halt has taken away are about: they are over with it."""
    return f"unprotected:{account}"


def _positions(count: int) -> str:
    return f"{count} position{'s' if count != 1 else ''}"


def vanished(guards: Iterable[Guard]) -> Alert:
    """Nobody has let the account trade yet, and what rested at the venue is gone."""
    lines = [f"{each.strategy}: {held(each)}, {each.spec}" for each in guards]
    body = "\n".join([*lines, "Nothing rests at the venue any more, and nothing is sent before /golive: look there."])
    title = f"UNPROTECTED until /golive: {_positions(len(lines))}"
    return Alert("protection", Severity.CRITICAL, title, body)


def no_atr(guard: Guard) -> Alert:
    """A distance in average true ranges cannot be known yet."""
    title = f"No exit level yet for {held(guard)}"
    body = f"{guard.strategy}: {guard.spec}. The average true range needs 15 bars."
    return Alert("protection", Severity.CRITICAL, title, body)


def excess(guard: Guard) -> Alert:
    """Two exits have filled: the position has turned round."""
    title = f"Two exits have filled: {guard.strategy} is at {held(guard)}"
    return Alert("protection", Severity.CRITICAL, title, "The excess is being closed at market.")
