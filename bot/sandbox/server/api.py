"""The Bot API over HTTP: `/bot<token>/<method>` and `/file/bot<token>/<path>`."""

from __future__ import annotations

import asyncio
import hmac
import inspect
import json
import re
from collections.abc import Callable
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response

from bot.sandbox.server.errors import ApiError, bad_request
from bot.sandbox.server.faults import Fault
from bot.sandbox.server.methods import METHODS, Call
from bot.sandbox.server.params import Params, Upload
from bot.sandbox.server.world import World

_TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]{3,}")
_LONGEST_BODY = 55 * 1024 * 1024
_MOST_FIELDS = 1000
_LONGEST_FIELD = 2 * 1024 * 1024
Abort = Callable[[Request], None]


def failure(error: ApiError) -> JSONResponse:
    """An error in the Bot API's form."""
    body: dict[str, Any] = {"ok": False, "error_code": error.code, "description": error.description}
    if error.retry_after is not None:
        body["parameters"] = {"retry_after": error.retry_after}
    if error.moved_to is not None:
        body["parameters"] = {"migrate_to_chat_id": error.moved_to}
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else None
    return JSONResponse(body, error.code, headers)


class BotApi:
    """Answers the bot's calls; `abort` cuts a request's connection."""

    def __init__(self, world: World, token: str, abort: Abort) -> None:
        self._world = world
        self._token = token
        self._abort = abort

    async def call(self, request: Request) -> Response:
        """Run one method."""
        if self._world.faults.down:
            return self._cut(request)
        try:
            self._check_token(request.path_params["token"])
            return await self._run(request, request.path_params["method"].lower())
        except ApiError as error:
            return failure(error)
        except ClientDisconnect:  # the bot went away in the middle of its request: there is nobody to answer
            return Response(status_code=400)

    async def _run(self, request: Request, name: str) -> Response:
        if name not in METHODS:
            raise ApiError(404, "Not Found")
        params = await read_params(request)
        fault = self._world.faults.take(name)
        if fault is not None:
            await asyncio.sleep(fault.delay)
            if not fault.after:
                if fault.drop:
                    return self._cut(request)
                if fault.body is not None:
                    return Response(fault.body, fault.status, media_type=fault.media_type)
                _fail(fault)
        result = METHODS[name](Call(self._world, params))
        if inspect.isawaitable(result):
            result = await result
        if fault is not None and fault.drop:
            return self._cut(request)
        return JSONResponse({"ok": True, "result": result})

    async def download(self, request: Request) -> Response:
        """A file by the path that `getFile` told."""
        if self._world.faults.down:
            return self._cut(request)
        try:
            self._check_token(request.path_params["token"])
        except ApiError as error:
            return failure(error)
        file = self._world.files.by_path(request.path_params["path"])
        if file is None:
            return failure(ApiError(404, "Not Found"))
        return FileResponse(self._world.files.location(file), media_type="application/octet-stream")

    def _check_token(self, token: str) -> None:
        if not _TOKEN.fullmatch(token):
            raise ApiError(404, "Not Found")
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            raise ApiError(401, "Unauthorized")

    def _cut(self, request: Request) -> Response:
        self._abort(request)
        return Response(status_code=502)


def _fail(fault: Fault) -> None:
    if fault.status != 200:
        raise ApiError(fault.status, fault.description, retry_after=fault.retry_after)


async def read_params(request: Request) -> Params:
    """All parameters of a call, from the query, a form, a multipart body or a JSON body."""
    params = Params(dict(request.query_params))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if int(request.headers.get("content-length") or 0) > _LONGEST_BODY:
        raise ApiError(413, "Request Entity Too Large")
    if kind == "application/json":
        params.values |= _json_body(await request.body())
    elif kind in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        await _read_form(request, params)
    return params


def _json_body(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body or b"{}")
    except ValueError as error:
        raise bad_request("can't parse JSON object") from error
    if not isinstance(values, dict):
        raise bad_request("can't parse JSON object")
    return values


async def _read_form(request: Request, params: Params) -> None:
    form = request.form(max_files=_MOST_FIELDS, max_fields=_MOST_FIELDS, max_part_size=_LONGEST_FIELD)
    async with form as fields:
        for name, value in fields.multi_items():
            if isinstance(value, UploadFile):
                params.uploads[name] = Upload(value.filename or "file", await value.read())
            else:
                params.values[name] = value
