"""A real PostgreSQL server: what is checked when it is opened, one instance a database, and what a lost server means."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from tortoise.exceptions import DBConnectionError

from core.errors import SettingsError
from core.store.address import problem_of_postgres_url
from core.store.database import Database, read_rows, transaction
from core.store.models import ChatMemoryRow, JobRow
from tests.core.store.conftest import client
from tests.databases import postgres_url
from tests.postgres_server import PostgresServer, postgres

SLOW = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(20); RETURN NULL; END $$"
WHEN = "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON jobs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()"
OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()"
KEEPER = (
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = '{}')"
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return postgres_url(tmp_path)


@pytest.fixture
def name(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.fixture
def durable() -> Iterator[PostgresServer]:
    """The server as a careful person runs it."""
    server, names = postgres(), ("fsync", "full_page_writes")
    usual = _shown(server, names)
    server.sql(*(f"ALTER SYSTEM SET {each} = on" for each in names), "SELECT pg_reload_conf()")
    _wait_until_shown(server, names, ["on", "on"])
    yield server
    server.sql(*(f"ALTER SYSTEM RESET {each}" for each in names), "SELECT pg_reload_conf()")
    _wait_until_shown(server, names, usual)


def _shown(server: PostgresServer, names: Sequence[str]) -> list[str]:
    """What a new session sees of these settings."""
    return [server.sql(f"SHOW {each}")[0][0] for each in names]


def _wait_until_shown(server: PostgresServer, names: Sequence[str], values: list[str]) -> None:
    """The server is told at once, and hears it when it gets its turn."""
    deadline = time.monotonic() + 60
    while _shown(server, names) != values:
        assert time.monotonic() < deadline, (names, values)
        time.sleep(0.01)


@pytest.fixture
async def store(url: str, durable: PostgresServer) -> AsyncIterator[Database]:
    opened = Database(url)
    await opened.open()
    yield opened
    await opened.close()


async def test_a_server_that_may_lose_commits_is_refused_with_all_that_is_wrong(url: str) -> None:
    """The test server is such a one."""
    database = Database(url)
    with pytest.raises(SettingsError) as caught:
        await database.open()
    assert [each.partition("server's ")[2].split(" ")[0] for each in caught.value.problems] == [
        "fsync",
        "full_page_writes",
    ]
    await database.close()


async def test_a_durable_server_is_taken_and_every_session_is_durable_and_utc(
    url: str, durable: PostgresServer
) -> None:
    """Whatever the server's and the database's own settings are."""
    name = url.rpartition("/")[2]
    durable.sql(
        f"ALTER DATABASE {name} SET synchronous_commit = off", f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'"
    )
    database = Database(url)
    await database.open()
    try:
        sql = "SELECT current_setting('synchronous_commit') AS s, current_setting('TimeZone') AS z, pg_sleep(0.01)"
        rows = await asyncio.gather(*(read_rows(sql) for _ in range(8)))
        assert {(row[0]["s"], row[0]["z"]) for row in rows} == {("on", "UTC")}
        await JobRow.create(name="x")
    finally:
        await database.close()


async def test_another_encoding_is_refused(tmp_path: Path) -> None:
    """It could not hold what people write."""
    server = postgres()
    server.sql("DROP DATABASE IF EXISTS ascii", "CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII'")
    with pytest.raises(SettingsError, match="encoding is SQL_ASCII, it must be UTF8"):
        await Database(server.url("ascii"), require_durable=False).open()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: url.replace("p%25ss", "wrong-word"), "password authentication failed"),
        (lambda url: url.rpartition("/")[0] + "/nowhere", 'database "nowhere" does not exist'),
        (lambda url: url.replace(f":{postgres().port}/", ":1/"), "Connect call failed|refused"),
    ],
)
async def test_a_server_that_does_not_let_us_in_is_told_without_the_password(
    url: str, change: object, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In words and in the log, down to debug."""
    hear_everything(caplog)
    database = Database(change(url), require_durable=False)  # type: ignore[operator]
    with pytest.raises(SettingsError, match=said) as caught:
        await database.open()
    everything = f"{caught.value} {database.place} {database!r} {caplog.text}"
    assert not [word for word in ("p%ss", "p%25ss", "wrong-word") if word in everything]


def hear_everything(caplog: pytest.LogCaptureFixture) -> None:
    """Also what the program has told these loggers to keep to themselves, if it ran in this process before."""
    for name in (None, "tortoise", "tortoise.db_client", "asyncpg"):
        caplog.set_level(logging.DEBUG, logger=name)


async def test_the_password_is_not_in_the_log_when_all_is_well(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Down to debug."""
    hear_everything(caplog)
    database = Database(url, require_durable=False)
    await database.open()
    await JobRow.create(name="x")
    await database.close()
    assert "pool" in caplog.text
    assert "p%ss" not in caplog.text
    assert "p%25ss" not in caplog.text


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://a:secret@b/c", "not a PostgreSQL address"),
        ("postgres://a:secret@b:x/c", "not an address"),
        ("postgres://a:se/cret@b:1/c", "not an address"),
        ("postgres://a:secret@b", "a part is missing"),
        ("postgres://b/c", "a part is missing"),
        ("postgres://a:secret@b/c?ssl=1", "there is no option 'ssl'"),
        ("postgres://a:secret@b/c?sslmode=require", None),
        ("postgresql://a@/c?host=/run/postgresql", None),
    ],
)
def test_an_address_is_checked_and_not_repeated(url: str, said: str | None) -> None:
    """There is a password in it."""
    problem = problem_of_postgres_url(url)
    assert (problem is None) == (said is None)
    assert said is None or (said in str(problem) and "secret" not in str(problem))


async def test_a_second_instance_is_refused_until_the_first_is_gone(url: str) -> None:
    """Two real processes; also kill -9 lets go."""
    code = f"""
import asyncio
from core.store.database import Database
async def main():
    await Database({url!r}, require_durable=False).open()
    print("held", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    database = Database(url, require_durable=False)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(SettingsError, match=r"another instance .* uses it; stop it first"):
            await database.open()
        first.kill()
    for _ in range(300):
        with suppress(SettingsError):
            await database.open()
            break
        await asyncio.sleep(0.1)
    await JobRow.create(name="mine")
    await database.close()


async def test_it_survives_a_restart_of_the_server(store: Database) -> None:
    """While it is down everything is a clear error; afterwards all works, and the database is ours again."""
    server = postgres()
    await JobRow.create(name="before")
    server.stop(kill=True)
    for write in (JobRow.create(name="meanwhile"), _put("meanwhile")):
        with pytest.raises(DBConnectionError, match="connection was lost"):
            await write
    with pytest.raises(DBConnectionError):
        await JobRow.all()
    server.start()
    await asyncio.gather(_put("after"), JobRow.create(name="plain"))
    assert {row.name for row in await JobRow.all()} == {"before", "after", "plain"}
    with pytest.raises(SettingsError, match="another instance"):
        await _in_another_process(server.url(store.place.rpartition("/")[2]))


async def test_a_connection_that_dies_in_a_body_fails_all_who_share_its_commit(store: Database, name: str) -> None:
    """Also the one whose body had ended well: it had not returned yet."""

    async def dying() -> None:
        async with transaction():
            await JobRow.create(name="dying")
            postgres().sql(OTHERS.format(name))
            await JobRow.create(name="dead")

    outcomes = await asyncio.gather(_put("well"), dying(), _put("next"), return_exceptions=True)
    assert [type(each) for each in outcomes[:2]] == [DBConnectionError, DBConnectionError]
    found = {row.name for row in await JobRow.all()}
    assert found == ({"next"} if outcomes[2] is None else set())
    await _put("after")


@pytest.mark.parametrize("how", ["session", "server"])
async def test_a_commit_whose_outcome_is_unknown_is_never_a_success(store: Database, name: str, how: str) -> None:
    """The connection dies while the server is committing."""
    server = postgres()
    server.sql(SLOW, WHEN, name=name)
    task = asyncio.create_task(_put("unknown"))
    while not server.sql(
        f"SELECT 1 FROM pg_stat_activity WHERE datname = '{name}' AND query = 'COMMIT' AND state = 'active'"
    ):
        await asyncio.sleep(0.01)
    if how == "session":
        server.sql(OTHERS.format(name))
    else:
        server.stop(kill=True)
        server.start()
    with pytest.raises(DBConnectionError, match="may not be stored"):
        await asyncio.wait_for(task, 30)
    server.sql("DROP TRIGGER slow ON jobs", name=name)
    await _put("after")
    assert {row.name for row in await JobRow.all()} == {"after"}


async def test_who_loses_the_database_to_another_instance_writes_no_more(store: Database, name: str) -> None:
    """Our lock's connection dies, and somebody else is quicker."""
    other = await _connected(name)
    try:
        postgres().sql(KEEPER.format(name))
        await other.execute(f"SELECT pg_advisory_lock({0x51756172746572})")
        while not client()._keeper.is_closed():
            await asyncio.sleep(0.01)
        for write in (_put("x"), JobRow.create(name="x")):
            with pytest.raises(SettingsError, match="another instance"):
                await write
    finally:
        await other.close()
    await _put("mine again")
    assert [row.name for row in await JobRow.all()] == ["mine again"]


async def test_a_read_asks_the_server_once(store: Database, name: str) -> None:
    """A session that comes back to the pool is not set back by a question more: nobody has changed it."""
    await JobRow.filter(name="nightly")
    asked = postgres().sql(
        f"SELECT query FROM pg_stat_activity WHERE datname = '{name}' AND application_name = 'quarterdeck'"
    )
    assert any("jobs" in row["query"] for row in asked)
    assert not [row["query"] for row in asked if "RESET" in row["query"]]


async def test_a_transaction_that_is_left_open_ends_where_its_connection_comes_back(store: Database) -> None:
    """Whoever gets the connection next is in no transaction, and what was written in it is gone."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the driver tells it, too
    connection = await client().writer()
    await connection.execute("BEGIN")
    await connection.execute("INSERT INTO chat_memory (chat_id, key, value) VALUES (1, 'left', '{}')")
    await client().release(connection, broken=False)
    again = await client().writer()
    assert not again.is_in_transaction()
    await client().release(again, broken=False)
    assert not await ChatMemoryRow.filter(key="left").exists()


async def test_text_that_postgres_cannot_hold_is_made_harmless(store: Database) -> None:
    """A NUL, wherever it is written from."""
    await ChatMemoryRow.create(chat_id=1, key="a", value="x\x00y")
    async with transaction():
        await ChatMemoryRow.bulk_create([ChatMemoryRow(chat_id=2, key="b", value="x\x00y")])
        await ChatMemoryRow.filter(chat_id=1).update(value="z\x00")
    assert {row.value for row in await ChatMemoryRow.all()} == {
        "x\N{REPLACEMENT CHARACTER}y",
        "z\N{REPLACEMENT CHARACTER}",
    }


async def _put(name: str) -> None:
    async with transaction():
        await JobRow.create(name=name)
        await asyncio.sleep(0)


async def _connected(name: str) -> object:
    import asyncpg

    server = postgres()
    return await asyncpg.connect(
        host="127.0.0.1", port=server.port, user=server.user, password=server.password, database=name
    )


async def _in_another_process(url: str) -> None:
    code = f"""
import asyncio
from core.store.database import Database
asyncio.run(Database({url!r}, require_durable=False).open())
"""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise SettingsError([done.stderr.splitlines()[-1]])
