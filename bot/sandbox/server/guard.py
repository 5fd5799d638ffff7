"""Keeping other web pages out: only requests addressed to this computer by its own page or by programs."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; "
    "script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """Refuses foreign hosts and origins, adds protective headers. `port` is asked at every request."""

    def __init__(self, app: ASGIApp, port: Callable[[], int]) -> None:
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refusal(scope)

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await (refused or self._app)(scope, receive, protected)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        names = {f"{name}:{self._port()}" for name in ("127.0.0.1", "localhost", "[::1]")}
        if headers.get("host", "").lower() not in names:
            return JSONResponse({"error": "unknown host"}, 421)
        if not scope["path"].startswith("/sandbox/"):
            return None
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in {f"http://{name}" for name in names}:
            return JSONResponse({"error": "requests from other pages are refused"}, 403)
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return JSONResponse({"error": "requests from other pages are refused"}, 403)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if scope["method"] == "POST" and kind != "application/json":
            return JSONResponse({"error": "Content-Type must be application/json"}, 415)
        return None
