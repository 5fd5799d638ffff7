"""The tables, a family a file. Rows of `OrderEvent`, `Fill`, `Ledger*` and `AuditLine` are only ever added."""

from __future__ import annotations

from core.store.models.access import ApprovalRow, AuditLine, InvitationRow, PersonRow, RightsRow, TotpRow
from core.store.models.alerts import AlertRow, DeliveryRow, MuteRow
from core.store.models.books import BaselineRow, EquityRow, FxRateRow, LedgerBalance, LedgerEntry, LedgerTransaction
from core.store.models.chat import ChatMemoryRow, InboxRow, TicketRow
from core.store.models.control import FlattenRow, JobRow, KillRow, LimitRow, LiveRow, StandbyRow, TradingStateRow
from core.store.models.orders import AllocationRow, FillRow, OrderEvent, OrderRow, OrderStrategyRow
from core.store.models.strategies import GoalRow, ProtectionRow, StrategyRow, WantedExitsRow
from core.store.models.venues import Cursor, InstrumentRow

__all__ = [
    "AlertRow",
    "AllocationRow",
    "ApprovalRow",
    "AuditLine",
    "BaselineRow",
    "ChatMemoryRow",
    "Cursor",
    "DeliveryRow",
    "EquityRow",
    "FillRow",
    "FlattenRow",
    "FxRateRow",
    "GoalRow",
    "InboxRow",
    "InstrumentRow",
    "InvitationRow",
    "JobRow",
    "KillRow",
    "LedgerBalance",
    "LedgerEntry",
    "LedgerTransaction",
    "LimitRow",
    "LiveRow",
    "MuteRow",
    "OrderEvent",
    "OrderRow",
    "OrderStrategyRow",
    "PersonRow",
    "ProtectionRow",
    "RightsRow",
    "StandbyRow",
    "StrategyRow",
    "TicketRow",
    "TotpRow",
    "TradingStateRow",
    "WantedExitsRow",
]
