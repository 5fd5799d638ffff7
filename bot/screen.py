"""What a command answers: text, typed buttons, perhaps a picture or a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from bot.html import Html

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
BUTTON_LIMIT = 100
DATA_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Nav:
    """A button that only looks: pressing it twice does no harm. `fresh` posts a new message."""

    label: str
    command: str
    args: tuple[str, ...] = ()
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """A button that changes something: a single-use ticket bound to reader, chat and message.

    `confirms` is set by the dispatcher alone, on the button that answers its question.
    """

    label: str
    command: str
    args: tuple[str, ...] = ()
    fresh: bool = False
    urgent: bool = False
    confirms: bool = False


@dataclass(frozen=True, slots=True)
class Url:
    """A button that opens a page."""

    label: str
    url: str


Button = Nav | Act | Url
Rows = tuple[tuple[Button, ...], ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A file to hand over."""

    name: str
    data: bytes = field(repr=False)


class Live(StrEnum):
    """What a screen does to the chat's live status message."""

    LEAVE = "leave"
    START = "start"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Screen:
    """One answer. `toast` is shown over the chat when a button was pressed; `alert` makes it a dialog.

    `follow` is the look that keeps its message current for a while.
    """

    text: Html
    buttons: Rows = ()
    photo: bytes | None = field(default=None, repr=False)
    document: Document | None = None
    toast: str = ""
    alert: bool = False
    live: Live = Live.LEAVE
    menu: bool = False
    follow: Nav | None = None

    @property
    def has_media(self) -> bool:
        """Whether it needs a new message: text cannot be edited into a picture, nor back."""
        return self.photo is not None or self.document is not None
