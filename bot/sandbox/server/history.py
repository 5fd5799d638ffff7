"""Everything the sandbox remembers, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bot.sandbox.server.model import Chat, Message, StoredFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chats (id INTEGER PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS messages (message_id INTEGER PRIMARY KEY AUTOINCREMENT, chat_id INTEGER NOT NULL,
  data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS messages_by_chat ON messages (chat_id, message_id);
CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY AUTOINCREMENT, chat_id INTEGER NOT NULL,
  kind TEXT NOT NULL, message_id INTEGER NOT NULL, data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_chat ON events (chat_id, seq);
CREATE INDEX IF NOT EXISTS events_by_message ON events (message_id, seq);
CREATE TABLE IF NOT EXISTS updates (update_id INTEGER PRIMARY KEY AUTOINCREMENT, created REAL NOT NULL,
  data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS callbacks (id TEXT PRIMARY KEY, chat_id INTEGER NOT NULL,
  message_id INTEGER NOT NULL, user_id INTEGER NOT NULL, created REAL NOT NULL, answer TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (file_id TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pins (chat_id INTEGER NOT NULL, message_id INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (chat_id, message_id)) WITHOUT ROWID;
"""
_KEPT_EDITS = 20
_FIRST_UPDATE = 100_000_000


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class History:
    """The store; every call is synchronous and short. Writes survive a kill of the process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._depth = 0
        self._db = sqlite3.connect(path)
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-1024", "busy_timeout=5000"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_SCHEMA)
        seeded = self._db.execute("SELECT 1 FROM sqlite_sequence WHERE name='updates'").fetchone()
        if seeded is None:
            self._db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('updates', ?)", (_FIRST_UPDATE,))
        self._db.commit()

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside become durable together, or none; transactions may be nested."""
        self._depth += 1
        try:
            yield
        except BaseException:
            self._db.rollback()
            raise
        else:
            if self._depth == 1:
                self._db.commit()
        finally:
            self._depth -= 1

    # Settings.

    def setting(self, key: str, default: Any = None) -> Any:
        """A remembered JSON value."""
        row = self._db.execute("SELECT value FROM settings WHERE key=?", (key,)).fetchone()
        return default if row is None else json.loads(row[0])

    def remember(self, key: str, value: Any) -> None:
        """Keep a JSON value; None forgets it."""
        with self.transaction():
            if value is None:
                self._db.execute("DELETE FROM settings WHERE key=?", (key,))
            else:
                self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (key, _dump(value)))

    # Chats.

    def chats(self) -> list[Chat]:
        """All chats."""
        return [Chat(**json.loads(row[0])) for row in self._db.execute("SELECT data FROM chats ORDER BY id")]

    def save_chat(self, chat: Chat) -> None:
        """Create or replace a chat."""
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO chats VALUES (?, ?)", (chat.id, _dump(asdict(chat))))

    # Messages.

    def add_message(self, message: Message) -> None:
        """Store a new message and give it its id."""
        cursor = self._db.execute("INSERT INTO messages (chat_id, data) VALUES (?, '')", (message.chat_id,))
        message.message_id = int(cursor.lastrowid or 0)
        self.save_message(message)

    def save_message(self, message: Message) -> None:
        """Replace a stored message."""
        self._db.execute(
            "UPDATE messages SET data=? WHERE message_id=?", (_dump(message.to_dict()), message.message_id)
        )

    def message(self, chat_id: int, message_id: int) -> Message | None:
        """A message that still exists."""
        row = self._db.execute(
            "SELECT data FROM messages WHERE message_id=? AND chat_id=?", (message_id, chat_id)
        ).fetchone()
        return None if row is None else Message(**json.loads(row[0]))

    def delete_message(self, message: Message) -> None:
        """Forget a message and its pin."""
        self._db.execute("DELETE FROM messages WHERE message_id=?", (message.message_id,))
        self.unpin(message.chat_id, message.message_id)

    # Events for the page.

    def add_event(self, chat_id: int, kind: str, message_id: int, card: dict[str, Any]) -> None:
        """Append to the chat's event list; old edits of the same message are forgotten."""
        if kind == "delete":
            self._db.execute("DELETE FROM events WHERE message_id=?", (message_id,))
        self._db.execute(
            "INSERT INTO events (chat_id, kind, message_id, data) VALUES (?, ?, ?, ?)",
            (chat_id, kind, message_id, _dump(card)),
        )
        if kind == "edit":
            self._db.execute(
                "DELETE FROM events WHERE message_id=?1 AND kind='edit' AND seq <= (SELECT seq FROM events "
                "WHERE message_id=?1 AND kind='edit' ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
                (message_id, _KEPT_EDITS),
            )

    def events(self, chat_id: int, after: int, limit: int) -> list[dict[str, Any]]:
        """Events of a chat in order, with seq greater than `after`."""
        rows = self._db.execute(
            "SELECT seq, kind, data FROM events WHERE chat_id=? AND seq>? ORDER BY seq LIMIT ?",
            (chat_id, after, limit),
        )
        return [{"seq": seq, "kind": kind, "message": json.loads(data)} for seq, kind, data in rows]

    def tail(self, chat_id: int, messages: int) -> int:
        """The seq before the newest `messages` messages of a chat."""
        row = self._db.execute(
            "SELECT seq FROM events WHERE chat_id=? AND kind='message' ORDER BY seq DESC LIMIT 1 OFFSET ?",
            (chat_id, messages),
        ).fetchone()
        return 0 if row is None else int(row[0])

    def last_seq(self, chat_id: int) -> int:
        """The newest seq of a chat, 0 when nothing has happened."""
        row = self._db.execute("SELECT max(seq) FROM events WHERE chat_id=?", (chat_id,)).fetchone()
        return int(row[0] or 0)

    # Updates.

    def add_update(self, created: float, data: dict[str, Any]) -> int:
        """Queue an update for the bot; returns its update_id."""
        cursor = self._db.execute("INSERT INTO updates (created, data) VALUES (?, ?)", (created, _dump(data)))
        return int(cursor.lastrowid or 0)

    def updates(self, limit: int) -> list[dict[str, Any]]:
        """The oldest unconfirmed updates."""
        rows = self._db.execute("SELECT update_id, data FROM updates ORDER BY update_id LIMIT ?", (limit,))
        return [{"update_id": update_id, **json.loads(data)} for update_id, data in rows]

    def number_anew(self, next_id: int) -> None:
        """The next update gets this id, as after a quiet week; what waits is forgotten."""
        with self.transaction():
            self._db.execute("DELETE FROM updates")
            self._db.execute("UPDATE sqlite_sequence SET seq=? WHERE name='updates'", (next_id - 1,))

    def count_updates(self) -> int:
        """How many updates wait."""
        return int(self._db.execute("SELECT count(*) FROM updates").fetchone()[0])

    def drop_updates_below(self, update_id: int) -> None:
        """Confirm every update with a smaller id."""
        with self.transaction():
            self._db.execute("DELETE FROM updates WHERE update_id < ?", (update_id,))

    def drop_updates_before(self, moment: float) -> None:
        """Forget updates that are too old."""
        with self.transaction():
            self._db.execute("DELETE FROM updates WHERE created < ?", (moment,))

    def keep_last_updates(self, count: int) -> None:
        """Forget all but the newest updates."""
        with self.transaction():
            self._db.execute(
                "DELETE FROM updates WHERE update_id NOT IN "
                "(SELECT update_id FROM updates ORDER BY update_id DESC LIMIT ?)",
                (count,),
            )

    # Callback queries.

    def add_callback(self, query_id: str, message: Message, user_id: int, created: float) -> None:
        """Remember that a button was pressed."""
        self._db.execute(
            "INSERT INTO callbacks VALUES (?, ?, ?, ?, ?, NULL)",
            (query_id, message.chat_id, message.message_id, user_id, created),
        )

    def open_callback(self, query_id: str, since: float) -> bool:
        """Whether the query exists, is unanswered and not older than `since`."""
        row = self._db.execute(
            "SELECT 1 FROM callbacks WHERE id=? AND answer IS NULL AND created >= ?", (query_id, since)
        ).fetchone()
        return row is not None

    def answer_callback(self, query_id: str, answer: dict[str, Any]) -> None:
        """Keep the bot's answer."""
        with self.transaction():
            self._db.execute("UPDATE callbacks SET answer=? WHERE id=?", (_dump(answer), query_id))

    def callback_answer(self, query_id: str) -> dict[str, Any] | None:
        """The bot's answer, once there is one."""
        row = self._db.execute("SELECT answer FROM callbacks WHERE id=?", (query_id,)).fetchone()
        return json.loads(row[0]) if row and row[0] else None

    # Files.

    def add_file(self, file: StoredFile) -> None:
        """Remember a file's particulars."""
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO files VALUES (?, ?)", (file.file_id, _dump(asdict(file))))

    def file(self, file_id: str) -> StoredFile | None:
        """A file's particulars."""
        row = self._db.execute("SELECT data FROM files WHERE file_id=?", (file_id,)).fetchone()
        return None if row is None else StoredFile(**json.loads(row[0]))

    def files(self) -> Iterable[StoredFile]:
        """All files."""
        return [StoredFile(**json.loads(row[0])) for row in self._db.execute("SELECT data FROM files")]

    # Pins.

    def pin(self, chat_id: int, message_id: int, at: int) -> None:
        """Put a message first among the chat's pins."""
        self._db.execute("INSERT OR REPLACE INTO pins VALUES (?, ?, ?)", (chat_id, message_id, at))

    def unpin(self, chat_id: int, message_id: int | None = None) -> None:
        """Take a pin away, or all of them."""
        self._db.execute("DELETE FROM pins WHERE chat_id=?1 AND (?2 IS NULL OR message_id=?2)", (chat_id, message_id))

    def pins(self, chat_id: int) -> list[int]:
        """Pinned message ids, the newest message first."""
        rows = self._db.execute("SELECT message_id FROM pins WHERE chat_id=? ORDER BY message_id DESC", (chat_id,))
        return [int(row[0]) for row in rows]
