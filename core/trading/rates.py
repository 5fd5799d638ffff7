"""Rates of exchange into the account's currency. One that is unknown is None, never 1.

A rate comes from the mark of a traded pair, `EUR/USD` or `BTC/USD`, directly or turned over; else from the
settings. Nothing goes by way of a third currency: a chain of prices of different moments is a rate of none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext

from brokers.instrument import AssetClass, Instrument, Settlement
from brokers.money import ZERO, exact
from core.trading.ledger import EXACT

# A pair that is turned over is rounded once, to so many digits; the rounded rate is the rate.
_TURNED = Context(prec=20)
_PAIRS = (AssetClass.FX, AssetClass.CRYPTO)


@dataclass(frozen=True, slots=True)
class Rate:
    """One unit of `base` is worth `rate` units of `quote`, by the word of `source`."""

    base: str
    quote: str
    rate: Decimal
    source: str


class Rates:
    """What other currencies are worth in `currency`, by the present `marks` of `instruments`."""

    def __init__(self, currency: str, instruments: Mapping[str, Instrument], marks: Mapping[str, Decimal]) -> None:
        self._currency = currency
        self._marks = marks
        self._instruments = instruments
        self._pairs: dict[tuple[str, str], str] = {}
        self.traded: frozenset[str] = frozenset()  # the currency of the account, and those of its instruments
        self.follow()
        self._fixed: dict[str, Decimal] = {}

    def follow(self) -> None:
        """There are other instruments than before."""
        self._pairs = {pair: each.symbol for each in self._instruments.values() if (pair := pair_of(each))}
        self.traded = frozenset({self._currency, *(each.currency for each in self._instruments.values())})

    def fix(self, rates: Mapping[str, Decimal]) -> None:
        """Rates from the settings, by currency: they count where no pair has a mark. Above zero, or `ValueError`."""
        for currency, rate in rates.items():
            if exact(rate, f"the rate of {currency}") <= 0:
                raise ValueError(f"the rate of {currency} must be above zero, not {rate}")
        self._fixed = dict(rates)

    def rate(self, currency: str) -> Rate | None:
        """The rate of a currency, or None."""
        if currency == self._currency:
            return Rate(currency, currency, Decimal(1), "same")
        if (symbol := self._pairs.get((currency, self._currency))) and (mark := self._mark(symbol)):
            return Rate(currency, self._currency, mark, symbol)
        if (symbol := self._pairs.get((self._currency, currency))) and (mark := self._mark(symbol)):
            return Rate(currency, self._currency, _TURNED.divide(Decimal(1), mark), symbol)
        fixed = self._fixed.get(currency)
        return Rate(currency, self._currency, fixed, "settings") if fixed else None

    def _mark(self, symbol: str) -> Decimal | None:
        mark = self._marks.get(symbol)
        return mark if mark is not None and mark.is_finite() and mark > 0 else None

    def known(self, currencies: Iterable[str]) -> dict[str, Decimal]:
        """The rates of those currencies that have one."""
        found = {currency: self.rate(currency) for currency in currencies}
        return {currency: rate.rate for currency, rate in found.items() if rate}

    def convert(self, amounts: Mapping[str, Decimal]) -> Decimal | None:
        """The sum of money in several currencies; None while the rate of one that is not nothing is unknown."""
        total = ZERO
        with localcontext(EXACT):
            for currency, amount in amounts.items():
                if not amount or currency == self._currency:
                    total += amount
                    continue
                if (rate := self.rate(currency)) is None:
                    return None
                total += amount * rate.rate
        return total


def pair_of(instrument: Instrument) -> tuple[str, str] | None:
    """(base, quote) of an instrument whose price is a rate of exchange; None for any other."""
    base, slash, quote = instrument.symbol.partition("/")
    is_spot = instrument.settlement is Settlement.FULL and instrument.multiplier == 1
    if instrument.asset_class in _PAIRS and is_spot and slash and quote == instrument.currency:
        return base, quote
    return None
