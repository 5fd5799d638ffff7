"""What a person may look at: frozen views that the service hands out and screens render, a family a file.

Money is `Decimal` in `currency`; times are aware UTC; fractions are plain numbers (0.05 is 5 %).
"""

from __future__ import annotations

from core.views.alerts import AlertCard, AlertRow, DeliveryLine, Muting
from core.views.by_hand import CancelPreview, ChangePreview, ExitsView, OrderPreview, Placed, Tradable
from core.views.control import ActionResult, FlattenPreview, KillView, LiveView, Overview, ResumeView, ScopeState
from core.views.house import AuditRow, HealthRow, InvitationView, JobRow, PersonView
from core.views.limits import LimitChange, LimitEdit, LimitRow, LimitSet, RiskScreenView
from core.views.orders import FillRow, OrderCard, OrderFill, OrderRow, OrderStep
from core.views.paging import Page
from core.views.performance import CandlesView, EquityPoint, PerformanceView, ReportView
from core.views.portfolio import BalanceRow, ExitRow, ExposureView, PnlRow, PnlView, PositionRow
from core.views.strategies import StrategyCard, StrategyRow, StrategyStatus
from core.views.venues import Adjusted, AdjustView, AwayRow, BrokerView, DifferenceRow, FailbackView, UnitsMoved

__all__ = [
    "ActionResult",
    "AdjustView",
    "Adjusted",
    "AlertCard",
    "AlertRow",
    "AuditRow",
    "AwayRow",
    "BalanceRow",
    "BrokerView",
    "CancelPreview",
    "CandlesView",
    "ChangePreview",
    "DeliveryLine",
    "DifferenceRow",
    "EquityPoint",
    "ExitRow",
    "ExitsView",
    "ExposureView",
    "FailbackView",
    "FillRow",
    "FlattenPreview",
    "HealthRow",
    "InvitationView",
    "JobRow",
    "KillView",
    "LimitChange",
    "LimitEdit",
    "LimitRow",
    "LimitSet",
    "LiveView",
    "Muting",
    "OrderCard",
    "OrderFill",
    "OrderPreview",
    "OrderRow",
    "OrderStep",
    "Overview",
    "Page",
    "PerformanceView",
    "PersonView",
    "Placed",
    "PnlRow",
    "PnlView",
    "PositionRow",
    "ReportView",
    "ResumeView",
    "RiskScreenView",
    "ScopeState",
    "StrategyCard",
    "StrategyRow",
    "StrategyStatus",
    "Tradable",
    "UnitsMoved",
]
