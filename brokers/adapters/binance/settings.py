"""What can be set of an account at Binance."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Self

from pydantic import model_validator

from brokers.ccxt.settings import CcxtSettings, Mode


class Market(StrEnum):
    """Which of Binance's markets: its spot market, the same on cross margin, or USDT-margined perpetual futures."""

    SPOT = "spot"
    MARGIN = "margin"
    USDM = "usdm"


_MODES = {
    Market.SPOT: (Mode.LIVE, Mode.TESTNET, Mode.DEMO),
    Market.MARGIN: (Mode.LIVE,),
    Market.USDM: (Mode.LIVE, Mode.DEMO),
}


class BinanceSettings(CcxtSettings):
    """An account at Binance. `borrow`: what a margin account lacks for an order is borrowed, and paid back by
    itself.
    """

    shortest_timer: ClassVar[int] = 60  # each telling of it weighs ten for each instrument
    timer_of_each: ClassVar[int] = 3  # a quarter of the 2400 in a minute, then; the rest is for orders

    market: Market = Market.SPOT
    borrow: bool = True

    @model_validator(mode="after")
    def _mode_is_there(self) -> Self:
        offered = _MODES[self.market]
        if self.mode not in offered:
            raise ValueError(f"Binance has no {self.mode} mode for {self.market}; set mode to {' or '.join(offered)}")
        return self
