"""A stage for chat tests: the dispatcher over fakes, and a recorder of what would be shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bot.command import REGISTRY, Call, Origin, discover
from bot.dispatch import Answer, Dispatcher, Outcome
from bot.front import Front
from bot.groups import Groups, Members
from bot.keyboard import Keyboard, Keyboards
from bot.overtaken import Overtaken
from bot.people import Caller, People
from bot.reach import Reach
from bot.safeguards import Safeguards
from bot.screen import Screen
from bot.updates import Typed
from bot.whereabouts import Whereabouts
from core.access.approvals import Approval, Approvals
from core.access.audit import Audit
from core.access.rates import Rates
from core.access.rights import Rights
from core.access.roles import Actor, Role
from core.access.totp import SecondFactors
from core.access.vault import Vault
from core.clock import Clock, ManualClock
from core.errors import UserError
from core.settings import GroupSettings, UserSettings
from core.settings.security import SecuritySettings, Totp
from tests.bot.fakes import NOW, FakeAudit, FakeInbox, FakeMemory, FakeService, FakeTickets, World, busy_world

USERS = {Role.VIEWER: (3, "Vi"), Role.TRADER: (2, "Tom"), Role.RISK: (4, "Rik"), Role.ADMIN: (1, "Ada")}
discover()


def users(**roles: Role) -> tuple[UserSettings, ...]:
    return tuple(
        UserSettings(id=number, name=name, role=roles.get(name, role)) for role, (number, name) in USERS.items()
    )


class NoApprovals(Approvals):
    """Nothing waits for anybody."""

    async def waiting(self) -> list[Approval]:
        return []

    async def find(self, number: int) -> Approval:
        raise UserError(f"There is no request {number}.")


def no_safeguards(clock: Clock) -> Safeguards:
    """Neither codes nor a second person, and all the patience there is: nothing that needs a database."""
    settings = SecuritySettings(
        totp=Totp.OFF, commands_per_minute=600, looks_per_minute=600, orders_per_10_seconds=100
    )  # fmt: skip
    rights = Rights(clock)
    factors = SecondFactors(clock, Vault(Path("nowhere")))
    return Safeguards(factors, NoApprovals(clock, Audit(clock), rights), Rates(clock, settings), settings)


class Stage:
    """Dispatcher, fakes and a clock moved by hand. `say` and `press` act as a user in a chat."""

    def __init__(self, world: World | None = None) -> None:
        self.clock = ManualClock(NOW)
        self.service = FakeService(world or busy_world())
        self.people = People(users())
        self.tickets, self.audit = FakeTickets(self.clock), FakeAudit()
        self.inbox, self.memory = FakeInbox(self.clock), FakeMemory()
        self.groups = Groups((), self.memory)
        self.members = Members(self.people, self.groups)
        self.keyboards = Keyboards(self.tickets)
        self.safeguards = no_safeguards(self.clock)
        self.dispatcher = Dispatcher(
            registry=REGISTRY, service=self.service, people=self.members, tickets=self.tickets,
            audit=self.audit, clock=self.clock, safeguards=self.safeguards, ids=lambda: self.people.ids,
        )  # fmt: skip
        self.message_id = 100

    def front(self, surface: Any, *groups: GroupSettings) -> Front:
        """What stands between the inbox and the dispatcher."""
        self.groups._groups = {group.id: group for group in groups}
        self.reach = Reach(self.memory, self.clock)
        self.warnings: list[str] = []
        self.left: list[int] = []

        async def warn(title: str, body: str) -> None:
            self.warnings.append(f"{title}: {body}")

        async def leave(chat_id: int) -> None:
            self.left.append(chat_id)

        self.whereabouts = Whereabouts(
            groups=self.groups, reach=self.reach, people=self.people, audit=self.audit, warn=warn, leave=leave
        )
        return Front(
            self.dispatcher,
            surface,
            self.clock,
            members=self.members,
            groups=self.groups,
            overtaken=Overtaken(REGISTRY, self.tickets, self.audit),
            whereabouts=self.whereabouts,
            audit=self.audit,
        )

    def caller(self, role: Role = Role.ADMIN) -> Caller:
        number = USERS[role][0]
        caller = self.people.find(number, number)
        assert caller
        return caller

    async def say(self, text: str, role: Role = Role.ADMIN, age: float = 0) -> Answer:
        sent = datetime.fromtimestamp(self.clock.now().timestamp() - age, self.clock.now().tzinfo)
        return await self.dispatcher.line(self.caller(role), text, message_id=1, sent_at=sent)

    async def show(self, screen: Screen, role: Role = Role.ADMIN) -> tuple[int, Keyboard]:
        """Send a screen as a message: its id and its keys."""
        self.message_id += 1
        caller = self.caller(role)
        keyboard = await self.keyboards.build(
            screen.buttons, user_id=caller.user_id, chat_id=caller.chat_id, message_id=self.message_id
        )
        return self.message_id, keyboard

    async def press(self, data: str, message_id: int, role: Role = Role.ADMIN) -> Answer:
        return await self.dispatcher.press(self.caller(role), data, message_id=message_id)

    async def tap(self, answer: Answer, label: str, role: Role = Role.ADMIN) -> Answer:
        """Press the button with this label on an answer."""
        assert answer.screen
        message_id, keyboard = await self.show(answer.screen, role)
        return await self.press(key_data(keyboard, label), message_id, role)

    def call(self, name: str, *args: str, role: Role = Role.ADMIN) -> Call:
        command = REGISTRY.find(name)
        assert command
        return Call(
            actor=Actor("1", "Ada", role), chat_id=1, message_id=1, args=args, text=" ".join(args),
            service=self.service, now=self.clock.now(), time_zone=ZoneInfo("Europe/Berlin"),
            origin=Origin.MESSAGE, command=command,
        )  # fmt: skip


def key_data(keyboard: Keyboard, label: str) -> str:
    return next(key.data for row in keyboard.rows for key in row if label in key.label)


def labels(screen: Screen) -> list[str]:
    return [button.label for row in screen.buttons for button in row]


def typed(text: str, *, user: int = 1, number: int = 1, at: datetime = NOW, **more: Any) -> str:
    """A raw update: a text message in a private chat."""
    message = {
        "message_id": 10 + number, "date": int(at.timestamp()), "text": text,
        "from": {"id": user, "is_bot": False, "first_name": "x"}, "chat": {"id": user, "type": "private"}, **more,
    }  # fmt: skip
    return json.dumps({"update_id": number, "message": message})


def pressed(data: str, *, user: int = 1, number: int = 1, message_id: int = 50, **more: Any) -> str:
    """A raw update: a press."""
    query = {
        "id": f"q{number}", "from": {"id": user, "is_bot": False, "first_name": "x"}, "data": data, "chat_instance": "1",
        "message": {"message_id": message_id, "date": 1, "text": "t", "chat": {"id": user, "type": "private"}}, **more,
    }  # fmt: skip
    return json.dumps({"update_id": number, "callback_query": query})


class FakeSurface:
    """Records answers; `late` makes Telegram refuse to answer presses."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, Answer]] = []
        self.late = False
        self.forgotten: list[int] = []

    async def reply(self, caller: Caller, answer: Answer, instead_of: int | None = None) -> None:
        self.shown.append((caller.chat_id, answer))

    async def respond(self, caller: Caller, pressed: object, answer: Answer) -> None:
        self.shown.append((caller.chat_id, answer))

    async def forget(self, typed: Typed) -> None:
        self.forgotten.append(typed.message_id)

    async def replace(self, caller: Caller, pressed: object, answer: Answer) -> None:
        self.shown.append((caller.chat_id, answer))

    async def confirm(self, pressed: object, said: str = "") -> bool:
        return not self.late

    async def working(self, caller: Caller, text: object) -> int:
        return 1

    async def still_working(self, caller: Caller, message_id: int, text: object) -> None:
        return None

    async def drawing(self, caller: Caller) -> None:
        return None

    async def toast(self, pressed: Any, said: str) -> None:
        self.shown.append((pressed.chat_id, Answer(Outcome.REFUSED, toast=said)))

    def texts(self, chat_id: int = 1) -> Sequence[str]:
        return [
            answer.screen.text.plain if answer.screen else answer.toast
            for chat, answer in self.shown
            if chat == chat_id
        ]
