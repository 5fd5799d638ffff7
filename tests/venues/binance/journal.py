"""The venue's journal of truth: what really happened, whatever was answered. Append-only.

Kinds of entries: `request` (as received; `came_ns` on the machine's monotonic clock), `answer` (as sent, or how it was withheld), `accepted`, `refused`, `execution`,
`cancelled`, `expired`, `amended`, `triggered`, `price`, `event` (sent on a stream, or what became of it), `fault`.
An oracle that judges orders looks at `accepted`, `execution`, `cancelled` and `expired` only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

FILE = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `at` is milliseconds of the world's clock, not of the venue's."""

    number: int
    at: int
    kind: str
    facts: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.facts[name]

    def get(self, name: str, default: Any = None) -> Any:
        """A fact, or `default`."""
        return self.facts.get(name, default)

    def line(self) -> str:
        """As it stands in the file."""
        return json.dumps({"number": self.number, "at": self.at, "kind": self.kind, **self.facts}, default=_plain)


class Journal:
    """Entries in memory, and in a file when there is a folder: every line is written out before anything is answered."""

    def __init__(self, now: Callable[[], int], folder: Path | None = None) -> None:
        self._now = now
        self._entries: list[Entry] = []
        self._file = None if folder is None else (folder / FILE).open("a", encoding="utf-8", buffering=1)

    def write(self, kind: str, **facts: Any) -> Entry:
        """Append one entry."""
        entry = Entry(len(self._entries) + 1, self._now(), kind, facts)
        self._entries.append(entry)
        if self._file is not None:
            self._file.write(entry.line() + "\n")
        return entry

    def all(self, kind: str = "", **facts: Any) -> list[Entry]:
        """The entries of a kind (or all) whose facts are `facts`, oldest first."""
        return [each for each in self._entries if kind in {"", each.kind} and _fits(each, facts)]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def requests(self, route: str = "") -> list[Entry]:
        """Requests received, of one route ("POST /api/v3/order") or all."""
        return self.all("request", route=route) if route else self.all("request")

    def accepted(self, market: str = "") -> list[Entry]:
        """Orders that exist or existed."""
        return self.all("accepted", market=market) if market else self.all("accepted")

    def executions(self, client_id: str = "") -> list[Entry]:
        """Executions of one order by its client id, or all."""
        return self.all("execution", client_id=client_id) if client_id else self.all("execution")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def read(folder: Path) -> list[Entry]:
    """The journal of a server that may be dead; a last line that was cut off does not count."""
    entries = []
    for line in (folder / FILE).read_text(encoding="utf-8").splitlines():
        try:
            known = json.loads(line)
        except ValueError:
            break
        entries.append(Entry(known.pop("number"), known.pop("at"), known.pop("kind"), known))
    return entries


def _fits(entry: Entry, facts: dict[str, Any]) -> bool:
    return all(entry.facts.get(name) == value for name, value in facts.items())


def _plain(value: Any) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)
