"""What is listed on the spot market, and by which filters."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

ORDER_TYPES = (
    "LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT",
)  # fmt: skip
PREVENTIONS = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")


@dataclass(frozen=True, slots=True)
class Listing:
    """One symbol with its filters. Mutable only by replacing it (`Spot.listings`)."""

    symbol: str
    base: str
    quote: str
    price: Decimal
    """Where the market starts."""
    tick: Decimal = Decimal("0.01")
    lot: Decimal = Decimal("0.00001")
    min_price: Decimal = Decimal("0.01")
    max_price: Decimal = Decimal(1_000_000)
    min_quantity: Decimal = Decimal("0.00001")
    max_quantity: Decimal = Decimal(9000)
    max_market_quantity: Decimal = Decimal(120)
    min_notional: Decimal = Decimal(5)
    max_notional: Decimal = Decimal(9_000_000)
    price_up: Decimal = Decimal(5)
    price_down: Decimal = Decimal("0.2")
    max_orders: int = 200
    max_algo_orders: int = 5
    max_amends: int = 10
    min_trailing: int = 10
    max_trailing: int = 2000

    def info(self) -> dict[str, Any]:
        """As `exchangeInfo` tells it."""
        return {
            "symbol": self.symbol,
            "status": "TRADING",
            "baseAsset": self.base,
            "baseAssetPrecision": 8,
            "quoteAsset": self.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": list(ORDER_TYPES),
            "icebergAllowed": True,
            "ocoAllowed": True,
            "otoAllowed": True,
            "opoAllowed": True,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": True,
            "cancelReplaceAllowed": True,
            "amendAllowed": True,
            "pegInstructionsAllowed": True,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": True,
            "filters": self.filters(),
            "permissions": [],
            "permissionSets": [["SPOT", "MARGIN"]],
            "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
            "allowedSelfTradePreventionModes": list(PREVENTIONS),
        }

    def filters(self) -> list[dict[str, Any]]:
        """The filters as `exchangeInfo` tells them."""
        return [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": eight(self.min_price),
                "maxPrice": eight(self.max_price),
                "tickSize": eight(self.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": eight(self.min_quantity),
                "maxQty": eight(self.max_quantity),
                "stepSize": eight(self.lot),
            },
            {"filterType": "ICEBERG_PARTS", "limit": 100},
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": eight(Decimal(0)),
                "maxQty": eight(self.max_market_quantity),
                "stepSize": eight(Decimal(0)),
            },
            {
                "filterType": "TRAILING_DELTA",
                "minTrailingAboveDelta": self.min_trailing,
                "maxTrailingAboveDelta": self.max_trailing,
                "minTrailingBelowDelta": self.min_trailing,
                "maxTrailingBelowDelta": self.max_trailing,
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": _plain(self.price_up),
                "bidMultiplierDown": _plain(self.price_down),
                "askMultiplierUp": _plain(self.price_up),
                "askMultiplierDown": _plain(self.price_down),
                "avgPriceMins": 5,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": eight(self.min_notional),
                "applyMinToMarket": True,
                "maxNotional": eight(self.max_notional),
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": self.max_orders},
            {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": self.max_algo_orders},
            {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": self.max_amends},
        ]


def eight(number: Decimal) -> str:
    """With eight decimals, as spot writes every number."""
    return f"{number:.8f}"


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


USUAL = (
    Listing("BTCUSDT", "BTC", "USDT", Decimal(50_000)),
    Listing("ETHUSDT", "ETH", "USDT", Decimal(3_000), lot=Decimal("0.0001"), min_quantity=Decimal("0.0001")),
    Listing("BNBUSDT", "BNB", "USDT", Decimal(600), lot=Decimal("0.001"), min_quantity=Decimal("0.001")),
)
