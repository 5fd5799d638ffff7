"""Typed buttons to Telegram's callback data and back.

`n1|orders|2` looks; `p1|…` looks in a new message; `a1|<nonce>` spends a ticket; `h1|<nonce>` spends one
whose command overtakes everything. The digit is the version: data of another version is answered as outdated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.notices import CONFIRM_SECONDS
from bot.screen import DATA_LIMIT, Act, Nav, Rows, Url
from core.access.tickets import TicketRequest, Tickets

URGENT_PREFIX = "h1|"
_LOOK, _LOOK_FRESH, _ACT = "n1", "p1", "a1"
_FRESH_KEY = "fresh"


@dataclass(frozen=True, slots=True)
class Key:
    """One button as it is sent: data, or the address it opens."""

    label: str
    data: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Keyboard:
    """Rows of keys, and the tickets behind them that still have to learn their message's id."""

    rows: tuple[tuple[Key, ...], ...] = ()
    nonces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """Data that only looks."""

    command: str
    args: tuple[str, ...]
    fresh: bool


@dataclass(frozen=True, slots=True)
class Spend:
    """Data that spends a ticket; `urgent` is that of a halt, which needs none if it cannot be had."""

    nonce: str
    urgent: bool = False


def read_data(data: str) -> Look | Spend | None:
    """What a press means; None for data that we never sent, or of another version."""
    version, _, rest = data.partition("|")
    if version in (_LOOK, _LOOK_FRESH) and rest:
        command, *args = rest.split("|")
        return Look(command, tuple(args), version == _LOOK_FRESH)
    urgent = version == URGENT_PREFIX[:-1]
    return Spend(rest, urgent) if rest and (urgent or version == _ACT) else None


class Keyboards:
    """Builds keyboards; every ticket of one keyboard is minted in one commit."""

    def __init__(self, tickets: Tickets) -> None:
        self._tickets = tickets

    async def build(self, rows: Rows, *, user_id: int | None, chat_id: int, message_id: int | None) -> Keyboard:
        """Keys for one reader and chat; `message_id` is None for a message not sent yet."""
        flat = [button for row in rows for button in row]
        needing = [button for button in flat if isinstance(button, Act | Nav) and not _compact(button)]
        requests = [_request(button, user_id, chat_id) for button in needing]
        nonces = await self._tickets.mint(requests, message_id) if requests else []
        minted = dict(zip(map(id, needing), nonces, strict=True))
        keys = tuple(tuple(_key(button, minted) for button in row) for row in rows)
        return Keyboard(keys, tuple(nonces))

    async def bind(self, keyboard: Keyboard, message_id: int) -> None:
        """Tie the tickets to the message that was sent with them."""
        if keyboard.nonces:
            await self._tickets.bind(keyboard.nonces, message_id)


def ticket_args(args: Mapping[str, str]) -> tuple[tuple[str, ...], bool]:
    """A ticket's arguments in order, and whether its answer is a new message."""
    words = tuple(args[str(place)] for place in range(len(args) - (_FRESH_KEY in args)))
    return words, _FRESH_KEY in args


def _compact(button: Act | Nav) -> str:
    """Data that says all by itself; empty when a ticket is needed."""
    if isinstance(button, Act) or any("|" in arg for arg in button.args):
        return ""
    data = "|".join((_LOOK_FRESH if button.fresh else _LOOK, button.command, *button.args))
    return data if len(data.encode()) <= DATA_LIMIT else ""


def _request(button: Act | Nav, user_id: int | None, chat_id: int) -> TicketRequest:
    args = {str(place): arg for place, arg in enumerate(button.args)}
    if button.fresh:
        args[_FRESH_KEY] = "1"
    confirms = isinstance(button, Act) and button.confirms
    return TicketRequest(
        action=button.command,
        args=args,
        user_id=user_id,
        chat_id=chat_id,
        ttl_seconds=CONFIRM_SECONDS if confirms else None,
        confirms=confirms,
    )


def _key(button: Act | Nav | Url, minted: Mapping[int, str]) -> Key:
    if isinstance(button, Url):
        return Key(button.label, url=button.url)
    nonce = minted.get(id(button))
    if nonce is None:
        return Key(button.label, _compact(button))
    urgent = isinstance(button, Act) and button.urgent
    return Key(button.label, (URGENT_PREFIX if urgent else _ACT + "|") + nonce)
