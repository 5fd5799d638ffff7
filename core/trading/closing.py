"""What of an account's positions can be closed now, and by how much at once.

Where nothing can be sold short, strategies may hold more between them than the account does, when somebody has sold a
part at the venue. Whoever closes then, and finds less than it holds, has sold the rest to that somebody: what is there
is sold, the rest changes hands inside the house, and people are told. Nothing stays that nobody can sell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

from brokers.money import ZERO
from brokers.order import Side
from brokers.port import AbstractBroker
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.trading.dust import cut, is_dust, not_there, stays, too_little, tradable
from core.trading.ledger import EXTERNAL
from core.trading.order_manager import OrderManager
from core.trading.portfolio import Portfolio
from core.trading.telling import Telling

Parts = Mapping[str, Decimal]


class Closing:
    """The ways out of one account's positions."""

    def __init__(self, broker: AbstractBroker, portfolio: Portfolio, orders: OrderManager, telling: Telling) -> None:
        self._broker = broker
        self._portfolio = portfolio
        self._orders = orders
        self._telling = telling

    def closable(self, strategy: str, symbol: str) -> Decimal:
        """The signed units of a strategy that are held and not being closed.

        Open exits count as done. Open entries do not: they are cancelled, not traded against.
        """
        return unclosed(self._portfolio.position(strategy, symbol), self._orders.pending(strategy, symbol))

    def to_close(self, strategy: str = "") -> dict[str, dict[str, Decimal]]:
        """By symbol, what each strategy (or the one named) must trade to be flat, whether it can be traded or not.

        What somebody else holds in the account is closed only if it is named.
        """
        wanted: dict[str, dict[str, Decimal]] = {}
        for name, lot in self._portfolio.lots():
            left = self.closable(name, lot.instrument.symbol)
            if left and (strategy == name or (not strategy and name != EXTERNAL)):
                wanted.setdefault(lot.instrument.symbol, {})[name] = -left
        return wanted

    def tradable(self, symbol: str, parts: Parts) -> dict[str, Decimal]:
        """What of `parts`, which close something, can be traded now."""
        instrument = self._portfolio.instrument(symbol)
        return tradable(instrument, parts, self._portfolio.marks.get(symbol), self.cover(symbol))

    def at_once(self, symbol: str, parts: Parts) -> dict[str, Decimal]:
        """What of `parts`, which can be traded, one order may be: a slice of them, where the venue takes no more."""
        instrument = self._portfolio.instrument(symbol)
        most = instrument.most(at_market=True)
        return dict(parts) if most is None else cut(instrument, parts, most)

    def slices(self, symbol: str, units: Decimal) -> int:
        """In how many orders `units` go to the venue; at least one."""
        most = self._portfolio.instrument(symbol).most(at_market=True)
        return 1 if most is None else max(math.ceil(abs(units) / most), 1)

    def only_closes(self, symbol: str, parts: Parts) -> bool:
        """Whether each of `parts` makes a position smaller and opens nothing."""
        for name, part in parts.items():
            held = self._portfolio.position(name, symbol)
            if held * part >= 0 or abs(part) > abs(held):
                return False
        return True

    def can_promise(self, symbol: str, units: Decimal) -> bool:
        """Whether an order for signed `units` may be reduce-only: the account holds as much that nobody closes yet."""
        left = -self._portfolio.quantity(symbol) * (1 if units > 0 else -1)
        return self._broker.capabilities.reduce_only and 0 < abs(units) <= left - self._out(symbol, Side.of(units))

    def is_dust(self, symbol: str, quantity: Decimal) -> bool:
        """Whether nothing of a holding can be sold, and there is something."""
        return is_dust(self._portfolio.instrument(symbol), quantity, self._portfolio.marks.get(symbol))

    def dust(self, strategy: str = "") -> list[str]:
        """What would stay if everything (or what one strategy has) were closed: a line each."""
        found = self.to_close(strategy)
        lines = [self.uncovered(symbol, parts) for symbol, parts in found.items()]
        for symbol, parts in found.items():
            units = -sum(parts.values(), ZERO)
            if units and not self.uncovered(symbol, parts) and not self.tradable(symbol, parts):
                lines.append(stays(self._portfolio.instrument(symbol), units))
        return [line for line in lines if line]

    # --- what is not there -------------------------------------------------------------------------

    def cover(self, symbol: str) -> Decimal | None:
        """Units that can be sold: what the account holds less what is being sold already; None where it may be short.

        Stops and targets that rest make way for other exits.
        """
        if self._broker.capabilities.shorting:
            return None
        return max(self._portfolio.quantity(symbol) - self._out(symbol, Side.SELL), ZERO)

    def _out(self, symbol: str, side: Side) -> Decimal:
        """Units on `side` that open orders may still fill, without the stops and targets that rest."""
        orders = (each for each in self._orders.open_orders if each.symbol == symbol and each.request.side is side)
        return sum((each.remaining for each in orders if not each.is_resting_exit), ZERO)

    def is_gone(self, symbol: str, quantity: Decimal) -> bool:
        """Whether nothing of a strategy's holding can be sold: it is dust, or the account has none of it any more."""
        there = self._portfolio.quantity(symbol)
        if self._broker.capabilities.shorting or quantity <= there:
            return self.is_dust(symbol, quantity)
        return quantity > 0 and (there <= 0 or self.is_dust(symbol, there))

    def uncovered(self, symbol: str, parts: Parts) -> str:
        """What is told of `parts`, which close something, where the account has less to sell; empty if it has not."""
        lacking = self._lacking(symbol, parts)
        if not lacking:
            return ""
        instrument, wanted = self._portfolio.instrument(symbol), -sum(parts.values(), ZERO)
        little = too_little(instrument, instrument.floor_quantity(lacking), self._portfolio.marks.get(symbol))
        return "" if little else not_there(instrument, wanted, wanted - lacking)

    def _lacking(self, symbol: str, parts: Parts) -> Decimal:
        """How much more `parts`, which close something, sell than there is."""
        cover = self.cover(symbol)
        return ZERO if cover is None else max(-sum(parts.values(), ZERO) - cover, ZERO)

    async def tell_uncovered(self, symbol: str, parts: Parts) -> None:
        """Say once of each such amount that an exit is smaller than what is held in the books, and why."""
        if not (why := self.uncovered(symbol, parts)):
            return
        units, cover = abs(sum(parts.values(), ZERO)), self.cover(symbol) or ZERO
        names = ", ".join(sorted(parts))
        body = f"{names}: {why}.\nWhat is there is sold; the rest is booked as sold by others, at the price of now."
        title = f"Not all of {units.normalize():,f} {symbol} can be sold"
        key = f"uncovered:{symbol}:{units - cover}"
        alert = Alert("uncovered", Severity.WARNING, title, body, account=self._portfolio.account)
        await self._telling.once(key, alert)

    async def write_off(self, symbol: str, parts: Parts) -> bool:
        """Those of `parts` that close more than there is sell the rest to `external`, who is short of just that.

        They are told of, and booked at the mark, without which nothing is booked yet. Others' coins are not touched.
        Returns whether there was anything of that: what is still to close may be another by then.
        """
        closing = {name: part for name, part in parts.items() if self.only_closes(symbol, {name: part})}
        if not closing or not self._lacking(symbol, closing):
            return False
        await self.tell_uncovered(symbol, closing)
        price, short = self._portfolio.marks.get(symbol), -self._portfolio.position(EXTERNAL, symbol)
        units = min(self._lacking(symbol, closing), short)
        if price is not None and units > 0:
            gone = _largest_first(closing, units)
            await self._orders.write_off(self._portfolio.instrument(symbol), gone, EXTERNAL, price)
        return True


def unclosed(held: Decimal, pending: Decimal) -> Decimal:
    """What of a holding no open order closes already; both are signed. What opens more changes nothing."""
    left = held + pending if pending * held < 0 else held
    return left if left * held > 0 else ZERO


def _largest_first(parts: Parts, units: Decimal) -> dict[str, Decimal]:
    """`units` of what `parts` sell, of the largest first."""
    found = dict[str, Decimal]()
    for name, part in sorted(parts.items(), key=lambda each: (each[1], each[0])):
        if taken := min(-part, units):
            found[name], units = -taken, units - taken
    return found
