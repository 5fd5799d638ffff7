"""Whatever happens, in any order: an open CRITICAL alert is never silent longer than its step, and no answer is lost."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.alerts.channel import ChannelDown, ChannelRefused, Message, Severity, Status
from core.alerts.lane import _TRIES
from core.clock import ManualClock
from core.store.database import Database
from core.store.models import AlertRow, DeliveryRow
from tests.core.alerts.duty import ADA, BOB, RIK, House, person
from tests.core.conftest import NOW
from tests.databases import database_url, kinds

TICK = 5.0  # seconds between two looks
PEOPLE = st.sampled_from([ADA, BOB, RIK])
TROUBLES = st.sampled_from(["well", "down", "429", "blocked", "poison"])
SOMEBODY = st.sampled_from(["1", "2", "3"])


class Shared:
    """One loop and one database for all examples: making them costs more than an example."""

    def __init__(self) -> None:
        self.runner: asyncio.Runner | None = None

    def run(self, work: Any) -> Any:
        if self.runner is None:
            self.runner = asyncio.Runner()
            self.folder = tempfile.TemporaryDirectory()
            self.database = Database(database_url(Path(self.folder.name) / "t.sqlite3"), require_durable=False)
            self.runner.run(self.database.open())
        return self.runner.run(work)

    def close(self) -> None:
        if self.runner is not None:
            self.runner.run(self.database.close())
            self.runner.close()
            self.folder.cleanup()
            self.runner = None


SHARED = Shared()


class DutyMachine(RuleBasedStateMachine):
    """Chat may fail for anybody in any way; Ada's mail always works, so that there is somebody to hear."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(NOW)
        self.state: dict[str, str] = {}
        self.spoiled: Counter[tuple[str, int]] = Counter()
        self.raised: list[int] = []
        self.heard: dict[int, datetime] = {}
        self.answered: dict[int, str] = {}
        self.house = House(self.clock, [person(ADA, "email", "telegram"), person(BOB), person(RIK)])
        self.house.chat.trouble = self._trouble

    def do(self, work: Any) -> Any:
        return SHARED.run(work)

    @initialize()
    def begin(self) -> None:
        self.do(self._clean())

    async def _clean(self) -> None:
        await AlertRow.all().delete()
        await DeliveryRow.all().delete()

    def _trouble(self, recipient: str, message: Message) -> None:
        match self.state.get(recipient, "well"):
            case "down":
                raise ChannelDown("away")
            case "429":
                raise ChannelDown("wait", 600.0)
            case "blocked":
                raise ChannelRefused("blocked")
            case "poison" if not message.plain:
                self.spoiled.update((recipient, number) for number in message.ids)
                raise ValueError("malformed")

    # --- what happens ----------------------------------------------------------------------------

    @rule(key=st.sampled_from(["", "", "kill", "venue"]))
    def raise_one(self, key: str) -> None:
        number = self.do(self.house.add(f"grave {len(self.raised)}", key=key))
        self.raised.append(number)
        self.heard[number] = self.clock.now()

    @rule(severity=st.sampled_from([Severity.INFO, Severity.WARNING]), count=st.integers(1, 5))
    def chatter(self, severity: Severity, count: int) -> None:
        for _ in range(count):
            self.do(self.house.add("chatter", severity, kind="job"))

    @rule(seconds=st.sampled_from([5, 30, 60, 200, 700]))
    def time_passes(self, seconds: int) -> None:
        for _ in range(round(seconds / TICK)):
            self.clock.advance(TICK)
            self.do(self._look())

    async def _look(self) -> None:
        mail = len(self.house.mail.sent)
        await self.house.look()
        for one in self.house.mail.sent[mail:]:
            for number in one.message.ids:
                self.heard[number] = one.at
        await self._nobody_was_left_in_silence()

    async def _nobody_was_left_in_silence(self) -> None:
        for row in await AlertRow.filter(status=Status.OPEN.value):
            before = self.house.rules.ladder.pause_after(max(row.step - 1, 0))
            longest = max(self.house.rules.ladder.pause_after(row.step), before) + timedelta(seconds=TICK)
            silent = self.clock.now() - self.heard.get(row.id, row.at)
            assert silent <= longest, f"#{row.id} at step {row.step} was silent for {silent}"

    @rule(who=SOMEBODY, trouble=TROUBLES)
    def trouble(self, who: str, trouble: str) -> None:
        self.state[who] = trouble

    @rule()
    def restart(self) -> None:
        self.house.restart()

    @precondition(lambda self: self.raised)
    @rule(data=st.data(), who=PEOPLE)
    def acknowledge(self, data: st.DataObject, who: Any) -> None:
        number = data.draw(st.sampled_from(self.raised))
        if self.do(self.house.alerts.acknowledge(number, who)):
            assert number not in self.answered, "answered twice"
            self.answered[number] = who.name

    @precondition(lambda self: self.raised)
    @rule(data=st.data(), who=PEOPLE, minutes=st.sampled_from([1, 15]))
    def snooze(self, data: st.DataObject, who: Any, minutes: int) -> None:
        number = data.draw(st.sampled_from(self.raised))
        until = self.clock.now() + timedelta(minutes=minutes)
        if self.do(self.house.alerts.snooze(number, who, until)):
            assert number not in self.answered
            self.heard[number] = until

    @rule(key=st.sampled_from(["kill", "venue"]))
    def over(self, key: str) -> None:
        self.do(self.house.alerts.close(key, "it is over"))

    # --- what must hold --------------------------------------------------------------------------

    @invariant()
    def an_answer_stays(self) -> None:
        if self.answered:
            rows = {row.id: row for row in self.do(_all())}
            for number, name in self.answered.items():
                assert rows[number].answered_by == name
                assert rows[number].status in (Status.ACKNOWLEDGED, Status.CLOSED)

    def teardown(self) -> None:
        """In the end, with every chat well again, every copy shows how its alert stands.

        But for one that could not be changed so often that it was left as it is.
        """
        self.state.clear()
        self.clock.advance(700)
        for _ in range(12):  # an edit waits for its turn behind what a chat that was away still gets
            self.clock.advance(61)
            self.do(self.house.look())
        rows = {row.id: row for row in self.do(_all())}
        for one in self.house.chat.sent:
            shown = self.house.chat.shown[one.copy]
            is_left = any(self.spoiled[one.recipient, number] >= _TRIES for number in shown.ids)
            if shown.standing is not None and not shown.plain and not is_left:
                row = rows[shown.ids[0]]
                assert (shown.standing.status, shown.standing.by) == (row.status, row.answered_by)


async def _all() -> list[AlertRow]:
    return await AlertRow.all()


DutyMachine.TestCase.settings = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)


class TestDuty(DutyMachine.TestCase):  # type: ignore[misc]
    """The machine as a test."""

    @classmethod
    def tearDownClass(cls) -> None:
        SHARED.close()


if len(kinds()) > 1:

    class TestDutyOnPostgres(TestDuty):
        """The rules are proved there; here, that this database keeps them too. It takes its turn after the other."""

        settings = settings(DutyMachine.TestCase.settings, max_examples=4)

        @classmethod
        def setUpClass(cls) -> None:
            cls.patch = pytest.MonkeyPatch()
            cls.patch.setenv("TEST_DATABASE", "postgres")

        @classmethod
        def tearDownClass(cls) -> None:
            super().tearDownClass()
            cls.patch.undo()
