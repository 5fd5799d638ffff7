"""What a rule is asked: one intent, in one account at one moment, under the limits in force."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property

from risk.boundary import Fits, largest_passing, reducing_part
from risk.intent import OrderIntent
from risk.limits import RiskLimits
from risk.metrics import Unknown, equity_of, price_of, quote_price, symbols_at_stake, unit_value
from risk.reducing import only_reduces
from risk.view import PortfolioView


class Case:
    """One judgement, from the first rule to the last.

    What several rules look at is computed once, when the first of them asks: nothing here changes meanwhile. A figure
    that cannot be known raises `Unknown`, whoever asks and however often.
    """

    def __init__(self, intent: OrderIntent, view: PortfolioView, limits: RiskLimits) -> None:
        self.intent = intent
        self.view = view
        self.limits = limits

    @cached_property
    def symbol(self) -> str:
        """What is to be traded."""
        return self.intent.instrument.symbol

    @cached_property
    def only_reduces(self) -> bool:
        """Whether it shrinks the position and can neither raise nor flip it: see `risk.reducing`."""
        return only_reduces(self.intent, self.view)

    @cached_property
    def is_slice(self) -> bool:
        """Whether it only reduces and is as large as the venue takes at once: more of the same may have to follow."""
        return self.intent.quantity == self.most_at_once and self.only_reduces

    @cached_property
    def most_at_once(self) -> Decimal | None:
        """The largest order of its type that the venue takes; None if there is no limit."""
        return self.intent.instrument.most(at_market=not self.intent.type.has_limit)

    @cached_property
    def market(self) -> Decimal:
        """The price of its instrument by the quote alone. Raises `Unknown`."""
        quote = self.view.quotes.get(self.symbol)
        price = quote_price(quote) if quote else None
        if price is None:
            raise Unknown(f"{self.symbol} has no quote")
        return price

    @cached_property
    def equity(self) -> Decimal:
        """The account's equity, above zero. Raises `Unknown`."""
        return equity_of(self.view)

    def share_of_equity(self, percent: Decimal) -> Decimal:
        """`percent` % of equity, in money. Raises `Unknown`."""
        return self.equity * percent / 100

    @cached_property
    def unit_value(self) -> Decimal:
        """What one unit of it may cost, in the account's currency. Raises `Unknown`.

        It is valued at the market or at the price that it names itself, whichever is higher.
        """
        intent = self.intent
        own = [price for price in (intent.limit_price, intent.stop_price) if price is not None]
        return unit_value(self.view, intent.instrument, max((self.price, *own)))

    @cached_property
    def price(self) -> Decimal:
        """The price that its instrument is valued at: its quote, else the holding's mark. Raises `Unknown`."""
        return price_of(self.view, self.symbol)

    @cached_property
    def ahead(self) -> Decimal:
        """Units held in its direction once the open orders on its side have filled, without itself."""
        side = self.intent.side
        return self.view.worst_quantity(self.symbol, side) * side.sign

    @cached_property
    def elsewhere(self) -> frozenset[str]:
        """The other instruments with a position or an open order."""
        return symbols_at_stake(self.view) - {self.symbol}

    @property
    def reducing_part(self) -> Decimal:
        """The most units of it that only reduce: what passes a rule that bars new risk."""
        return reducing_part(self.intent, self.view)

    def largest_passing(self, fits: Fits) -> Decimal:
        """The most units of it that only reduce or that `fits`: see `risk.boundary`."""
        return largest_passing(self.intent, self.view, fits)
