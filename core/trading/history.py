"""The books once more, from the history alone: what every lot, account and order must be.

Trades are folded lot by lot in their order, so memory grows with what is held, not with how often it was traded.
Money that came without a trade has no other record than its posting. The result is compared with the books, and
has a hash: the same history has the same hash, whenever and however often the program was started.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from decimal import Decimal, localcontext

from brokers.instrument import Instrument, Settlement
from brokers.money import ZERO
from core.store import history as rows
from core.store.history import Extent, Traded
from core.trading.ledger import EXACT, Balances, Entry, cost_change, owner_of

# Postings that are the only record of what they say; all others follow from trades.
_FOLLOWS = frozenset({"fill", "fee", "correction", "bust"})


class Fold:
    """Balances by what happened. Feed it postings that stand alone, and the trades of each symbol in order."""

    def __init__(self, account: str) -> None:
        self._account = account
        self.balances: dict[tuple[str, str], Decimal] = defaultdict(Decimal)

    def post(self, entry: Entry) -> None:
        """An entry of a posting that stands alone."""
        self._add(entry.account, entry.unit, entry.amount)

    def trade(self, fill: list[Traded], currency: str, settlement: Settlement) -> None:
        """All parts of one fill, or of a trade between strategies."""
        with localcontext(EXACT):
            net = sum((part.quantity for part in fill), ZERO)
            for part in fill:
                self._take(part, currency)
            unit_price, carried = fill[0].unit_price, ZERO
            venue, margin = f"venue/{self._account}", f"margin/{self._account}/{fill[0].symbol}"
            if settlement is Settlement.MARGINED and net:
                held, cost = -self.balances[venue, fill[0].symbol], -self.balances[margin, currency]
                carried = cost_change(held, cost, net, unit_price)
        self._add(venue, fill[0].symbol, -net)
        self._add(margin, currency, -carried)
        self._add(f"cash/{self._account}", currency, EXACT.subtract(carried, EXACT.multiply(net, unit_price)))

    def _take(self, part: Traded, currency: str) -> None:
        where = f"{self._account}/{part.strategy}/{part.symbol}"
        held, cost = self.balances[f"position/{where}", part.symbol], self.balances[f"cost/{where}", currency]
        change = cost_change(held, cost, part.quantity, part.unit_price)
        self._add(f"position/{where}", part.symbol, part.quantity)
        self._add(f"cost/{where}", currency, change)
        self._add(f"realised/{where}", currency, part.quantity * part.unit_price - change)
        self._add(f"fees/{where}", part.fee_currency or currency, part.fee)
        self._add(f"cash/{self._account}", part.fee_currency or currency, -part.fee)

    def _add(self, account: str, unit: str, amount: Decimal) -> None:
        if amount:
            self.balances[account, unit] = EXACT.add(self.balances[account, unit], amount)


async def replayed(
    account: str, instruments: Mapping[str, Instrument], currency: str, until: Extent
) -> dict[tuple[str, str], Decimal]:
    """What the balances of the account must be. An instrument that the market has dropped was in `currency`."""
    fold = Fold(account)
    async for entry in rows.entries_besides(_FOLLOWS, until.transaction):
        if owner_of(entry.account) == account:
            fold.post(entry)
    for symbol in await rows.symbols(account):
        instrument = instruments.get(symbol) or Instrument(symbol, currency)
        async for fill in rows.fills_in_order(account, symbol, instrument.multiplier, until.allocation):
            fold.trade(fill, instrument.currency, instrument.settlement)
    return solid_balances(fold.balances)


def solid_balances(balances: Balances) -> dict[tuple[str, str], Decimal]:
    """Balances without those of nothing."""
    return {key: amount for key, amount in balances.items() if amount}


async def order_lines(account: str, *, from_history: bool) -> AsyncIterator[str]:
    """A line for each order of an account, by id: as it is stored, or as its events and fills say."""
    async for order in rows.orders(account):
        state = order.last_event if from_history else order.state
        filled = order.sum_of_fills if from_history else order.filled
        yield f"{order.id} {state} {plain(filled)}"


def plain(amount: Decimal) -> str:
    """The one way to write an amount: no exponent, no trailing zeros."""
    with localcontext(EXACT):
        return format(amount.normalize() if amount else ZERO, "f")


def balance_lines(balances: Balances) -> Iterable[str]:
    """A line for each balance that is not nothing, in order of name."""
    return (f"{account} {unit} {plain(amount)}" for (account, unit), amount in sorted(balances.items()) if amount)


async def state_hash(balances: Balances, orders: AsyncIterator[str]) -> str:
    """SHA-256 of the state: the balances, then the orders."""
    digest = hashlib.sha256()
    for line in balance_lines(balances):
        digest.update(f"{line}\n".encode())
    async for line in orders:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()
