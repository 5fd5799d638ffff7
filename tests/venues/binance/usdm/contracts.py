"""The listed perpetual contracts: steps, filters, leverage brackets, and how exchangeInfo tells them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from brokers.instrument import AssetClass, Instrument, Settlement
from brokers.simulation.margin import Bracket as MarginBracket

QUOTE = "USDT"
MAX_ORDERS, MAX_ALGO_ORDERS = 200, 200
"""Conditional orders: of all symbols together, and no longer told as a filter."""

MOST_LEVERAGE = 125
USUAL_LEVERAGE = 20
BAND = Decimal("0.05")
"""PERCENT_PRICE: limits lie within 5 % of the mark on the far side."""

ORDER_TYPES = (
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)
TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "GTX", "GTD")
_ONBOARD, _NEVER = 1569398400000, 4133404800000


@dataclass(frozen=True, slots=True)
class Bracket:
    """From `floor` to `cap` of notional: the highest leverage and the maintenance rate; `cum` makes the rates one curve."""

    number: int
    floor: int
    cap: int
    leverage: int
    rate: Decimal
    cum: Decimal


def _brackets(*rows: tuple[int, int, str]) -> tuple[Bracket, ...]:
    """From (cap, leverage, rate): floors and cumulated amounts follow."""
    made: list[Bracket] = []
    for number, (cap, leverage, rate) in enumerate(rows, start=1):
        floor, below = (made[-1].cap, made[-1]) if made else (0, None)
        cum = Decimal(0) if below is None else below.cum + floor * (Decimal(rate) - below.rate)
        made.append(Bracket(number, floor, cap, leverage, Decimal(rate), cum))
    return tuple(made)


@dataclass(frozen=True, slots=True)
class Contract:
    """One perpetual, settled in USDT."""

    base: str
    price: Decimal
    tick: Decimal
    lot: Decimal
    min_notional: Decimal
    price_digits: int
    quantity_digits: int
    brackets: tuple[Bracket, ...]
    max_quantity: Decimal = Decimal(1000)
    max_market_quantity: Decimal = Decimal(120)

    @property
    def symbol(self) -> str:
        """As the venue writes it."""
        return f"{self.base}{QUOTE}"

    @property
    def instrument(self) -> Instrument:
        """In the engine's words. Sizes are checked before the engine sees an order, with the venue's own codes."""
        return Instrument(
            symbol=self.symbol,
            currency=QUOTE,
            asset_class=AssetClass.CRYPTO,
            tick=self.tick,
            lot=self.lot,
            settlement=Settlement.MARGINED,
        )

    @property
    def margin_brackets(self) -> tuple[MarginBracket, ...]:
        """The maintenance rates in the engine's words."""
        return tuple(MarginBracket(Decimal(each.floor), each.rate) for each in self.brackets)

    def bracket(self, notional: Decimal) -> Bracket:
        """The bracket that a position of that worth is in."""
        return next((each for each in self.brackets if notional <= each.cap), self.brackets[-1])

    def cap_at(self, leverage: int) -> int:
        """The largest notional at that leverage."""
        return max((each.cap for each in self.brackets if each.leverage >= leverage), default=self.brackets[0].cap)

    def info(self) -> dict[str, Any]:
        """As exchangeInfo tells it."""
        return {
            "symbol": self.symbol,
            "pair": self.symbol,
            "contractType": "PERPETUAL",
            "deliveryDate": _NEVER,
            "onboardDate": _ONBOARD,
            "status": "TRADING",
            "maintMarginPercent": "2.5000",
            "requiredMarginPercent": "5.0000",
            "baseAsset": self.base,
            "quoteAsset": QUOTE,
            "marginAsset": QUOTE,
            "pricePrecision": self.price_digits,
            "quantityPrecision": self.quantity_digits,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": "COIN",
            "underlyingSubType": ["PoW"],
            "settlePlan": 0,
            "triggerProtect": "0.0500",
            "liquidationFee": "0.012500",
            "marketTakeBound": "0.05",
            "filters": self._filters(),
            "orderTypes": list(ORDER_TYPES),
            "timeInForce": list(TIMES_IN_FORCE),
        }

    def _filters(self) -> list[dict[str, Any]]:
        lots = {"minQty": str(self.lot), "stepSize": str(self.lot)}
        return [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": str(self.tick),
                "maxPrice": "4529764",
                "tickSize": str(self.tick),
            },
            {"filterType": "LOT_SIZE", **lots, "maxQty": str(self.max_quantity)},
            {"filterType": "MARKET_LOT_SIZE", **lots, "maxQty": str(self.max_market_quantity)},
            {"filterType": "MAX_NUM_ORDERS", "limit": MAX_ORDERS},
            {"filterType": "MIN_NOTIONAL", "notional": str(self.min_notional)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": str(1 + BAND),
                "multiplierDown": str(1 - BAND),
                "multiplierDecimal": "4",
            },
        ]

    def bracket_info(self) -> dict[str, Any]:
        """As leverageBracket tells it."""
        return {
            "symbol": self.symbol,
            "notionalCoef": 1.0,
            "brackets": [
                {
                    "bracket": each.number,
                    "initialLeverage": each.leverage,
                    "notionalCap": each.cap,
                    "notionalFloor": each.floor,
                    "maintMarginRatio": float(each.rate),
                    "cum": float(each.cum),
                }
                for each in self.brackets
            ],
        }


def exchange_info(contracts: list[Contract], now: int) -> dict[str, Any]:
    """All of exchangeInfo."""
    return {
        "timezone": "UTC",
        "serverTime": now,
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
        ],
        "exchangeFilters": [],
        "assets": [{"asset": QUOTE, "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [each.info() for each in contracts],
    }


_D = Decimal
_LARGE = _brackets(
    (300_000, 125, "0.004"), (800_000, 100, "0.005"), (3_000_000, 75, "0.0065"), (12_000_000, 50, "0.01"),
    (70_000_000, 25, "0.02"), (230_000_000, 10, "0.05"), (800_000_000, 4, "0.125"), (1_800_000_000, 1, "0.5"),
)  # fmt: skip
_SMALL = _brackets((10_000, 75, "0.01"), (80_000, 50, "0.015"), (800_000, 20, "0.025"), (8_000_000, 4, "0.125"))

LISTED = (
    Contract("BTC", _D(50_000), _D("0.10"), _D("0.001"), _D(100), 2, 3, _LARGE),
    Contract("ETH", _D(3_000), _D("0.01"), _D("0.001"), _D(20), 2, 3, _LARGE, _D(10_000), _D(2000)),
    Contract("LTC", _D(80), _D("0.01"), _D("0.001"), _D(20), 2, 3, _SMALL, _D(10_000), _D(5000)),
)
