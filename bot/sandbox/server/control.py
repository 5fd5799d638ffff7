"""The sandbox's own JSON API: a page or a program acts as the user through it.

`GET /sandbox/state` → `{bot, users, chats, simulated}`; a chat has `id`, `type`, `user_id`, `commands`,
    `pinned` (message ids, newest first), `last_seq`, `typing` (an action name or null).
`POST /sandbox/messages` `{user_id, chat_id, text[, reply_to][, date_offset]}` →
    `{message_id, message_ids}`. Text beyond 4096 characters is sent as several messages, as an app would.
`POST /sandbox/presses` `{user_id, chat_id, message_id, data}` → `{text, show_alert, timed_out}`: the bot's
    answer to the button, or `timed_out: true` after 15 seconds without one.
`GET /sandbox/events?chat_id=&after=SEQ&wait=SECONDS[&limit=][&tail=]` → `{events, last_seq, pinned, typing,
    commands}`; an event is `{seq, kind: message|edit|delete, message}`. `wait` (at most 55) holds the answer
    until there is an event, or until `pinned`, `typing` or `commands` of the chat change. `tail` skips to the
    newest so many messages. SEQ grows and survives restarts. A message is `{message_id, chat_id, date,
    edit_date, from: {id, name, is_bot}, text, caption, html, photo_url, photo_width, photo_height,
    document_url, document_name, document_size, buttons: [[{text, data, url, copy}]], reply_to, pinned,
    reactions, album, forwarded}`.
`GET /sandbox/typing?chat_id=` → `{action}`.
`GET /sandbox/files/…` → a photo or document of the chat.

Errors are `{error}` with status 400 (bad request), 403 (foreign origin), 404 (unknown user, chat or message),
409 (the message has no such button) or 415 (no JSON).
"""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from bot.sandbox.server.entities.text import finished
from bot.sandbox.server.methods.commands import commands_for
from bot.sandbox.server.model import BOT, MEMBERS, Chat, Message, User
from bot.sandbox.server.params import whole
from bot.sandbox.server.world import World

_LONGEST_TEXT = 4096
_LONGEST_INPUT = 65_536
_LONGEST_WAIT = 55.0
_MOST_EVENTS = 500
_FARTHEST_DATE = 10 * 366 * 86_400
_NO_NUMBER = -(1 << 63)
_INLINE_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


class ControlError(Exception):
    """A refusal of the sandbox's own API."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Control:
    """Handlers of `/sandbox/*`."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def state(self, _: Request) -> Response:
        """Who is here and what the page needs to draw itself."""
        world = self._world
        users = [
            {
                "id": user.id,
                "name": user.name,
                "username": user.username,
                "role": user.role,
                "chat_id": user.id,
            }
            for user in world.users.values()
        ]
        bot = {
            "id": world.bot.id,
            "name": world.bot.first_name,
            "username": world.bot.username,
            "is_bot": True,
        }
        chats = [self._chat(chat) for chat in world.chats.values()]
        return JSONResponse({"bot": bot, "users": users, "chats": chats, "simulated": True})

    def _chat(self, chat: Chat) -> dict[str, Any]:
        history = self._world.history
        return {
            "id": chat.id, "type": chat.type, "title": chat.title or None, "user_id": chat.user_id,
            "members": chat.members, "started": chat.started,
            "last_seq": history.last_seq(chat.id), **self._surroundings(chat.id),
        }  # fmt: skip

    def _typing(self, chat_id: int) -> str | None:
        until, action = self._world.typing.get(chat_id, (0.0, ""))
        return action if until > self._world.clock() else None

    async def typing(self, request: Request) -> Response:
        """What the bot is doing in a chat right now."""
        return JSONResponse({"action": self._typing(self._find_chat(request.query_params.get("chat_id")).id)})

    # Acting as a user.

    async def send(self, request: Request) -> Response:
        """Say something as a user."""
        body = await _body(request)
        user, chat = self._who_and_where(body)
        text = _text(body)
        numbers = [self._say(user, chat, part, body) for part in _parts(text)]
        if not numbers:
            raise ControlError(400, "text is empty")
        self._world.updates.wake()
        return JSONResponse({"message_id": numbers[-1], "message_ids": numbers})

    def _say(self, user: User, chat: Chat, part: str, body: dict[str, Any]) -> int:
        world = self._world
        content = finished(part, [], world.find_user)
        replied = body.get("reply_to")
        if replied is not None and not world.history.message(chat.id, _whole(replied, "reply_to")):
            raise ControlError(404, "the message to reply to does not exist")
        shift = _whole(body.get("date_offset", 0), "date_offset")
        if abs(shift) > _FARTHEST_DATE:
            raise ControlError(400, "date_offset is more than ten years")
        date = world.now() + shift
        message = Message(chat.id, 0, user.id, date, text=content.text, entities=content.entities,
                          reply_to=replied, thread_id=_thread(chat, body))  # fmt: skip
        if not chat.started:
            chat.started = True
            world.add_chat(chat)
        with world.history.transaction():
            world.post(message)
            if self._reaches_the_bot(chat, message):
                world.updates.put("message", world.message_json(message))
        return message.message_id

    def _reaches_the_bot(self, chat: Chat, message: Message) -> bool:
        """In groups a bot hears commands, its own name and replies to what it said (Telegram's privacy mode)."""
        if not chat.is_group:
            return True
        if chat.bot_status not in MEMBERS:
            return False
        replied = self._world.history.message(chat.id, message.reply_to) if message.reply_to else None
        named = f"@{self._world.bot.username}".lower() in message.text.lower()
        return message.text.startswith("/") or named or (replied is not None and replied.sender_id == BOT)

    async def press(self, request: Request) -> Response:
        """Press a button as a user and wait for the bot's answer."""
        body = await _body(request)
        user, chat = self._who_and_where(body)
        message = self._world.history.message(chat.id, _whole(body.get("message_id"), "message_id"))
        if message is None:
            raise ControlError(404, "no such message")
        data = body.get("data")
        if not isinstance(data, str) or not _has_button(message, data):
            raise ControlError(409, "the message has no such button")
        query_id = self._query(user, message, data)
        self._world.updates.wake()
        return JSONResponse(await self._answer(query_id))

    def _query(self, user: User, message: Message, data: str) -> str:
        world = self._world
        query_id = str(secrets.randbits(62))
        with world.history.transaction():
            world.history.add_callback(query_id, message, user.id, world.clock())
            world.updates.put(
                "callback_query",
                {
                    "id": query_id, "from": user.to_api(), "message": world.message_json(message),
                    "chat_instance": str(-(message.chat_id * 7_919_393 + 1)), "data": data,
                },
            )  # fmt: skip
        return query_id

    async def _answer(self, query_id: str) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._world.limits.callback_seconds
        while True:
            answer = self._world.history.callback_answer(query_id)
            if answer is not None:
                return {**answer, "timed_out": False}
            left = deadline - loop.time()
            if left <= 0 or self._world.updates.closing:
                return {"text": None, "show_alert": False, "timed_out": True}
            await self._world.answers_bell.wait(left)

    # Watching.

    async def events(self, request: Request) -> Response:
        """What happened in a chat after a sequence number."""
        query = request.query_params
        chat = self._find_chat(query.get("chat_id"))
        after = _whole(query.get("after", "0"), "after")
        limit = min(max(_whole(query.get("limit", str(_MOST_EVENTS)), "limit"), 1), _MOST_EVENTS)
        if "tail" in query:
            after = max(after, self._world.history.tail(chat.id, _whole(query["tail"], "tail")))
        surroundings = self._surroundings(chat.id)
        wait = _seconds(query.get("wait", "0"))
        deadline = asyncio.get_running_loop().time() + wait
        while not (events := self._world.history.events(chat.id, after, limit)):
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or self._world.updates.closing or self._surroundings(chat.id) != surroundings:
                break
            await self._world.events_bell.wait(left)
        last = events[-1]["seq"] if events else after
        return JSONResponse({"events": events, "last_seq": last, **self._surroundings(chat.id)})

    def _surroundings(self, chat_id: int) -> dict[str, Any]:
        return {
            "pinned": self._world.history.pins(chat_id), "typing": self._typing(chat_id),
            "commands": commands_for(self._world, chat_id),
        }  # fmt: skip

    async def file(self, request: Request) -> Response:
        """A photo to show, or a document to save."""
        unique_id = request.path_params["unique_id"]
        file = next((file for file in self._world.files.all() if file.unique_id == unique_id), None)
        if file is None:
            raise ControlError(404, "no such file")
        path = self._world.files.location(file)
        if file.kind == "photo" and file.mime in _INLINE_IMAGES:
            return FileResponse(path, media_type=file.mime, headers={"Cache-Control": "private, max-age=86400"})
        return FileResponse(path, media_type="application/octet-stream", filename=file.name)

    # Finding.

    def _who_and_where(self, body: dict[str, Any]) -> tuple[User, Chat]:
        user = self._world.users.get(_whole(body.get("user_id"), "user_id"))
        if user is None:
            raise ControlError(404, "no such user")
        chat = self._find_chat(body.get("chat_id"))
        if user.id != chat.user_id and user.id not in chat.members:
            raise ControlError(404, "the user is not in this chat")
        return user, chat

    def _find_chat(self, given: Any) -> Chat:
        chat = self._world.chats.get(_whole(given, "chat_id"))
        if chat is None:
            raise ControlError(404, "no such chat")
        return chat


def refusal(_: Request, error: Exception) -> Response:
    """A `ControlError` as JSON."""
    assert isinstance(error, ControlError)
    return JSONResponse({"error": error.reason}, error.status)


async def _body(request: Request) -> dict[str, Any]:
    if int(request.headers.get("content-length") or 0) > 4 * _LONGEST_INPUT:
        raise ControlError(400, "too much text")
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise ControlError(400, "the body is not JSON") from error
    if not isinstance(body, dict):
        raise ControlError(400, "the body is not a JSON object")
    return body


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ControlError(400, f"{name} must be a whole number")
    number = whole(value, _NO_NUMBER)
    if number == _NO_NUMBER:
        raise ControlError(400, f"{name} must be a whole number")
    return number


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError as error:
        raise ControlError(400, "wait must be a number of seconds") from error
    return min(seconds, _LONGEST_WAIT) if seconds > 0 else 0.0


def _text(body: dict[str, Any]) -> str:
    text = body.get("text")
    if not isinstance(text, str) or not text.strip():
        raise ControlError(400, "text is empty")
    if len(text) > _LONGEST_INPUT:
        raise ControlError(400, "too much text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ControlError(400, "text is no valid Unicode") from error
    return text


def _thread(chat: Chat, body: dict[str, Any]) -> int | None:
    given = body.get("thread_id")
    if given is None:
        return None
    if str(given) not in (chat.topics or {}):
        raise ControlError(404, "no such topic")
    return _whole(given, "thread_id")


def _parts(text: str) -> list[str]:
    """The text in pieces of at most 4096 characters, cut at line ends or spaces where possible."""
    parts: list[str] = []
    rest = text.strip()
    while len(rest) > _LONGEST_TEXT:
        window = rest[:_LONGEST_TEXT]
        cut = max(window.rfind("\n"), window.rfind(" "))
        cut = cut if cut > _LONGEST_TEXT // 2 else _LONGEST_TEXT
        parts.append(rest[:cut])
        rest = rest[cut:].strip()
    return [part for part in [*parts, rest] if part]


def _has_button(message: Message, data: str) -> bool:
    rows = message.markup["inline_keyboard"] if message.markup and message.sender_id == BOT else []
    return any(button.get("callback_data") == data for row in rows for button in row)
