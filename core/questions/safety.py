"""Risk: states, baselines and limits; and what flattening would do."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from brokers.money import ZERO
from core.questions.asking import Asking, measured_since
from core.rows import limit_title, limit_value
from core.trading.desk import Desk
from core.views import FlattenPreview, LimitRow, RiskScreenView, ScopeState
from risk.rule import all_rules
from risk.usage import limit_usage


class SafetyQuestions(Asking):
    """How much may still go wrong."""

    async def risk(self, account: str = "", accounts: Collection[str] | None = None) -> RiskScreenView:
        """States, baselines, limits and their use, of one account. Raises `UnknownName`."""
        desk = self._desk(account, accounts)
        view, limits = desk.view(), desk.gate.limits
        return RiskScreenView(
            state=self._engine.switch.gravest(desk.account).state,
            scopes=self._scopes([desk]),
            equity=view.equity,
            day_start_equity=view.day_start_equity,
            peak_equity=view.peak_equity,
            currency=desk.currency,
            usage=tuple(
                LimitRow(each.code, each.title, each.value, each.limit, each.fraction)
                for each in limit_usage(view, limits)
            ),
            limits={
                limit_title(each): limit_value(each, getattr(limits, each), desk.currency)
                for each in type(limits).model_fields
            },
            rules={each.code: each.title for each in all_rules()},
            measured_since=await measured_since(desk.account),
            account=self._named(desk),
        )

    async def restrictions(self, accounts: Collection[str] | None = None) -> tuple[ScopeState, ...]:
        """Every scope that was ever restricted, of the house and of the accounts that the reader may see."""
        return self._scopes(self._engine.floor.chosen("", accounts))

    def _scopes(self, desks: Collection[Desk]) -> tuple[ScopeState, ...]:
        """What concerns these accounts: the house, they themselves, their instruments and their strategies."""
        floor = self._engine.floor
        others = [desk for desk in floor if desk not in desks]
        theirs = {name for desk in others for name in floor.strategies_of(desk.account)}

        def concerns(scope: str) -> bool:
            kind, _, rest = scope.partition(":")
            if kind in ("account", "instrument"):
                return rest.partition("/")[0] not in {desk.account for desk in others}
            return kind != "strategy" or rest not in theirs

        return tuple(
            ScopeState(scope, each.state, each.reason, each.by, each.at)
            for scope, each in self._engine.switch.settings.items()
            if concerns(scope)
        )

    async def flatten_preview(
        self, strategy: str = "", account: str = "", accounts: Collection[str] | None = None
    ) -> FlattenPreview:
        """What flattening a strategy, an account, or everything, would trade. Raises `UnknownName`."""
        self._check_known(strategy, accounts)
        desks = self._engine.floor.chosen(account, accounts)
        currencies = {desk.currency for desk in desks}
        one = len(currencies) == 1
        orders = [
            (symbol, units, value if one else None)
            for desk in desks
            for symbol, units, value in _closing(desk, strategy, named=len(desks) > 1)
        ]
        obstacles = tuple(line for desk in desks for line in _obstacles(desk, strategy, named=len(desks) > 1))
        currency = currencies.pop() if one else ""
        return FlattenPreview(strategy or account or "everything", tuple(orders), currency, obstacles)


def _obstacles(desk: Desk, strategy: str, *, named: bool) -> list[str]:
    """What of it would not be closed now, and why."""
    found = []
    for symbol, parts in desk.closing(strategy).items():
        if why := _obstacle(desk, symbol, abs(sum(parts.values(), ZERO))):
            found.append(f"{desk.account} {symbol}: {why}" if named else f"{symbol}: {why}")
    return found + [f"{desk.account}: {each}" if named else each for each in desk.dust(strategy)]


def _obstacle(desk: Desk, symbol: str, quantity: Decimal) -> str:
    """Why one position cannot be closed at this moment; empty if it can, as far as we know."""
    instrument, mark = desk.portfolio.instruments.get(symbol), desk.portfolio.marks.get(symbol)
    if not desk.broker.is_connected:
        return "the broker is not connected"
    if instrument is None:
        return "the venue does not know it any more"
    if any(order.symbol == symbol and order.state.is_in_doubt for order in desk.orders.open_orders):
        return "an order there is in doubt: /orders doubt"
    if mark is None:
        return "there is no price"
    if quantity < instrument.min_quantity or quantity * mark * instrument.multiplier < instrument.min_notional:
        return "it is less than the venue takes"
    return ""


def _closing(desk: Desk, strategy: str, *, named: bool) -> list[tuple[str, Decimal, Decimal | None]]:
    """The orders that would close what is held: symbol (with its account, if `named`), signed units, value."""
    found = []
    for symbol, parts in desk.closing(strategy).items():
        quantity, mark = sum(parts.values(), ZERO), desk.portfolio.marks.get(symbol)
        shown = f"{desk.account} {symbol}" if named else symbol
        found.append((shown, quantity, None if mark is None else abs(quantity) * mark))
    return found
