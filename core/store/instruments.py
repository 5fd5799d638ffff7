"""Instruments as their venues described them last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal

from brokers.instrument import AssetClass, Instrument, Settlement
from core.store.models import InstrumentRow
from core.store.rows import put

# Whose they are that the feeds trade, and paper accounts with them.
FEEDS = ""

_NUMBERS = ("tick", "lot", "min_quantity", "min_notional", "multiplier", "max_quantity", "max_market_quantity")


async def get_instruments(whose: str) -> dict[str, Instrument]:
    """What is remembered of an account's instruments (`FEEDS`: of those of the feeds), by symbol."""
    rows = await InstrumentRow.filter(whose=whose)
    return {row.symbol: _instrument(row.symbol, row.terms) for row in rows}


async def put_instruments(whose: str, instruments: Iterable[Instrument], at: datetime) -> None:
    """Remember them."""
    rows = [InstrumentRow(whose=whose, symbol=each.symbol, terms=_terms(each), at=at) for each in instruments]
    await put(rows, replacing=("whose", "symbol"))


def _terms(instrument: Instrument) -> dict[str, str]:
    told = {name: value for name, value in asdict(instrument).items() if name != "symbol" and value is not None}
    return {name: str(value) for name, value in told.items()}


def _instrument(symbol: str, terms: dict[str, str]) -> Instrument:
    given = {name: Decimal(value) if name in _NUMBERS else value for name, value in terms.items()}
    given["asset_class"] = AssetClass(terms["asset_class"])
    given["settlement"] = Settlement(terms["settlement"])
    return Instrument(symbol, **given)  # type: ignore[arg-type]
