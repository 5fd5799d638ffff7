"""The server as a whole: one object that starts and stops."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from bot.sandbox.server import model
from bot.sandbox.server.api import BotApi, failure
from bot.sandbox.server.control import Control, ControlError, refusal
from bot.sandbox.server.errors import ApiError, PortInUseError
from bot.sandbox.server.faults import Faults
from bot.sandbox.server.files import Files
from bot.sandbox.server.groups import Groups
from bot.sandbox.server.guard import Guard
from bot.sandbox.server.history import History
from bot.sandbox.server.limits import Limits
from bot.sandbox.server.listener import Listener
from bot.sandbox.server.world import World

_BOT_ID = 7_000_000_001
_PAGE = Path(__file__).parent / "page"
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class SandboxServer:
    """Telegram's Bot API and a chat page on this computer, for one bot.

    Everything is kept in `data_dir` and survives a restart. `port` 0 takes a free port. `token` is made
    anew for each object unless one is given. Times come from `clock`, in Unix seconds.
    """

    admin = model.ADMIN
    trader = model.TRADER
    viewer = model.VIEWER
    stranger = model.STRANGER
    users = model.USERS

    def __init__(
        self,
        *,
        data_dir: Path,
        host: str = "127.0.0.1",
        port: int = 8765,
        token: str | None = None,
        bot_name: str = "Quarterdeck",
        bot_username: str = "quarterdeck_sandbox_bot",
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.host = host
        self.port = port
        self.faults = Faults()
        self.limits = limits or Limits()
        self._data_dir = data_dir
        self._clock = clock
        self._names = (bot_name, bot_username)
        self.token = token or f"{_BOT_ID}:{secrets.token_urlsafe(27)[:35]}"
        self._world: World | None = None
        self._listener: Listener | None = None
        self._sending: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where the chat page is."""
        return f"http://{self.host}:{self.port}"

    @property
    def bot_base_url(self) -> str:
        """What a Bot API client puts before the token."""
        return f"{self.url}/bot"

    @property
    def file_base_url(self) -> str:
        """What a Bot API client puts before the token to download files."""
        return f"{self.url}/file/bot"

    @property
    def world(self) -> World:
        """The running sandbox's state; raises `RuntimeError` before `start`."""
        if self._world is None:
            raise RuntimeError("the sandbox has not been started")
        return self._world

    @property
    def groups(self) -> Groups:
        """What people do to groups."""
        return Groups(self.world)

    async def start(self) -> None:
        """Listen and serve in the running loop; raises `PortInUse`."""
        listening = _bind(self.host, self.port)
        self.port = listening.getsockname()[1]
        history = History(self._data_dir / "telegram-sandbox.sqlite3")
        bot = model.Bot(int(self.token.partition(":")[0]), *self._names)
        files = Files(self._data_dir / "telegram-sandbox-files", history)
        self._world = World(
            history, files, bot, limits=self.limits, faults=self.faults, clock=self._clock
        )  # fmt: skip
        self._listener = Listener()
        app = Guard(self._application(self._world, self._listener.abort), lambda: self.port)
        await self._listener.start(app, listening)
        self._sending = asyncio.create_task(self._world.webhook.run(), name="sandbox-webhook")

    async def stop(self) -> None:
        """Answer what waits, close connections and files."""
        if self._world is None or self._listener is None:
            return
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        self._world.updates.closing = True
        for bell in (self._world.events_bell, self._world.answers_bell):
            bell.ring()
        self._world.updates.wake()
        await self._listener.stop()
        self._world.history.close()
        self._world = self._listener = None

    def _application(self, world: World, abort: Callable[[Request], None]) -> Starlette:
        api, control = BotApi(world, self.token, abort), Control(world)
        both = ["GET", "POST"]
        routes = [
            Route("/bot{token}/{method}", api.call, methods=both),
            Route("/file/bot{token}/{path:path}", api.download),
            Route("/sandbox/state", control.state),
            Route("/sandbox/messages", control.send, methods=["POST"]),
            Route("/sandbox/presses", control.press, methods=["POST"]),
            Route("/sandbox/events", control.events),
            Route("/sandbox/typing", control.typing),
            Route("/sandbox/files/{unique_id}/{name}", control.file),
            Route("/", _page("index.html")),
            *(Route(f"/{path.name}", _page(path.name)) for path in _PAGE.iterdir() if path.suffix in _KINDS),
        ]
        return Starlette(routes=routes, exception_handlers={ControlError: refusal, Exception: _broken})


def _broken(_: Request, __: Exception) -> Response:
    """A defect of the sandbox, in the Bot API's form; the traceback goes to the log."""
    return failure(ApiError(500, "Internal Server Error"))


def _page(name: str) -> Callable[[Request], Response]:
    def serve(_: Request) -> Response:
        return FileResponse(_PAGE / name, media_type=_KINDS[Path(name).suffix], headers={"Cache-Control": "no-cache"})

    return serve


def _bind(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise PortInUseError(port) from error
    listening.setblocking(False)
    return listening
