"""A running sandbox, and clients of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import telegram

from bot.sandbox.server import ADMIN, Limits, SandboxServer
from tests.bot.sandbox.clients import Person, exact_bot


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[SandboxServer]:
    server = SandboxServer(data_dir=tmp_path, port=0, limits=Limits.relaxed())
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def bot(server: SandboxServer) -> AsyncIterator[telegram.Bot]:
    async with exact_bot(server) as bot:
        yield bot


@pytest.fixture
async def http(server: SandboxServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture
async def ada(http: httpx.AsyncClient) -> Person:
    return Person(http, ADMIN.id)


@pytest.fixture
def in_thread():
    return asyncio.to_thread
