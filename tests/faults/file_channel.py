"""Where alerts arrive in these tests: a file that is only ever added to, one line a message."""

from __future__ import annotations

import json
from pathlib import Path

from core.alerts.channel import Message


class FileChannel:
    """Accepts every message: what is in the file was delivered."""

    name = "telegram"

    def __init__(self, path: Path) -> None:
        self._path = path

    async def deliver(self, recipient: str, message: Message) -> None:
        line = {"to": recipient, "ids": message.ids, "severity": message.severity, "title": message.title}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def delivered(path: Path) -> list[dict[str, object]]:
    """Every message that arrived."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
