"""Computes everything that is stored again from its own history: what `quarterdeck verify` answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from brokers.instrument import Instrument
from core.access.audit import verify as verify_audit
from core.databases import database_of
from core.replay_rounds import archive_of
from core.settings import Settings
from core.store.audit import every_line
from core.store.instance_lock import InstanceLock
from core.store.instruments import get_instruments
from core.store.ledger import owners
from core.trading.inspection import Verification, verify


@dataclass(frozen=True, slots=True)
class Verified:
    """`problems` is empty if books and audit trail are what their history says; `facts` is what was looked at."""

    problems: tuple[str, ...]
    facts: tuple[str, ...]


async def verify_everything(settings: Settings) -> Verified:
    """Look at the books of every account and at the audit trail, while no program works on them.

    Raises `SettingsError` if the database cannot be opened or a running program uses it.
    """
    lock = InstanceLock(settings.data_dir)
    lock.take()
    database = database_of(settings)
    try:
        await database.open()
        return await _verified(settings)
    finally:
        await database.close()
        lock.release()


async def _verified(settings: Settings) -> Verified:
    problems: list[str] = []
    facts: list[str] = []
    names = await _accounts(settings)
    for account in names:
        known = settings.accounts.get(account)
        books = await verify(account, known.currency if known else "USD", await _instruments(settings, account))
        whose = "" if len(names) == 1 else f"{account}: "
        problems += [f"{whose}{each}" for each in _of_books(books)]
        facts += [f"{whose}{each}" for each in _facts(books)]
    lines = await every_line()
    problems += [f"audit: {each}" for each in verify_audit(lines)]
    head = lines[-1].hash if lines else "empty"
    return Verified(tuple(problems), (*facts, f"audit: {len(lines)} lines, head {head[:16]}"))


async def _instruments(settings: Settings, account: str) -> Mapping[str, Instrument]:
    """Those of the history that is replayed; of a live market as the venue told them last."""
    return await get_instruments(account) if settings.market.is_live else archive_of(settings.market).instruments()


async def _accounts(settings: Settings) -> list[str]:
    """Those of the settings, and those that have left them and have something in the books."""
    left = await owners() - settings.accounts.keys()
    return [*sorted(settings.accounts), *sorted(left)]


def _facts(books: Verification) -> Iterator[str]:
    yield f"books {books.books[:16]}, replayed {books.history[:16]}"
    yield f"{books.extent.transaction} postings, {books.extent.fill} fills"


def _of_books(books: Verification) -> Iterator[str]:
    yield from map(str, books.violations)
    if not books.is_true and not books.violations:
        yield "the books are not what their history replays to"
