"""A house with people on duty, real rows, a clock moved by hand, and channels that can fail in every way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core.access.audit import Audit
from core.access.roles import Actor, Role
from core.alerts.audience import Rules
from core.alerts.channel import ChannelDown, ChannelRefused, Message, Severity, Status
from core.alerts.escalation import Ladder
from core.alerts.outbox import Alert, Alerts, Outbox
from core.alerts.routing import HOUSE, Listener, Quiet
from core.alerts.watch import AlertWatch
from core.clock import ManualClock
from core.store.models import AlertRow, DeliveryRow

ADA = Actor("1", "Ada", Role.ADMIN)
BOB = Actor("2", "Bob", Role.TRADER, {"fund": None})
RIK = Actor("3", "Rik", Role.RISK)
VI = Actor("4", "Vi", Role.VIEWER)
PEOPLE = {each.id: each for each in (ADA, BOB, RIK, VI)}


def person(actor: Actor, *channels: str, quiet: Quiet | None = None) -> Listener:
    ways = tuple((channel, actor.id) for channel in channels or ("telegram",))
    return Listener(actor.id, actor, ways, ZoneInfo("Europe/Berlin"), quiet)


@dataclass
class Sent:
    at: datetime
    recipient: str
    message: Message
    copy: str


@dataclass
class FakeChannel:
    """`trouble(recipient, message)` raises what is to go wrong. `shown` is what each copy says now."""

    name: str
    clock: ManualClock
    sent: list[Sent] = field(default_factory=list)
    shown: dict[str, Message] = field(default_factory=dict)
    trouble: Callable[[str, Message], None] = lambda recipient, message: None
    before: Callable[[str, Message], Awaitable[None]] | None = None

    async def deliver(self, recipient: str, message: Message) -> str:
        if self.before:
            await self.before(recipient, message)
        self.trouble(recipient, message)
        copy = f"{recipient}/{len(self.sent)}"
        self.sent.append(Sent(self.clock.now(), recipient, message, copy))
        self.shown[copy] = message
        return copy

    def titles(self, recipient: str) -> list[str]:
        return [one.message.title for one in self.sent if one.recipient == recipient]

    def about(self, alert_id: int, recipient: str = "") -> list[Sent]:
        return [one for one in self.sent if alert_id in one.message.ids and recipient in ("", one.recipient)]


class FakeChat(FakeChannel):
    """A channel whose copies can be changed."""

    async def revise(self, recipient: str, copy: str, message: Message) -> None:
        self.trouble(recipient, message)
        self.shown[copy] = replace(message, step=self.shown[copy].step)


class House:
    """Everything that alerts need; `restart` makes all of it anew on the same rows."""

    def __init__(self, clock: ManualClock, people: Sequence[Listener] = (), rules: Rules | None = None) -> None:
        self.clock = clock
        self.people: list[Listener] = list(people) or [
            person(ADA, "telegram", "email"),
            person(BOB),
            person(RIK),
            person(VI),
        ]
        self.rules = rules or Rules(ladder=Ladder(order=("1", "2", "3")))
        self.chat = FakeChat("telegram", clock)
        self.mail = FakeChannel("email", clock)
        self.audit = Audit(clock)
        self.restart()

    def restart(self) -> None:
        self.alerts = Alerts(self, self.clock, self.clock, self.rules)
        self.watch = AlertWatch(self.alerts, self.audit, self.clock)
        self.outbox = Outbox(self.alerts, self.clock, group_seconds=0.0, timer=lambda: self.clock.now().timestamp())
        self.outbox.use(self.chat)
        self.outbox.use(self.mail)

    def listeners(self) -> Sequence[Listener]:
        return self.people

    def with_webhook(self) -> House:
        self.people.append(Listener(HOUSE, Actor(HOUSE, HOUSE, Role.VIEWER), (("webhook", HOUSE),)))
        self.hook = FakeChannel("webhook", self.clock)
        self.outbox.use(self.hook)
        return self

    async def add(self, title: str, severity: Severity = Severity.CRITICAL, **more: str) -> int:
        return (await self.alerts.add(Alert(more.pop("kind", "breach"), severity, title, **more))).id

    async def look(self) -> None:
        """What happens in one second: the watch looks, and what is due is delivered."""
        await self.watch.look()
        await self.outbox.round()

    async def wait(self, seconds: float, step: float = 5.0) -> None:
        """Let time pass, looking all along."""
        await self.look()
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step
            await self.look()

    async def row(self, alert_id: int) -> AlertRow:
        return await AlertRow.get(id=alert_id)

    async def statuses(self, alert_id: int) -> list[tuple[str, str, int, str]]:
        rows = await DeliveryRow.filter(alert_id=alert_id).order_by("id")
        return [(row.channel, row.recipient, row.step, row.status) for row in rows]


def down(retry_after: float | None = None) -> Callable[[str, Message], None]:
    def fail(*_: object) -> None:
        raise ChannelDown("away", retry_after)

    return fail


def blocked(*recipients: str) -> Callable[[str, Message], None]:
    def fail(recipient: str, _: Message) -> None:
        if recipient in recipients:
            raise ChannelRefused("Forbidden: bot was blocked by the user")

    return fail


def well(*_: object) -> None:
    """Nothing goes wrong."""


MINUTE = timedelta(minutes=1)
OPEN, ACKNOWLEDGED, SNOOZED, CLOSED = Status.OPEN, Status.ACKNOWLEDGED, Status.SNOOZED, Status.CLOSED
