"""What every strategy is to hold: its exposure, turned into units once, when the exposure changes.

Goals are stored before they are ordered, with the exposure that they were sized for. A restart therefore
neither sizes anew what is held already, nor forgets an exit that was decided and not yet ordered.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from brokers.money import ZERO
from core.store.goals import load_goals, put_goals
from core.strategy.manager import Instance, StrategyManager
from core.trading.desk import Desk
from core.trading.market import Market
from risk.sizer import Sized, SizingInputs
from risk.sizing.volatility_target import annual_volatility

_VOLATILITY_BARS = 60


@dataclass(frozen=True, slots=True)
class Goal:
    """The signed quantity that a strategy is to hold, the exposure that it stands for, and why.

    `exposure` is None while no size is known: the next bar tries again.
    """

    quantity: Decimal
    exposure: float | None
    reason: str


class Goals:
    """The goals of all strategies of one desk."""

    def __init__(self, strategies: StrategyManager, desk: Desk, market: Market) -> None:
        self._strategies = strategies
        self._desk = desk
        self._market = market
        self._goals: dict[tuple[str, str], Goal] = {}
        self._stored: dict[tuple[str, str], Goal] | None = None

    async def load(self) -> None:
        """Take up the stored goals, once."""
        if self._stored is None:
            rows = await load_goals(self._desk.account)
            self._goals = {(name, symbol): Goal(Decimal(units), *rest) for name, symbol, units, *rest in rows}
            self._stored = dict(self._goals)

    async def save(self) -> None:
        """Store the goals if any has changed."""
        if self._goals != self._stored:
            rows = [[*key, f"{each.quantity:f}", each.exposure, each.reason] for key, each in self._goals.items()]
            await put_goals(self._desk.account, rows)
            self._stored = dict(self._goals)

    def __getitem__(self, key: tuple[str, str]) -> Goal:
        return self._goals[key]

    def be_flat(self, strategy: str, symbol: str, reason: str) -> None:
        """A person has flattened it."""
        self._goals[strategy, symbol] = Goal(ZERO, 0.0, reason)

    def size(self, strategy: str, symbol: str, exposure: float) -> None:
        """Give a strategy a new goal if its exposure is another than the one that it was sized for."""
        known = self._goals.get((strategy, symbol))
        if known is None or known.exposure != exposure:
            self._goals[strategy, symbol] = self._goal(self._strategies.get(strategy), symbol, exposure)

    def _goal(self, instance: Instance, symbol: str, exposure: float) -> Goal:
        if exposure == 0:
            return Goal(ZERO, 0.0, instance.last_signal)
        sized = self._sized(instance, symbol, exposure)
        if sized.quantity or not sized.reason:
            return Goal(sized.quantity, exposure, instance.last_signal)
        held = self._desk.portfolio.lot(instance.name, symbol).quantity
        keeps = held if (held > 0) == (exposure > 0) else ZERO  # leaving the wrong side needs no size
        return Goal(keeps, None, f"no size: {sized.reason}")

    def _sized(self, instance: Instance, symbol: str, exposure: float) -> Sized:
        quote, equity = self._market.quotes.get(symbol), self._desk.portfolio.equity
        if quote is None or equity is None:
            return Sized(ZERO, "price or equity is not known")
        history = self._strategies.history(symbol)
        volatility = annual_volatility(list(history.last(_VOLATILITY_BARS).close)) if history else None
        inputs = SizingInputs(self._desk.portfolio.instruments[symbol], quote.mid, equity, volatility)
        return instance.sizer.explain(exposure, inputs)
