"""What pictures are drawn of: prices with our executions, and what is invested."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from brokers.money import ZERO
from core.errors import UnknownName
from core.questions.holdings import HoldingQuestions
from core.rows import fill_row
from core.store import orders as order_store
from core.trading.desk import Desk
from core.trading.spelling import spelt
from core.views import CandlesView, ExposureView
from risk.metrics import Unknown, exposure, symbol_value, unpriced
from risk.view import PortfolioView

_MOST_BARS = 90  # more are too narrow for a phone
_MOST_FILLS = 100


class PictureQuestions(HoldingQuestions):
    """Of one account: what is kept in different currencies cannot be shown in one picture."""

    async def symbols(self) -> tuple[str, ...]:
        """Everything that there are prices of."""
        return tuple(sorted({symbol for desk in self._engine.floor for symbol in desk.portfolio.instruments}))

    async def candles(self, symbol: str, account: str = "", accounts: Collection[str] | None = None) -> CandlesView:
        """The last bars of a symbol with the executions of an account in them. Raises `UnknownName`."""
        desk = self._desk(account, accounts)
        meant = spelt(symbol, desk.portfolio.instruments)
        if meant is None:
            raise UnknownName("symbol", symbol, desk.portfolio.instruments)
        symbol = meant
        bars = tuple(self._engine.market.bars(symbol))[-_MOST_BARS:]
        rows, _ = await order_store.page_of_fills(1, _MOST_FILLS, symbol, [desk.account])
        begin = bars[0].at if bars else None
        fills = tuple(fill_row(row) for row in reversed(rows) if begin is not None and row.at >= begin)
        held = next((row for row in self._net_positions(desk) if row.symbol == symbol), None)
        exits = () if held is None else held.exits
        return CandlesView(
            symbol=symbol,
            currency=desk.portfolio.instruments[symbol].currency,
            simulated=desk.broker.capabilities.simulated,
            bars=bars,
            fills=fills,
            quantity=ZERO if held is None else held.quantity,
            average_price=held.average_price if held is not None and held.quantity else None,
            stops=tuple(sorted({row.stop for row in exits if row.stop is not None})),
            targets=tuple(sorted({row.target for row in exits if row.target is not None})),
            account=self._named(desk),
        )

    async def exposure(self, account: str = "", accounts: Collection[str] | None = None) -> ExposureView:
        """What is invested, by symbol and by strategy, at the prices of now."""
        desk = self._desk(account, accounts)
        view = desk.view()
        try:
            found = exposure(view)
        except Unknown:
            gross, net, by_symbol, by_strategy = None, None, {}, {}
        else:
            gross, net, by_symbol = found.gross, found.net, dict(found.by_symbol)
            by_strategy = _by_strategy(desk, view)
        return ExposureView(
            currency=desk.currency,
            simulated=desk.broker.capabilities.simulated,
            equity=view.equity,
            gross=gross,
            net=net,
            by_symbol=by_symbol,
            by_strategy=by_strategy,
            unpriced=unpriced(view),
            account=self._named(desk),
        )


def _by_strategy(desk: Desk, view: PortfolioView) -> dict[str, Decimal]:
    """The signed value of what each strategy holds; every symbol has a price."""
    values: dict[str, Decimal] = {}
    for name, lot in desk.portfolio.lots():
        if lot.quantity:
            held = (
                lot.quantity * symbol_value(view, lot.instrument.symbol)
                if lot.instrument.symbol in view.holdings
                else ZERO
            )
            values[name] = values.get(name, ZERO) + held
    return values
