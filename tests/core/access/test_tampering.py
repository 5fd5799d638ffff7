"""What somebody who can write to the database may do to the audit trail, and how it shows."""

import asyncio
import json
import random
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.access.audit import MILESTONE, Audit, Head, Kept, line_hash, newest_head, verify
from core.access.roles import CONSOLE
from core.auditing import examine, export
from core.clock import ManualClock
from core.errors import SettingsError
from core.store.database import Database, transaction
from core.store.models import AuditLine
from core.store.trail import TrailLine, lines_of_file, lines_of_server
from tests.core.conftest import NOW
from tests.databases import database_url, sqlite_file

LINES = 60
ROUNDS = 200
COLUMNS = ("actor", "action", "detail", "outcome", "at", "hash")


def written(count: int, seq: int = 0, before: str = "", word: str = "halt") -> list[TrailLine]:
    lines = []
    for number in range(seq + 1, seq + count + 1):
        line = TrailLine(number, NOW + timedelta(seconds=number), "Ada (1)", word, f"detail {number}", "ok", "")
        before = line_hash(before, number, line.at, (line.actor, line.action, line.detail, line.outcome))
        lines.append(replace(line, hash=before))
    return lines


def rehashed(lines: list[TrailLine], start: int) -> list[TrailLine]:
    """The chain made whole again from a place on, as somebody who knows how would do it."""
    before, done = lines[start - 1].hash if start else "", lines[:start]
    for number, line in enumerate(lines[start:], start + 1):
        before = line_hash(before, number, line.at, (line.actor, line.action, line.detail, line.outcome))
        done.append(replace(line, seq=number, hash=before))
    return done


GOOD = written(LINES)
HEAD = Kept.read(str(Head(LINES, GOOD[-1].hash)))


def edit(chance: random.Random) -> list[TrailLine]:
    """One column of one line; half the time with that line's own hash made to fit."""
    place, column = chance.randrange(LINES), chance.choice(COLUMNS)
    new = GOOD[place].at + timedelta(microseconds=1) if column == "at" else "a" * 64
    line = replace(GOOD[place], **{column: new})
    if chance.random() < 0.5 and column != "hash" and place < LINES - 1:
        line = rehashed([*GOOD[:place], line], place)[place]
    return [*GOOD[:place], line, *GOOD[place + 1 :]]


def delete(chance: random.Random) -> list[TrailLine]:
    """Some lines out of the middle; half the time the rest is numbered anew."""
    place = chance.randrange(LINES - 1)
    until = chance.randrange(place + 1, LINES)
    rest = [*GOOD[:place], *GOOD[until:]]
    return [replace(line, seq=number) for number, line in enumerate(rest, 1)] if chance.random() < 0.5 else rest


def insert(chance: random.Random) -> list[TrailLine]:
    """A line put in, with a hash that fits to the one before; the rest moves up."""
    place = chance.randrange(LINES)
    forged = replace(GOOD[place], detail="all is well")
    head = rehashed([*GOOD[:place], forged], place)
    return [*head, *(replace(line, seq=line.seq + 1) for line in GOOD[place:])]


def truncate(chance: random.Random) -> list[TrailLine]:
    """The newest lines are gone."""
    return GOOD[: chance.randrange(LINES)]


def rewrite(chance: random.Random) -> list[TrailLine]:
    """The newest lines are gone, and others were written in their place, as many or more, hashes and all."""
    place = chance.randrange(LINES)
    before = GOOD[place - 1].hash if place else ""
    more = chance.randrange(3) * chance.randrange(10)
    return [*GOOD[:place], *written(LINES - place + more, place, before, "resume")]


CHAIN_SHOWS = (edit, delete, insert)
ANCHOR_SHOWS = (truncate, rewrite)


@pytest.mark.parametrize("tamper", [*CHAIN_SHOWS, *ANCHOR_SHOWS], ids=lambda each: each.__name__)
def test_every_tampering_is_found(tamper) -> None:
    """Each kind at 200 random places: the chain shows three of them by itself, a kept head the other two."""
    chance = random.Random(tamper.__name__)
    for _ in range(ROUNDS):
        lines = tamper(chance)
        assert lines != GOOD
        found = verify(lines, kept=[HEAD] if tamper in ANCHOR_SHOWS else ())
        assert found, (tamper.__name__, len(lines))
        if tamper in ANCHOR_SHOWS:
            assert verify(lines) == ()  # without a kept head nothing can be seen: that is why it is told in chat


def test_a_sound_trail_has_every_head_that_was_ever_kept() -> None:
    """Whichever and however many; a head of sixteen digits is enough."""
    kept = [Kept(line.seq, line.hash[:16]) for line in GOOD]
    assert verify(GOOD, kept=kept) == ()
    assert verify(GOOD, kept=[Kept(5, GOOD[5].hash)]) == (
        "line 5 is another than the one that was kept: the trail was written anew, up to there at least",
    )
    assert verify(GOOD, kept=[Kept(99, "a" * 16)]) == (f"the trail ends at line {LINES}, but line 99 was there",)


def test_a_line_that_is_there_twice() -> None:
    """No database allows it; a file that is exported might."""
    assert verify([*GOOD[:5], *GOOD[4:]]) == ("line 5 is there twice",)


@pytest.mark.parametrize(
    "text", ["", "5", "5:", "5:abc", "0:" + "a" * 32, "5:" + "g" * 32, "x:" + "a" * 32, "5:" + "a" * 65]
)
def test_a_head_is_read_strictly(text: str) -> None:
    """A slip of the keyboard must not look like tampering."""
    with pytest.raises(ValueError, match="a head is a line's number"):
        Kept.read(text)


# --- on a real database --------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgres"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SimpleNamespace]:
    """An open database with some lines, and settings that name it."""
    path = tmp_path / "quarterdeck.sqlite3"
    url = database_url(path, request.param)
    database = Database(url, require_durable=False)
    await database.open()
    secret = None if request.param == "sqlite" else SimpleNamespace(get_secret_value=lambda: url)
    try:
        audit = Audit(ManualClock(NOW))
        for number in range(20):
            await audit.record(CONSOLE, "halt", f"n {number} \n\u202e<b>ü€")
        yield SimpleNamespace(data_dir=tmp_path, database_url=secret, audit=audit)
    finally:
        await database.close()


async def test_the_trail_is_read_beside_the_running_program(place: SimpleNamespace) -> None:
    """While it writes: every look sees a whole chain, and the head that the program itself sees."""

    async def write() -> None:
        for number in range(50):
            await place.audit.record(CONSOLE, f"act {number}")

    writing = asyncio.create_task(write())
    while not writing.done():
        found = await examine(place, ())
        assert found.problems == ()
        await asyncio.sleep(0)
    await writing
    found = await examine(place, [Kept.read(str(await newest_head()))])
    assert (found.problems, found.head) == ((), await newest_head())


async def test_a_change_in_the_database_is_found(place: SimpleNamespace) -> None:
    """Of a word, of the time, and by deletion."""
    kept = Kept.read(str(await newest_head()))
    await AuditLine.filter(seq=3).update(outcome="refused")
    await AuditLine.filter(seq=7).update(at=NOW + timedelta(seconds=1))
    await AuditLine.filter(seq__gte=18).delete()
    found = await examine(place, [kept])
    assert found.problems == (
        "line 3 is not as it was written",
        "line 7 is not as it was written",
        "the trail ends at line 17, but line 20 was there",
    )


async def test_the_export_is_one_ascii_line_each(place: SimpleNamespace) -> None:
    """Whatever people typed: no line break, no control character, nothing that turns the writing round."""
    lines: list[str] = []
    await export(place, lines.append)
    assert len(lines) == 20
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert json.loads(lines[4]) == {
        "seq": 5, "at": NOW.isoformat(), "actor": "console (console)", "action": "halt",
        "detail": "n 4 \\n\\u202e<b>ü€", "outcome": "ok", "hash": (await AuditLine.get(seq=5)).hash,
    }  # fmt: skip


async def test_the_reader_cannot_write(tmp_path: Path) -> None:
    """It opens read-only; a log that a crash has left behind is read and still there afterwards, as recovery needs it."""
    path = tmp_path / "quarterdeck.sqlite3"
    database = Database(sqlite_file(path), require_durable=False)
    await database.open()
    try:
        await Audit(ManualClock(NOW)).record(CONSOLE, "halt")
        crashed = tmp_path / "crashed"
        crashed.mkdir()
        for name in ("quarterdeck.sqlite3", "quarterdeck.sqlite3-wal"):
            shutil.copyfile(tmp_path / name, crashed / name)
    finally:
        await database.close()
    for folder in (crashed, tmp_path):
        lines = [line async for line in lines_of_file(folder / "quarterdeck.sqlite3")]
        assert [line.action for line in lines] == ["halt"]
    assert (crashed / "quarterdeck.sqlite3-wal").stat().st_size > 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader, pytest.raises(sqlite3.OperationalError):
        reader.execute("DELETE FROM audit")


async def test_a_trail_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    """No file, no server; and no password in the message."""
    with pytest.raises(SettingsError, match="cannot be read"):
        _ = [line async for line in lines_of_file(tmp_path / "nothing.sqlite3")]
    with pytest.raises(SettingsError, match="cannot be opened") as caught:
        _ = [line async for line in lines_of_server("postgres://ada:hunter2hunter2@127.0.0.1:1/x")]
    assert "hunter2" not in str(caught.value)


async def test_every_thousandth_line_is_told_with_it(database: Database, clock: ManualClock) -> None:
    """In the transaction of the line: a head that was told is a line that is there."""
    told: list[Head] = []

    async def tell(head: Head) -> None:
        assert (await newest_head()) == head
        told.append(head)

    audit = Audit(clock, tell)
    lines = written(MILESTONE - 2)
    await AuditLine.bulk_create(
        [AuditLine(**{each: getattr(line, each) for each in ("seq", *COLUMNS)}) for line in lines]
    )
    for _ in range(3):
        await audit.record(CONSOLE, "halt")
    assert [head.line for head in told] == [MILESTONE]

    async def fail(_: Head) -> None:
        raise OSError

    audit.at_milestone = fail
    await AuditLine.create(seq=2 * MILESTONE - 1, at=NOW, actor="", action="", detail="", outcome="", hash="x")
    with pytest.raises(OSError):
        async with transaction():
            await audit.record(CONSOLE, "halt")
    assert (await newest_head()).line == 2 * MILESTONE - 1
