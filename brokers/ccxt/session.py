"""The one HTTP session of an account: through it go all requests and all streams."""

from __future__ import annotations

import ssl
from functools import cache
from typing import TYPE_CHECKING

from brokers.network import Network

if TYPE_CHECKING:
    import aiohttp

_KEPT_OPEN = 75.0  # seconds that an idle connection is kept: an order should not wait for a handshake


def open_session(network: Network) -> aiohttp.ClientSession:
    """A session that resolves names and believes certificates as `network` says; whoever opens it closes it."""
    import aiohttp

    from brokers.ccxt.connector import Connector, stay

    connector = Connector(
        resolver=network.resolver, ssl=ssl_of(network), keepalive_timeout=_KEPT_OPEN, ttl_dns_cache=60
    )
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), middlewares=(stay,))
    # aiohttp would send a cancel or a change again by itself when a kept connection breaks; it has no public switch.
    session._retry_connection = False  # noqa: SLF001
    return session


def ssl_of(network: Network) -> ssl.SSLContext:
    """The certificates that count there: those of `network`, else the system's."""
    return network.ssl or _of_the_system()


@cache
def _of_the_system() -> ssl.SSLContext:
    """Reading them takes a tenth of a second: once, and not where everybody waits (`Client.start`)."""
    return ssl.create_default_context()
