"""A stage whose safeguards are real: database, tickets, rights, codes, approvals, rates, audit. Only trading is a fake."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp

from bot.command import REGISTRY, discover
from bot.dispatch import Answer, Dispatcher
from bot.keyboard import Keyboard, Keyboards
from bot.people import CONSOLE_CALLER, Caller, People
from bot.safeguards import Safeguards
from core.access.approvals import Approvals
from core.access.audit import Audit
from core.access.rates import Rates
from core.access.rights import Rights
from core.access.roles import Role
from core.access.tickets import Tickets
from core.access.totp import SecondFactors
from core.access.users import trust
from core.access.vault import Vault
from core.clock import Ids, ManualClock
from core.settings import UserSettings
from core.settings.security import SecuritySettings
from core.store.models import AuditLine
from risk.view import TradingState
from tests.bot.fakes import NOW, FakeService, busy_world
from tests.bot.stage import key_data

ADA, BO, TOM, VI, RIK = 1, 5, 2, 3, 4
PEOPLE = {ADA: ("Ada", Role.ADMIN), BO: ("Bo", Role.ADMIN), TOM: ("Tom", Role.TRADER), VI: ("Vi", Role.VIEWER),
          RIK: ("Rik", Role.RISK)}  # fmt: skip
discover()


class Guarded:
    """`say`, `tap` and `press` act as a person; `restart` loses all memory but the database's."""

    def __init__(self, folder: Path, **security: object) -> None:
        self.clock = ManualClock(NOW)
        self.folder = folder
        self.settings = SecuritySettings.model_validate(security)
        self.service = FakeService(busy_world())
        self.service.world.state = TradingState.HALTED
        self.people = People(())
        self.given: dict[int, UserSettings] = {}
        self.apps: dict[int, pyotp.TOTP] = {}
        self.message_id = 100
        self.restart()

    def restart(self) -> None:
        clock = self.clock
        self.audit, self.rights = Audit(clock), Rights(clock)
        self.tickets = Tickets(clock, Ids(clock), self.rights)
        self.factors = SecondFactors(clock, Vault(self.folder))
        self.approvals = Approvals(clock, self.audit, self.rights)
        self.keyboards = Keyboards(self.tickets)
        guards = Safeguards(self.factors, self.approvals, Rates(clock, self.settings), self.settings)
        self.dispatcher = Dispatcher(
            registry=REGISTRY, service=self.service, people=self.people, tickets=self.tickets, audit=self.audit,
            clock=clock, safeguards=guards, ids=lambda: self.people.ids,
        )  # fmt: skip

    async def open(self) -> Guarded:
        """Let everybody in."""
        self.given = {
            user: UserSettings(id=user, name=name, role=role) for user, (name, role) in PEOPLE.items()
        }  # fmt: skip
        await self._note()
        return self

    async def give(self, user: int, role: Role | None, **accounts: Role | None) -> None:
        """Change what somebody may; None removes them."""
        if role is None:
            self.given.pop(user)
        else:
            name = PEOPLE[user][0]
            self.given[user] = UserSettings(id=user, name=name, role=role, accounts=accounts)
        await self._note()

    async def _note(self) -> None:
        self.people.replace(self.given.values())
        await self.rights.note({each.id: trust(each.role, each.accounts) for each in self.given.values()})

    async def enrol(self, *users: int) -> None:
        for user in users:
            secret = parse_qs(urlsplit(self.factors.enrol(user, "x")).query)["secret"][0]
            self.apps[user] = pyotp.TOTP(secret)
            assert await self.factors.confirm(user, self.code(user))
        self.clock.advance(30)

    def code(self, user: int) -> str:
        return self.apps[user].at(int(self.clock.now().timestamp()))

    def wrong(self, user: int) -> str:
        at = int(self.clock.now().timestamp())
        near = {self.apps[user].at(at + 30 * steps) for steps in range(-3, 4)}
        return next(code for code in ("000000", "111111", "222222", "333333") if code not in near)

    def caller(self, user: int) -> Caller:
        caller = CONSOLE_CALLER if user == 0 else self.people.find(user, user)
        assert caller
        return caller

    async def say(self, text: str, user: int = ADA, sent_at: datetime | None = None) -> Answer:
        return await self.dispatcher.line(
            self.caller(user), text, message_id=1, sent_at=sent_at or self.clock.now()
        )  # fmt: skip

    async def show(self, answer: Answer, user: int = ADA) -> tuple[int, Keyboard]:
        """Send an answer as a message: its id and its keys."""
        assert answer.screen
        self.message_id += 1
        keyboard = await self.keyboards.build(
            answer.screen.buttons, user_id=user, chat_id=user, message_id=self.message_id
        )
        return self.message_id, keyboard

    async def press(self, data: str, message_id: int, user: int = ADA) -> Answer:
        return await self.dispatcher.press(self.caller(user), data, message_id=message_id)

    async def tap(self, answer: Answer, label: str, user: int = ADA) -> Answer:
        message_id, keyboard = await self.show(answer, user)
        return await self.press(key_data(keyboard, label), message_id, user)

    async def resume(self, user: int = ADA) -> Answer:
        """As far as the yes, whatever the state was."""
        self.service.world.state = TradingState.HALTED
        return await self.tap(await self.say("/resume", user), "Yes", user)

    @property
    def done(self) -> list[str]:
        return [call[0] for call in self.service.calls]

    async def trail(self) -> list[tuple[str, str, str, str]]:
        """The audit trail: who, what, detail, outcome."""
        return [(line.actor, line.action, line.detail, line.outcome) for line in await AuditLine.all().order_by("seq")]


def text(answer: Answer) -> str:
    return answer.screen.text.plain if answer.screen else answer.toast
