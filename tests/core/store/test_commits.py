"""Group commit: nothing is lost, nothing is half, nobody returns too early, and many share one COMMIT."""

from __future__ import annotations

import asyncio
import random
import threading
from contextlib import suppress
from typing import Any

import pytest
from tortoise.exceptions import BaseORMException, DBConnectionError, IntegrityError, OperationalError

from core.store.database import Database, transaction
from core.store.models import ChatMemoryRow, JobRow
from tests.core.store.conftest import client


class Heard:
    """Every statement of control that a group's connection is told, and what shall fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[str] = []
        self.fail: dict[str, BaseException] = {}
        line = type(client())._begin.__globals__["_Line"]
        say = line.say

        async def listening(this: Any, sql: str) -> None:
            self.said.append(sql)
            if sql in self.fail:
                raise self.fail.pop(sql)
            await say(this, sql)

        monkeypatch.setattr(line, "say", listening)


@pytest.fixture
def heard(store: Database, monkeypatch: pytest.MonkeyPatch) -> Heard:
    return Heard(monkeypatch)


async def put(name: str, *, pause: float = 0, fail: bool = False) -> None:
    """Two rows that belong together."""
    async with transaction():
        await JobRow.create(name=name)
        await asyncio.sleep(pause)
        await ChatMemoryRow.create(chat_id=1, key=name, value="x")
        if fail:
            raise ZeroDivisionError


async def stored() -> set[str]:
    """The names that are there, after a look that no half was stored."""
    names = {row.name for row in await JobRow.all()}
    assert names == {row.key for row in await ChatMemoryRow.all()}
    return names


async def test_fifty_at_once_need_a_handful_of_commits(store: Database) -> None:
    """And one alone needs one."""
    before = client().commits.count
    await put("alone")
    assert client().commits.count == before + 1
    await asyncio.gather(*(put(f"n{number}") for number in range(50)))
    assert await stored() == {"alone", *(f"n{number}" for number in range(50))}
    assert client().commits.count - before - 1 <= 3


async def test_a_failing_body_takes_only_itself_along(store: Database) -> None:
    """Every third fails; also the first, who began the outer transaction."""
    outcomes = await asyncio.gather(*(put(f"n{n}", fail=n % 3 == 0) for n in range(30)), return_exceptions=True)
    assert [type(each) for each in outcomes] == [
        ZeroDivisionError if number % 3 == 0 else type(None) for number in range(30)
    ]
    assert await stored() == {f"n{number}" for number in range(30) if number % 3}


async def test_an_error_of_the_database_in_one_body_does_not_spoil_the_others(store: Database) -> None:
    """A row that is there already; caught in the body or not."""
    await put("there")

    async def twice() -> None:
        async with transaction():
            await ChatMemoryRow.create(chat_id=2, key="half", value="")
            await JobRow.create(name="there")

    async def caught() -> None:
        async with transaction():
            await JobRow.create(name="caught")
            with suppress(IntegrityError):
                async with transaction():
                    await JobRow.create(name="there")
            await ChatMemoryRow.create(chat_id=1, key="caught", value="")

    outcomes = await asyncio.gather(put("a"), twice(), put("b"), caught(), twice(), return_exceptions=True)
    assert [type(each) for each in outcomes if each] == [IntegrityError, IntegrityError]
    assert await stored() == {"there", "a", "b", "caught"}


async def test_nobody_returns_before_the_commit(store: Database, heard: Heard) -> None:
    """At the moment each returns, a COMMIT has been said after its body was kept."""
    ended: list[tuple[str, int]] = []

    async def one(number: int) -> None:
        async with transaction():
            await JobRow.create(name=f"n{number}")
            begun = len(heard.said)
        ended.append((f"n{number}", begun))
        assert "COMMIT" in heard.said[begun:]

    await asyncio.gather(*(one(number) for number in range(20)))
    assert len(ended) == 20


@pytest.mark.parametrize("error", [OperationalError("disk full"), DBConnectionError("gone")])
async def test_when_the_commit_fails_all_in_it_are_told_and_nothing_is_stored(
    store: Database, heard: Heard, error: BaseORMException
) -> None:
    """And the next ones work."""
    heard.fail["COMMIT"] = error
    outcomes = await asyncio.gather(*(put(f"n{number}") for number in range(10)), return_exceptions=True)
    assert {type(each) for each in outcomes} == {type(error)}
    assert await stored() == set()
    await put("after")
    assert await stored() == {"after"}


@pytest.mark.parametrize("word", ["SAVEPOINT member_1", "RELEASE SAVEPOINT member_1", "ROLLBACK TO SAVEPOINT member_1"])
async def test_a_statement_of_control_that_fails_leaves_nothing_half(store: Database, heard: Heard, word: str) -> None:
    """Whoever was told nothing of it is stored, whoever was told of it is not."""
    heard.fail[word] = OperationalError("no")
    jobs = [put("n0"), put("n1", fail=word.startswith("ROLLBACK")), put("n2"), put("n3")]
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    assert await stored() == {f"n{number}" for number, each in enumerate(outcomes) if each is None}
    assert any(outcomes)
    await put("after")
    assert "after" in await stored()


@pytest.mark.parametrize("seed", range(6))
async def test_cancellations_at_any_moment_leak_nothing_and_store_no_half(store: Database, seed: int) -> None:
    """Whoever returned is stored, whoever failed is not, whoever was cancelled is stored wholly or not at all."""
    chance = random.Random(seed)
    tasks = [
        asyncio.create_task(put(f"n{number}", pause=chance.random() * 0.002, fail=chance.random() < 0.2))
        for number in range(60)
    ]
    for _ in range(40):
        await asyncio.sleep(chance.random() * 0.002)
        for task in chance.sample(tasks, 2):
            task.cancel()
    outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
    found = await stored()
    for number, each in enumerate(outcomes):
        assert each is not None or f"n{number}" in found
        assert not isinstance(each, ZeroDivisionError) or f"n{number}" not in found
    assert {type(each) for each in outcomes} == {type(None), ZeroDivisionError, asyncio.CancelledError}
    await asyncio.wait_for(put("after"), 30)
    assert "after" in await stored()


async def test_a_cancellation_during_the_commit_is_delivered_after_it(store: Database, heard: Heard) -> None:
    """The data are stored, the lock is free, and the task is cancelled."""
    task = asyncio.create_task(put("cancelled"))
    while "COMMIT" not in heard.said:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await stored() == {"cancelled"}


async def test_plain_writes_and_reads_between_are_whole_and_durable(store: Database) -> None:
    """A write without a transaction is never part of somebody's group: a failing COMMIT cannot undo it."""
    heard = Heard(patch := pytest.MonkeyPatch())
    try:
        heard.fail["COMMIT"] = OperationalError("no")

        async def plain(number: int) -> None:
            await ChatMemoryRow.create(chat_id=9, key=f"p{number}", value="")

        both = [job for number in range(10) for job in (put(f"n{number}"), plain(number))]
        outcomes = await asyncio.gather(*both, return_exceptions=True)
        assert outcomes[1::2] == [None] * 10
        assert await ChatMemoryRow.filter(chat_id=9).count() == 10
    finally:
        patch.undo()


async def test_a_task_that_outlives_its_transaction_speaks_outside_of_it(store: Database) -> None:
    """Started inside, writing after: its row is its own commit, not part of a stranger's transaction."""
    go = asyncio.Event()

    async def late() -> None:
        await go.wait()
        await JobRow.create(name="late")
        async with transaction():
            await JobRow.create(name="later")

    async with transaction():
        task = asyncio.create_task(late())
        await JobRow.create(name="early")
    with suppress(ZeroDivisionError):
        async with transaction():
            await JobRow.create(name="stranger")
            go.set()
            await asyncio.sleep(0.02)
            raise ZeroDivisionError
    await task
    assert {row.name for row in await JobRow.all()} == {"early", "late", "later"}


async def test_a_cancelled_bulk_write_leaves_no_transaction_open(store: Database) -> None:
    """The next plain write is committed, which another connection can see."""
    rows = [JobRow(name=f"b{number}") for number in range(500)]
    for pause in range(5):
        task = asyncio.ensure_future(JobRow.bulk_create(rows))
        for _ in range(pause * 3):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert await JobRow.all().count() in (0, 500)
        await JobRow.all().delete()
    assert await JobRow.all().count() == 0


async def test_a_first_statement_that_is_cancelled_on_its_way_leaves_no_transaction_open(store: Database) -> None:
    """SQLite's thread may be busy when it is sent, and begins the transaction after we have given it up."""
    if not hasattr(client(), "broken"):
        pytest.skip("a server's statement is never cancelled half-way")
    for number in range(3):
        connection, free = client()._connection, threading.Event()
        busy = asyncio.ensure_future(connection._execute(free.wait, 60))
        await asyncio.sleep(0.01)

        async def read_then_write() -> None:
            async with transaction():
                await JobRow.all()
                await JobRow.create(name="never")

        task = asyncio.create_task(read_then_write())
        for _ in range(10):
            await asyncio.sleep(0.001)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, free.set)
        assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
        await busy
        async with asyncio.timeout(30):
            await put(f"after {number}")
    assert await stored() == {f"after {number}" for number in range(3)}
