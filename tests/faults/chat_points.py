"""Where the program is killed on the way from a chat message to its answer, and from an alert to its delivery."""

from __future__ import annotations

from bot.channels.telegram import TelegramChannel
from bot.courier import Courier
from bot.dispatch import Dispatcher
from bot.front import Front
from bot.intake import PollingBot, Storing
from core.access.tickets import Tickets
from core.store.inbox import Inbox
from tests.faults.crash_points import Point, call, commit, sql

_INBOX = r'^INSERT (OR IGNORE )?INTO "?inbox"?\b'
_BEGUN = r'^UPDATE "?inbox"?.*\bbegun\b'
_OUTCOME = r'^UPDATE "?inbox"?.*\boutcome\b.*='
_TAKEN = r'^UPDATE "?tickets"?.*\bused_at\b'
_AUDIT = r'^INSERT INTO "?audit"?\b'
_STRATEGY = r'^(INSERT INTO|UPDATE|REPLACE INTO|INSERT OR REPLACE INTO) "?strategies"?\b'
_STATES = r'^(INSERT|UPDATE|REPLACE|INSERT OR REPLACE) (INTO )?"?trading_states"?\b'
_ALERTS = r'^INSERT INTO "?alerts"?\b'
_MARK = r'^UPDATE "?deliveries"?\b'

TYPED, PRESS, HALT, LOOK, ALERT = "typed", "press", "halt", "look", "alert"
_CHANGES = (TYPED, PRESS)
_ALL = (TYPED, PRESS, HALT, LOOK)

# Before the beginning is stored nothing may get lost: the command must simply run.
BEFORE_THE_BEGINNING = frozenset({
    "poll-before-store", "inbox-before-insert", "inbox-before-commit", "inbox-after-commit", "stored-before-receiver",
    "begin-before",
})  # fmt: skip

_TABLE: tuple[tuple[Point, tuple[str, ...]], ...] = (
    # intake
    (Point("poll-before-store", call("before", (Storing,), "take"), "polled, nothing stored"), _ALL),
    (Point("inbox-before-insert", sql("before", _INBOX), "about to be written"), _ALL),
    (Point("inbox-before-commit", commit("before", _INBOX), "written, not committed"), _ALL),
    (Point("inbox-after-commit", commit("after", _INBOX), "committed, the store does not know"), _ALL),
    (Point("stored-before-receiver", call("after", (Inbox,), "append"), "stored, nobody has been told"), _ALL),
    (Point("stored-before-poll", call("before", (PollingBot,), "poll"), "told, not acknowledged"), _ALL),
    # dispatch
    (Point("begin-before", sql("before", _BEGUN), "taken up, not noted"), _CHANGES),
    (Point("begin-after", call("after", (Inbox,), "begin"), "noted, nothing done"), _ALL),
    (Point("handle-before", call("before", (Front,), "handle"), "about to be read"), _ALL),
    (Point("ticket-before-commit", commit("before", _TAKEN), "the ticket is used, not committed"), (PRESS,)),
    (Point("ticket-after", call("after", (Tickets,), "take"), "the ticket is used, nothing done"), (PRESS,)),
    (Point("action-mid", sql("after", _STRATEGY), "the action is written, not committed"), _CHANGES),
    (Point("action-before-audit", sql("before", _AUDIT), "the action is done, not in the trail"), (TYPED, PRESS, HALT)),
    (Point("action-after-audit", commit("after", _AUDIT), "the action is in the trail"), (TYPED, PRESS, HALT)),
    (Point("halt-before-commit", commit("before", _STATES), "halted in memory"), (HALT,)),
    (Point("halt-after-commit", commit("after", _STATES), "halted on the disk"), (HALT,)),
    (Point("line-after", call("after", (Dispatcher,), "line"), "done, nothing said"), (TYPED, HALT, LOOK)),
    (Point("press-after", call("after", (Dispatcher,), "press"), "done, nothing said"), (PRESS,)),
    (Point("reply-before", call("before", (Courier,), "send"), "about to answer"), (TYPED, HALT, LOOK)),
    (Point("reply-after", call("after", (Courier,), "send"), "answered, not finished"), (TYPED, HALT, LOOK)),
    (Point("toast-after", call("after", (Courier,), "answer"), "the press is answered, not finished"), (PRESS,)),
    (Point("edit-after", call("after", (Courier,), "edit"), "the screen is there, not finished"), (PRESS,)),
    (Point("finish-before", call("before", (Inbox,), "finish"), "answered, the end is not stored"), _ALL),
    (Point("finish-mid", sql("before", _OUTCOME), "the end is about to be written"), _CHANGES),
    (Point("finish-after", call("after", (Inbox,), "finish"), "finished"), _ALL),
    # outbox
    (Point("alert-before-commit", commit("before", _ALERTS), "an alert is written, not committed"), (ALERT,)),
    (Point("alert-after-commit", commit("after", _ALERTS), "an alert waits"), (ALERT,)),
    (Point("deliver-before", call("before", (TelegramChannel,), "deliver"), "an alert is about to leave"), (ALERT,)),
    (Point("deliver-mid", call("before", (Courier,), "send"), "its buttons are stored, it is not sent"), (ALERT,)),
    (Point("deliver-sent", call("after", (Courier,), "send"), "accepted, its buttons do not know"), (ALERT,)),
    (Point("deliver-after", call("after", (TelegramChannel,), "deliver"), "accepted, not marked"), (ALERT,)),
    (Point("mark-before", sql("before", _MARK), "about to be marked"), (ALERT,)),
    (Point("mark-after", sql("after", _MARK), "marked"), (ALERT,)),
)  # fmt: skip
CHAT_POINTS = {point.name: point for point, _ in _TABLE}
CASES = tuple((point.name, action) for point, actions in _TABLE for action in actions)
