"""The little world of the sandbox: a bot, users, chats, messages."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

CLOSED = "🔒"
MEMBERS = frozenset({"member", "administrator"})
BOT = 0
"""The sender id under which the bot's own messages are stored; its public id may change with the token."""


@dataclass(frozen=True, slots=True)
class User:
    """A person who can talk to the bot."""

    id: int
    first_name: str
    last_name: str
    username: str
    role: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()

    def to_api(self) -> dict[str, Any]:
        """The Bot API's `User`."""
        return {
            "id": self.id, "is_bot": False, "first_name": self.first_name, "last_name": self.last_name,
            "username": self.username, "language_code": "en",
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bot:
    """The bot's own account."""

    id: int
    first_name: str
    username: str

    def to_api(self) -> dict[str, Any]:
        """The Bot API's `User` for the bot."""
        return {"id": self.id, "is_bot": True, "first_name": self.first_name, "username": self.username}


@dataclass(slots=True)
class Chat:
    """A conversation; `started` tells whether the bot may write first."""

    id: int
    type: str = "private"
    title: str = ""
    user_id: int | None = None
    members: list[int] = field(default_factory=list)
    started: bool = True
    topics: dict[str, str] | None = None  # of a forum: id (as JSON has it) → name; a closed one's name ends with a lock
    bot_status: str = "administrator"
    moved_to: int | None = None

    @property
    def is_group(self) -> bool:
        """Groups have their own rate limit."""
        return self.type != "private"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that the bot sent; sizes in bytes and pixels."""

    file_id: str
    unique_id: str
    kind: str
    path: str
    name: str
    mime: str
    size: int
    width: int = 0
    height: int = 0


@dataclass(slots=True)
class Message:
    """One message, as stored. `kind` is text, photo, document, pin or service."""

    chat_id: int
    message_id: int
    sender_id: int
    date: int
    kind: str = "text"
    text: str = ""
    entities: list[dict[str, Any]] = field(default_factory=list)
    file_id: str = ""
    markup: dict[str, Any] | None = None
    reply_to: int | None = None
    pinned: int | None = None
    edit_date: int | None = None
    album: str | None = None
    protected: bool = False
    forward_origin: dict[str, Any] | None = None
    link_preview: dict[str, Any] | None = None
    caption_above: bool = False
    reactions: list[dict[str, Any]] = field(default_factory=list)
    thread_id: int | None = None
    service: dict[str, Any] | None = None  # what a message of kind "service" says, as the Bot API has it

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold."""
        return asdict(self)

    def content(self) -> tuple[Any, ...]:
        """What an edit must change to be an edit."""
        return (self.kind, self.text, self.entities, self.file_id, self.markup, self.link_preview)


ADMIN = User(1001, "Ada", "Admin", "ada_admin", "admin")
VIEWER = User(1002, "Vic", "Viewer", "vic_viewer", "viewer")
STRANGER = User(1003, "Sam", "Stranger", "sam_stranger", "stranger")
TRADER = User(1004, "Tess", "Trader", "tess_trader", "trader")
USERS = (ADMIN, TRADER, VIEWER, STRANGER)
