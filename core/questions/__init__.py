"""The questions half of the service: every view that a person may ask for, a room each."""

from __future__ import annotations

from core.questions.asking import MEASURED, measured_key
from core.questions.brokers import BrokerQuestions
from core.questions.overview import OverviewQuestions
from core.questions.pictures import PictureQuestions
from core.questions.records import RecordQuestions
from core.questions.results import ResultQuestions
from core.questions.safety import SafetyQuestions
from core.questions.strategies import StrategyQuestions
from core.questions.trades import TradeQuestions

__all__ = ["MEASURED", "Questions", "measured_key"]


class Questions(
    OverviewQuestions,
    BrokerQuestions,
    StrategyQuestions,
    TradeQuestions,
    ResultQuestions,
    SafetyQuestions,
    RecordQuestions,
    PictureQuestions,
):
    """Looks at the engine and changes nothing."""
