"""The way to a venue server: every name of the Internet leads to one port of this machine, a test CA signs for it.

A client keeps the venue's production addresses; only the resolver and the trusted certificates are swapped, by
`brokers.network.Network`. So nothing can leak to the real venue, and ccxt's rules about addresses hold.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

from brokers.network import Network

HOST = "127.0.0.1"


class Loopback(AbstractResolver):
    """Resolves every name to one port of this machine, whatever port was asked for."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The same answer for every name."""
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [ResolveResult(hostname=host, host=HOST, port=self.port, family=socket.AF_INET, proto=0, flags=numeric)]

    async def close(self) -> None:
        """Nothing is held."""


@cache
def authority() -> trustme.CA:
    """The test CA of this process; making keys takes time, so there is one."""
    return trustme.CA()


@cache
def server_context(names: tuple[str, ...]) -> ssl.SSLContext:
    """TLS for a server that goes by `names`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(*names).configure_cert(context)
    return context


@cache
def client_context(ca_pem: str) -> ssl.SSLContext:
    """TLS for a client that believes one CA and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca_pem)
    return context


def ca_pem() -> str:
    """The certificate of the test CA, for clients in other processes."""
    return authority().cert_pem.bytes().decode()


def network(port: int, pem: str | None = None) -> Network:
    """The way to a server on `port`; `pem` is its CA's certificate if it runs in another process."""
    return Network(resolver=Loopback(port), ssl=client_context(ca_pem() if pem is None else pem))


def network_of(folder: Path) -> Network:
    """The way to the server of another process, from the files `port` and `ca.pem` that it wrote."""
    return network(int((folder / "port").read_text()), (folder / "ca.pem").read_text())


def wildcards(domains: Iterable[str]) -> tuple[str, ...]:
    """Each domain and every name right under it."""
    return tuple(name for domain in domains for name in (domain, f"*.{domain}"))
