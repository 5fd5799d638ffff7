"""The audit trail looked at from outside the running program: what `quarterdeck audit` answers."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from datetime import UTC

from core.access.audit import Examination, Head, Kept
from core.settings import Settings
from core.store.trail import TrailLine, lines_of_file, lines_of_server


@dataclass(frozen=True, slots=True)
class Audited:
    """`problems` is empty if the trail is what it was; `head` is where it ends."""

    problems: tuple[str, ...]
    head: Head


async def examine(settings: Settings, kept: Sequence[Kept]) -> Audited:
    """Check the chain from its first line to its last, and against heads that were kept. The program may run."""
    examination = Examination(kept)
    async with aclosing(_lines(settings)) as lines:
        async for line in lines:
            examination.look(line)
    return Audited(examination.end(), examination.head)


async def export(settings: Settings, write: Callable[[str], object]) -> None:
    """Every line as JSON, oldest first; what is not ASCII is escaped."""
    async with aclosing(_lines(settings)) as lines:
        async for line in lines:
            write(json.dumps({**asdict(line), "at": line.at.astimezone(UTC).isoformat()}))


def _lines(settings: Settings) -> AsyncGenerator[TrailLine, None]:
    secret = settings.database_url
    if secret is not None:
        return lines_of_server(secret.get_secret_value())
    return lines_of_file(settings.data_dir / "quarterdeck.sqlite3")
