"""The products of the venue, built on one frame. Whoever adds a product adds it here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.venues.binance.custody import Custody
from tests.venues.binance.frame import Frame
from tests.venues.binance.listing import USUAL, Listing
from tests.venues.binance.margin import Margin
from tests.venues.binance.spot import Spot
from tests.venues.binance.usdm.product import Usdm
from tests.venues.binance.wsapi import WsApi


@dataclass(frozen=True, slots=True)
class Products:
    """What the venue offers."""

    spot: Spot
    margin: Margin
    custody: Custody
    usdm: Usdm


def build(frame: Frame, more: Iterable[Listing] = ()) -> Products:
    """Spot, margin and USDT-M futures; `more` is listed at the spot market besides the usual."""
    ws_api = WsApi(frame)
    spot = Spot(frame, ws_api, (*USUAL, *more))
    return Products(spot=spot, margin=Margin(frame, ws_api, spot), custody=Custody(frame, spot), usdm=Usdm(frame))
