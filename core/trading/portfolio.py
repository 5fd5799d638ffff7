"""What we hold, in memory: the ledger's balances and the market's marks. Rebuilt from the ledger at start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext

from brokers.instrument import Instrument
from brokers.money import ZERO
from core.trading.ledger import EXACT, Entry, carried


@dataclass(frozen=True, slots=True)
class Lot:
    """The position of one strategy (or of all, when summed) in one instrument."""

    instrument: Instrument
    quantity: Decimal
    cost: Decimal
    realised: Decimal
    fees: Decimal

    @property
    def average_price(self) -> Decimal:
        """Cost by unit; zero when flat."""
        return self.cost / (self.quantity * self.instrument.multiplier) if self.quantity else ZERO

    def unrealised(self, mark: Decimal | None) -> Decimal | None:
        """Profit if closed at `mark`; zero when flat, None if there is no mark."""
        if self.quantity == 0:
            return ZERO
        if mark is None:
            return None
        with localcontext(EXACT):
            return self.quantity * mark * self.instrument.multiplier - self.cost


class Portfolio:
    """One account: balances by (ledger account, unit), and the last mark of each symbol."""

    def __init__(self, account: str, currency: str, instruments: Mapping[str, Instrument]) -> None:
        self.account = account
        self.currency = currency
        self.instruments = instruments
        self.balances: dict[tuple[str, str], Decimal] = {}
        self.marks: dict[str, Decimal] = {}
        self._holders: dict[str, set[str]] = {}  # symbol -> strategies that ever held it

    def load(self, balances: Mapping[tuple[str, str], Decimal]) -> None:
        """Start from what the ledger has stored."""
        self.balances, self._holders = {}, {}
        self.apply(Entry(account, unit, amount) for (account, unit), amount in balances.items())

    def apply(self, entries: Iterable[Entry]) -> None:
        """Take over entries that are committed."""
        changed = carried(self.balances, entries)
        self.balances.update(changed)
        for path, symbol in changed:
            if path.startswith(f"position/{self.account}/"):
                strategy = path.split("/", 3)[2]  # what follows is the symbol, which may hold a slash
                self._holders.setdefault(symbol, set()).add(strategy)

    @property
    def unknown(self) -> dict[str, Decimal]:
        """Positions in symbols whose instrument we do not know: they can be neither valued nor closed."""
        return {symbol: held for symbol, held in self.held().items() if symbol not in self.instruments}

    @property
    def cash(self) -> Decimal:
        """Money in the account's currency."""
        return self.balances.get((f"cash/{self.account}", self.currency), ZERO)

    def instrument(self, symbol: str) -> Instrument:
        """The instrument; a symbol that the market has dropped since it was traded keeps its results."""
        return self.instruments.get(symbol) or Instrument(symbol, self.currency)

    def lot(self, strategy: str, symbol: str) -> Lot:
        """The virtual position of one strategy."""
        where = f"{self.account}/{strategy}/{symbol}"
        instrument = self.instrument(symbol)

        def balance(kind: str, unit: str) -> Decimal:
            return self.balances.get((f"{kind}/{where}", unit), ZERO)

        money = instrument.currency
        return Lot(
            instrument,
            balance("position", symbol),
            balance("cost", money),
            -balance("realised", money),
            balance("fees", money),
        )

    def lots(self, symbol: str = "") -> Iterator[tuple[str, Lot]]:
        """(strategy, lot) of every symbol, or of one, in name order, flat ones included."""
        for each in [symbol] if symbol else sorted(self._holders):
            for strategy in sorted(self._holders.get(each, ())):
                yield strategy, self.lot(strategy, each)

    def quantity(self, symbol: str) -> Decimal:
        """The account's net position."""
        with localcontext(EXACT):
            return sum((lot.quantity for _, lot in self.lots(symbol)), ZERO)

    def held(self) -> dict[str, Decimal]:
        """The net position of every symbol that is not flat."""
        net = {symbol: self.quantity(symbol) for symbol in sorted(self._holders)}
        return {symbol: quantity for symbol, quantity in net.items() if quantity}

    @property
    def equity(self) -> Decimal | None:
        """Cash plus the value of every position; None while a held symbol has no mark."""
        total = self.cash
        with localcontext(EXACT):
            for symbol, quantity in self.held().items():
                mark = self.marks.get(symbol)
                if mark is None or symbol not in self.instruments:
                    return None
                total += quantity * mark * self.instruments[symbol].multiplier
        return total
