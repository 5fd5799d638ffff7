"""What we hold: positions and money."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal

from brokers.errors import BrokerError
from brokers.money import ZERO
from core.questions.asking import Asking
from core.rows import entry_price, exit_row
from core.trading.desk import Desk
from core.trading.portfolio import Lot
from core.views import BalanceRow, ExitRow, PositionRow


class HoldingQuestions(Asking):
    """Positions of the accounts with each strategy's part, and cash."""

    async def positions(self, account: str = "", accounts: Collection[str] | None = None) -> tuple[PositionRow, ...]:
        """The net positions of each account, with each strategy's part; and those that net to nothing."""
        desks = self._engine.floor.chosen(account, accounts)
        return tuple(row for desk in desks for row in self._net_positions(desk))

    def _net_positions(self, desk: Desk) -> list[PositionRow]:
        by_symbol: dict[str, dict[str, Lot]] = {}
        for name, lot in desk.portfolio.lots():
            if lot.quantity:
                by_symbol.setdefault(lot.instrument.symbol, {})[name] = lot
        return [self._position_row(desk, lots) for _, lots in sorted(by_symbol.items())]

    def _virtual_positions(self, desk: Desk) -> list[PositionRow]:
        """What each strategy holds by itself."""
        return [
            self._position_row(desk, {name: lot}, strategy=name) for name, lot in desk.portfolio.lots() if lot.quantity
        ]

    def _position_row(self, desk: Desk, lots: dict[str, Lot], strategy: str = "") -> PositionRow:
        """The lots of one symbol as one position: the account's, or that of one strategy."""
        quantity = sum((lot.quantity for lot in lots.values()), ZERO)
        cost = sum((lot.cost for lot in lots.values()), ZERO)
        instrument = next(iter(lots.values())).instrument
        mark = desk.portfolio.marks.get(instrument.symbol)
        value = None if mark is None else quantity * mark * instrument.multiplier
        return PositionRow(
            symbol=instrument.symbol,
            quantity=quantity,
            average_price=entry_price([lot for lot in lots.values() if lot.quantity * quantity > 0]),
            mark=mark,
            value=value,
            unrealised=None if value is None else value - cost,
            strategy=strategy,
            currency=instrument.currency,
            by_strategy={name: lot.quantity for name, lot in lots.items()},
            exits=self._exits(desk, instrument.symbol, lots),
            account=self._named(desk),
            is_dust=desk.is_dust(instrument.symbol, quantity),
        )

    def _exits(self, desk: Desk, symbol: str, names: Iterable[str]) -> tuple[ExitRow, ...]:
        """How the positions of these strategies are protected."""
        protection = self._engine.floor.pipelines[desk.account].protection
        found = (protection.guard(name, symbol) for name in names)
        return tuple(exit_row(each) for each in found if each is not None and each.spec is not None)

    async def balances(self, account: str = "", accounts: Collection[str] | None = None) -> tuple[BalanceRow, ...]:
        """Cash by our ledger beside the venues' own word; every venue is asked at once."""
        chosen = {desk.account for desk in self._engine.floor.chosen(account, accounts)}
        found = await self._engine.floor.each(_balances, chosen)
        return tuple(row for rows in found for row in rows)


async def _balances(desk: Desk) -> list[BalanceRow]:
    """The account's own currency first, then what instruments are paid in, then whatever else lies there."""
    try:
        theirs = dict((await desk.broker.get_account_info()).balances)
    except BrokerError:
        theirs = {}
    ours = desk.portfolio.cash_by_currency
    rows = []
    paid_in = {each.currency for each in desk.portfolio.instruments.values()}
    for currency in sorted({*ours, *theirs}, key=lambda each: (each != desk.currency, each not in paid_in, each)):
        venue = theirs.get(currency)
        total, free = (venue.total, venue.free) if venue else (None, None)
        rows.append(BalanceRow(desk.account, currency, ours.get(currency, Decimal(0)), total, free))
    return rows
