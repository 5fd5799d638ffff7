"""The other way in: Telegram calls us. The same rule holds: an update is stored before Telegram hears that we have it.

Nothing but a POST to our path with our secret is listened to, and nothing is answered that helps to guess. What cannot
be stored is answered with 503, and Telegram brings it again.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from telegram import Bot
from telegram.error import InvalidToken, TelegramError

from bot.intake import ALLOWED, NotStored, Raise, Storing
from bot.pacing import Sleep
from core.clock import Clock
from core.settings import TelegramWebhookSettings

if TYPE_CHECKING:
    import uvicorn
    from starlette.requests import Request
    from starlette.responses import Response

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a header's name
_LONGEST_BODY = 1024 * 1024
_LATE = timedelta(seconds=10)  # older than that when it comes in: more has piled up behind it
_MORE_WITHIN = 0.5
_SET_AGAIN = 30.0
_TURN = 5.0
_log = structlog.get_logger(__name__)


class Door:
    """Answers Telegram's calls. Presses carry no time, so here each of them is of unknown age."""

    def __init__(self, storing: Storing, secret: str, clock: Clock) -> None:
        self._storing = storing
        self._secret = secret.encode()
        self._clock = clock
        self._ever = False
        self._gathers_until = 0.0

    async def answer(self, request: Request) -> Response:
        """Take one update."""
        from starlette.responses import Response

        if not hmac.compare_digest(request.headers.get(SECRET_HEADER, "").encode(), self._secret):
            return Response(status_code=404)
        body = await _body(request)
        update = _update(body) if body is not None else None
        if update is None:
            return Response(status_code=413 if body is None else 400)
        try:
            await self._storing.take([update], doubtful=True, more_within=self._more_within(update))
        except NotStored as error:
            _log.critical("an update cannot be stored: Telegram keeps it", reason=str(error))
            return Response(status_code=503)
        self._ever = True
        return Response(status_code=200)

    def _more_within(self, update: Mapping[str, Any]) -> float:
        """After an outage the updates come one by one: whatever is not a halt waits for those behind it."""
        message = update.get("message")
        sent = message.get("date") if isinstance(message, dict) else None
        late = isinstance(sent, int) and self._clock.now().timestamp() - sent > _LATE.total_seconds()
        now = asyncio.get_running_loop().time()
        if late or not self._ever or now < self._gathers_until:
            self._gathers_until = now + _MORE_WITHIN
            return _MORE_WITHIN
        return 0


async def _body(request: Request) -> bytes | None:
    """All of it, or None if it is too long; no more than that is ever read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_BODY:
            return None
    return bytes(body)


def _update(body: bytes) -> Mapping[str, Any] | None:
    try:
        update = json.loads(body)
    except ValueError:
        return None
    is_one = isinstance(update, dict) and isinstance(update.get("update_id"), int)
    return update if is_one else None


class Webhook:
    """Listens, and has Telegram call us; takes the place of `Intake`."""

    def __init__(
        self,
        *,
        bot: Bot,
        settings: TelegramWebhookSettings,
        storing: Storing,
        clock: Clock,
        alert: Raise,
        named: Callable[[str], None] = lambda _: None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._bot = bot
        self._settings = settings
        self._door = Door(storing, settings.secret.get_secret_value(), clock)
        self._alert = alert
        self._named = named
        self._sleep = sleep
        self._trouble = ""
        self.on_turn: Callable[[], None] = _nothing  # told every few seconds for as long as we listen,
        self.on_answer: Callable[[], None] = _nothing  # and the same once Telegram knows where to call

    @property
    def trouble(self) -> str:
        """Why no commands come in at present; empty when all is well."""
        return self._trouble

    async def run(self) -> None:
        """Listen until cancelled. Telegram is told where, again and again until it has heard."""
        server, listening = _server(self._door, self._settings)
        serving = asyncio.ensure_future(server.serve([listening]))
        try:
            await self._call_us()
            while not serving.done():
                self.on_turn()
                self.on_answer()
                await asyncio.wait({serving}, timeout=_TURN)
            await serving
        finally:
            server.should_exit = True
            await asyncio.gather(serving, return_exceptions=True)
            listening.close()

    async def _call_us(self) -> None:
        while True:
            try:
                self._named((await self._bot.get_me()).username or "")
                await self.set()
            except InvalidToken:
                await self._refused()
            except TelegramError as error:
                self._trouble = "outage"
                _log.warning("Telegram does not know yet where to call", reason=error.message)
            else:
                self._trouble = ""
                return
            self.on_turn()
            await self._sleep(_SET_AGAIN)

    async def set(self) -> None:
        """Have Telegram call us, one update after another; what waits is not dropped. Raises `TelegramError`."""
        await self._bot.set_webhook(
            self._settings.url,
            secret_token=self._settings.secret.get_secret_value(),
            max_connections=1,
            allowed_updates=ALLOWED,
            drop_pending_updates=False,
        )

    async def _refused(self) -> None:
        if self._trouble != "token":
            self._trouble = "token"
            await self._alert("telegram token refused", "Telegram refuses the bot token. Nobody can command by chat.")


def _server(door: Door, settings: TelegramWebhookSettings) -> tuple[uvicorn.Server, socket.socket]:
    """A listener in our own loop; signals and logs belong to the program."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Route

    class Server(uvicorn.Server):
        """Leaves signals alone."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Those belong to the program."""
            yield

    app = Starlette(routes=[Route(settings.path, door.answer, methods=["POST"])])
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=2,
        limit_concurrency=16,
    )
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError:
        listening.close()
        raise
    return Server(config), listening


def _nothing() -> None:
    """Nobody wants to know."""
