"""The façade: all that chat, console and web may ask of the program, and nothing else.

Questions (in `core.questions`) return frozen views of `core.views`; actions (a room each in `core.actions`) take the
`Actor` who wants them, leave an audit line and return an `ActionResult`. Authorisation happens before, in
`bot.dispatch`; this layer records who acted.
"""

from __future__ import annotations

from core.actions.adjusting import Adjusting
from core.actions.alerts import AlertActions
from core.actions.channels import ChannelActions
from core.actions.failback import FailingBack
from core.actions.flattening import Flattening
from core.actions.golive import GoingLive
from core.actions.jobs import JobActions
from core.actions.limits import LimitActions
from core.actions.manual import ManualTrading
from core.actions.orders import OrderActions
from core.actions.people import PeopleActions
from core.actions.resuming import Resuming
from core.actions.strategies import StrategyActions
from core.actions.whose import Whose


class Quarterdeck(
    AlertActions,
    ChannelActions,
    StrategyActions,
    Resuming,
    Flattening,
    GoingLive,
    FailingBack,
    Adjusting,
    OrderActions,
    JobActions,
    PeopleActions,
    ManualTrading,
    Whose,
    LimitActions,
):
    """The running program as its users see it."""
