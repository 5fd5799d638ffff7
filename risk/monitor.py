"""The monitor: looks at an account as it is, not at an order, and says how much trading is still allowed.

It only ever makes the state graver. Going back is a person's act.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

from risk import wording
from risk.limits import RiskLimits
from risk.metrics import (
    daily_loss_percent,
    drawdown_percent,
    equity_of,
    exposure,
    is_known,
    is_price,
    of_equity_percent,
    unpriced,
)
from risk.view import PortfolioView, TradingState


class Severity(IntEnum):
    """What a breach asks for. The numbers are those of `TradingState`."""

    ALERT = 0
    REDUCE = 1
    HALT = 2

    @property
    def state(self) -> TradingState:
        """The trading state that a breach of this severity leads to."""
        return TradingState(self)


@dataclass(frozen=True, slots=True)
class Breach:
    """One limit that is broken now; `message` names the baseline, `limit` and `value` carry their unit."""

    code: str
    severity: Severity
    message: str
    limit: str
    value: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """The state the account must be in, and why: the gravest breach first."""

    state: TradingState
    breaches: tuple[Breach, ...]


Watch = Callable[[PortfolioView, RiskLimits], Breach | None]


def assess(view: PortfolioView, limits: RiskLimits, previous: TradingState) -> Assessment:
    """Judge the account. The state is never milder than `previous`. Never raises: the unknown is a breach."""
    found = tuple(sorted(_breaches(view, limits), key=lambda breach: -breach.severity))
    return Assessment(max((previous, *(breach.severity.state for breach in found))), found)


def _breaches(view: PortfolioView, limits: RiskLimits) -> Iterator[Breach]:
    """What is wrong. Losses are not read from an equity that rests on missing prices."""
    for blindness in (_unknown_equity, _missing_prices):
        if (breach := _look(blindness, view, limits)) is not None:
            yield breach
            return
    for watch in (_daily_loss, _drawdown, _gross_exposure, _net_exposure):
        if (breach := _look(watch, view, limits)) is not None:
            yield breach


def _look(watch: Watch, view: PortfolioView, limits: RiskLimits) -> Breach | None:
    try:
        return watch(view, limits)
    except (ArithmeticError, TypeError, AttributeError) as error:
        message = f"Cannot be judged, so trading halts: {error}"
        return Breach("FIGURE_UNKNOWN", Severity.HALT, message, "known figures", "unknown")


def _unknown_equity(view: PortfolioView, _limits: RiskLimits) -> Breach | None:
    if is_price(view.equity):
        return None
    if is_known(view.equity):
        message = f"Equity is gone: {view.equity} {view.currency}"
        return Breach("EQUITY_GONE", Severity.HALT, message, "above zero", f"{view.equity} {view.currency}")
    names = ", ".join(unpriced(view))
    message = f"Equity is unknown{': no price for ' + names if names else ''}"
    return Breach("EQUITY_UNKNOWN", Severity.HALT, message, "a known equity", "unknown")


def _missing_prices(view: PortfolioView, _limits: RiskLimits) -> Breach | None:
    """A price of zero feigns a loss: no false kill then (hummingbot #1145), but no new risk either."""
    if not (names := ", ".join(unpriced(view))):
        return None
    message = f"No price for {names}: equity and exposure cannot be trusted, only exits trade"
    return Breach("MARK_MISSING", Severity.REDUCE, message, "a price for each holding", f"none for {names}")


def _daily_loss(view: PortfolioView, limits: RiskLimits) -> Breach | None:
    steps = (
        (Severity.HALT, limits.daily_loss_halt_percent),
        (Severity.REDUCE, limits.daily_loss_reduce_percent),
        (Severity.ALERT, limits.daily_loss_alert_percent),
    )
    since = f"Daily loss {{}} since day start {wording.baseline(view.day_start_equity)}"
    return _gravest("DAILY_LOSS", since, daily_loss_percent(view), steps)


def _drawdown(view: PortfolioView, limits: RiskLimits) -> Breach | None:
    steps = ((Severity.HALT, limits.drawdown_halt_percent), (Severity.REDUCE, limits.drawdown_reduce_percent))
    since = f"Drawdown {{}} from peak {wording.baseline(view.peak_equity)}"
    return _gravest("DRAWDOWN", since, drawdown_percent(view), steps)


def _gross_exposure(view: PortfolioView, limits: RiskLimits) -> Breach | None:
    most = _tolerated(limits.max_gross_exposure_percent, limits)
    return _exposure_over("Gross", exposure(view).gross, most, view)


def _net_exposure(view: PortfolioView, limits: RiskLimits) -> Breach | None:
    most = _tolerated(limits.max_net_exposure_percent, limits)
    return _exposure_over("Net", abs(exposure(view).net), most, view)


def _tolerated(most: Decimal, limits: RiskLimits) -> Decimal:
    return most * (100 + limits.exposure_reduce_percent) / 100


def _exposure_over(name: str, value: Decimal, most: Decimal, view: PortfolioView) -> Breach | None:
    text = f"{name} exposure {{}} of equity {wording.baseline(equity_of(view))}"
    steps = ((Severity.REDUCE, most),)
    return _gravest(f"{name.upper()}_EXPOSURE", text, of_equity_percent(view, value), steps)


def _gravest(code: str, text: str, value: Decimal, steps: tuple[tuple[Severity, Decimal], ...]) -> Breach | None:
    """The first of `steps`, gravest first, that `value` exceeds."""
    for severity, limit in steps:
        if value > limit:
            shown, most = wording.percent(value), f"{wording.plain(limit)} %"
            return Breach(code, severity, f"{text.format(shown)} exceeds {most}", most, shown)
    return None
