"""What pictures are drawn of, from a program that has traded: it is what the books say."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from core.errors import UnknownName
from core.store.models import FillRow
from tests.core.test_floor import house, settings


async def test_candles_show_the_newest_bars_and_what_we_did_in_them(tmp_path: Path) -> None:
    """Of one account only; bars of before a restart are there at once."""
    given = settings(tmp_path)
    async with house(given) as made:
        assert (await made.service.candles("AAPL", "main")).bars == ()
        await made.days(60)
        view = await made.service.candles("AAPL", "main")
        assert len(view.bars) == 60
        assert [bar.at for bar in view.bars] == sorted(bar.at for bar in view.bars)
        stored = await FillRow.filter(account="main", symbol="AAPL").order_by("at", "id")
        assert [(fill.at, fill.price) for fill in view.fills] == [
            (row.at, row.price) for row in stored if row.at >= view.bars[0].at
        ]
        assert view.fills
        held = made.desk("main").portfolio.lot("alpha", "AAPL")
        assert view.quantity == held.quantity
        if held.quantity:
            assert view.average_price == held.average_price
        assert view.account == "main"
    async with house(given) as again:
        assert (await again.service.candles("AAPL", "main")).bars == view.bars
        with pytest.raises(UnknownName, match="AAPL"):
            await again.service.candles("APPL", "main")
        with pytest.raises(UnknownName):
            await again.service.candles("AAPL", "main", ["fund"])


async def test_exposure_is_what_the_books_hold_at_the_prices_of_now(tmp_path: Path) -> None:
    """By symbol, and by strategy; they sum to the same."""
    async with house(settings(tmp_path)) as made:
        empty = await made.service.exposure("main")
        assert (empty.gross, empty.by_symbol) == (0, {})
        seen = 0
        for _ in range(60):
            await made.days(1)
            view = await made.service.exposure("main")
            portfolio = made.desk("main").portfolio
            quote = made.engine.market.quotes["AAPL"]
            held = portfolio.quantity("AAPL")
            assert view.by_symbol == ({"AAPL": held * quote.mid} if held else {})
            assert sum(view.by_strategy.values(), Decimal(0)) == view.net
            assert view.gross == abs(view.net or Decimal(0))
            seen += bool(held)
        assert seen
