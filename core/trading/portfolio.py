"""What we hold, in memory: the ledger's balances and the market's marks. Rebuilt from the ledger at start."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext

from brokers.instrument import Instrument
from brokers.money import ZERO
from core.trading.ledger import EXACT, Entry, carried
from core.trading.rates import Rate, Rates

# Ledger accounts that hold what strategies gained and lost.
RESULTS = frozenset({"realised", "fees", "funding", "interest", "dividend", "other"})


@dataclass(frozen=True, slots=True)
class Lot:
    """The position of one strategy (or of all, when summed) in one instrument, in the instrument's currency.

    `fees` are those paid in that currency; see `core.trading.profit` for all.
    """

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
    """One account: balances by (ledger account, unit), the last mark of each symbol, and the rates of exchange."""

    def __init__(self, account: str, currency: str, instruments: Mapping[str, Instrument]) -> None:
        self.account = account
        self.currency = currency
        self.instruments = instruments
        self.balances: dict[tuple[str, str], Decimal] = {}
        self.marks: dict[str, Decimal] = {}
        self.rates = Rates(currency, instruments, self.marks)
        self._holders: dict[str, dict[str, tuple[str, str]]] = {}  # symbol -> who ever held it, and their balances
        self._net: dict[str, Decimal] = {}  # what all of them hold together, by symbol in name order
        self._money: dict[tuple[str, str], None] = {}  # what belongs to us at the venue beside the positions
        self._results: dict[str, set[tuple[str, str]]] = {}  # strategy -> its accounts of profit and loss
        self.holds_coins = True  # whether its positions are what pays fees; a simulated venue keeps coins as money
        self.spent: dict[tuple[str, str], Decimal] = {}  # (strategy, symbol) -> units that fees took since the start

    def spend(self, spent: Mapping[tuple[str, str], Decimal]) -> None:
        """Units that fees have taken out of holdings, once that is committed."""
        for key, units in spent.items():
            self.spent[key] = EXACT.add(self.spent.get(key, ZERO), units)

    def load(self, balances: Mapping[tuple[str, str], Decimal]) -> None:
        """Start from what the ledger has stored."""
        self.balances, self._holders, self._net, self._money, self._results = {}, {}, {}, {}, {}
        self.apply(Entry(account, unit, amount) for (account, unit), amount in balances.items())

    def apply(self, entries: Iterable[Entry]) -> None:
        """Take over entries that are committed."""
        changed = carried(self.balances, entries)
        for path, unit in changed:
            if (path, unit) not in self.balances:
                self._note(path, unit)
        self.balances.update(changed)
        if moved := {unit: self._sum_of(unit) for _, unit in changed if unit in self._holders}:
            self._net = dict(sorted((self._net | moved).items()))

    def _sum_of(self, symbol: str) -> Decimal:
        with localcontext(EXACT):
            return sum([self.balances[key] for key in self._holders[symbol].values()], ZERO)

    def _note(self, path: str, unit: str) -> None:
        """Remember what a new ledger account is for. A symbol comes last in a path: it may hold a slash."""
        kind, account, *rest = path.split("/", 3)
        if account != self.account:
            return
        if kind in ("cash", "margin"):
            self._money[path, unit] = None
        elif kind == "position":
            self._holders.setdefault(unit, {})[rest[0]] = path, unit
        elif kind in RESULTS:
            self._results.setdefault(rest[0], set()).add((path, unit))

    @property
    def unknown(self) -> dict[str, Decimal]:
        """Positions in symbols whose instrument we do not know: they can be neither valued nor closed."""
        return {symbol: held for symbol, held in self.held().items() if symbol not in self.instruments}

    @property
    def cash(self) -> Decimal:
        """Money in the account's currency."""
        return self.balances.get((f"cash/{self.account}", self.currency), ZERO)

    @property
    def cash_by_currency(self) -> dict[str, Decimal]:
        """Money of every currency that the account ever had."""
        path = f"cash/{self.account}"
        return {unit: self.balances[path, unit] for each, unit in self._money if each == path}

    def instrument(self, symbol: str) -> Instrument:
        """The instrument; a symbol that the market has dropped since it was traded keeps its results."""
        return self.instruments.get(symbol) or Instrument(symbol, self.currency)

    def lot(self, strategy: str, symbol: str) -> Lot:
        """The virtual position of one strategy."""
        where, balances = f"{self.account}/{strategy}/{symbol}", self.balances
        instrument = self.instrument(symbol)
        money = instrument.currency
        return Lot(
            instrument,
            balances.get((f"position/{where}", symbol), ZERO),
            balances.get((f"cost/{where}", money), ZERO),
            -balances.get((f"realised/{where}", money), ZERO),
            balances.get((f"fees/{where}", money), ZERO),
        )

    def position(self, strategy: str, symbol: str) -> Decimal:
        """The signed units of one strategy."""
        return self.balances.get((f"position/{self.account}/{strategy}/{symbol}", symbol), ZERO)

    def lots(self, symbol: str = "") -> Iterator[tuple[str, Lot]]:
        """(strategy, lot) of every symbol, or of one, in name order, flat ones included."""
        for each in [symbol] if symbol else sorted(self._holders):
            for strategy in sorted(self._holders.get(each, ())):
                yield strategy, self.lot(strategy, each)

    def symbols_of(self, strategy: str) -> list[str]:
        """What a strategy ever held."""
        return sorted(symbol for symbol, holders in self._holders.items() if strategy in holders)

    def quantity(self, symbol: str) -> Decimal:
        """The account's net position."""
        return self._net.get(symbol, ZERO)

    def held(self) -> dict[str, Decimal]:
        """The net position of every symbol that is not flat."""
        return {symbol: quantity for symbol, quantity in self._net.items() if quantity}

    def results(self, strategy: str) -> Iterator[tuple[str, str, Decimal]]:
        """(kind, currency, amount) of every ledger account of profit and loss that a strategy has."""
        for path, unit in self._results.get(strategy, ()):
            yield path.split("/", 1)[0], unit, self.balances[path, unit]

    @property
    def strategies(self) -> list[str]:
        """Everyone who ever held or gained something, in name order."""
        return sorted({*self._results}.union(*self._holders.values()))

    # --- what it is worth --------------------------------------------------------------------------

    def worth(self) -> dict[str, Decimal] | None:
        """Cash and positions by currency; None while a held symbol has no mark or is unknown."""
        found: dict[str, Decimal] = defaultdict(Decimal)
        with localcontext(EXACT):
            for key in self._money:
                found[key[1]] += self.balances[key]
            for symbol, quantity in self.held().items():
                mark, instrument = self.marks.get(symbol), self.instruments.get(symbol)
                if mark is None or instrument is None:
                    return None
                found[instrument.currency] += quantity * mark * instrument.multiplier
        return dict(found)

    @property
    def equity(self) -> Decimal | None:
        """What all is worth in the account's currency; None while a mark or a rate of exchange is unknown."""
        worth = self.worth()
        if worth is None:
            return None
        total = self.rates.convert(worth)
        if total is None and (left_out := self.uncounted):
            return self.rates.convert({each: amount for each, amount in worth.items() if each not in left_out})
        return total

    @property
    def deposits(self) -> Decimal | None:
        """What was paid in, less what was paid out, at today's rates; None while one of them is unknown."""
        path, left_out = f"deposits/{self.account}", self.uncounted
        paid = {unit: -amount for (each, unit), amount in self.balances.items() if each == path}
        return self.rates.convert({unit: amount for unit, amount in paid.items() if unit not in left_out})

    @property
    def uncounted(self) -> dict[str, Decimal]:
        """Money that nobody here trades, and that has no rate: a coin that somebody has sent us. It counts as nothing.

        A debt without a rate does count: then equity is unknown.
        """
        cash = self.cash_by_currency
        foreign = {unit: amount for unit, amount in cash.items() if amount > 0 and unit not in self.rates.traded}
        return {unit: amount for unit, amount in foreign.items() if self.rates.rate(unit) is None}

    @property
    def fx_rates(self) -> dict[str, Decimal]:
        """The known rates of every foreign currency that we have, or that an instrument is traded in."""
        return self.rates.known({*self.rates.traded, *(unit for _, unit in self._money)} - {self.currency})

    def rates_used(self) -> list[Rate]:
        """The rates by which `equity` is converted now."""
        found = (self.rates.rate(currency) for currency in sorted(self.worth() or {}) if currency != self.currency)
        return [rate for rate in found if rate is not None]
