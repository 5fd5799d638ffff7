"""The façade: all that chat, console and web may ask of the program, and nothing else.

Questions (in `core.questions`) return frozen views of `core.views`; actions (a room each in `core.actions`) take the
`Actor` who wants them, leave an audit line and return an `ActionResult`. Authorisation happens before, in
`bot.dispatch`; this layer records who acted.
"""

from __future__ import annotations

from core.actions.flattening import Flattening
from core.actions.halting import Halting
from core.actions.jobs import JobActions
from core.actions.orders import OrderActions
from core.actions.strategies import StrategyActions


class Quarterdeck(StrategyActions, Halting, Flattening, OrderActions, JobActions):
    """The running program as its users see it."""
