"""The way out to real venues: how names are resolved, and whose certificates are believed."""

from __future__ import annotations

from dataclasses import dataclass
from ssl import SSLContext
from typing import Any


@dataclass(frozen=True, slots=True)
class Network:
    """`resolver` is an aiohttp resolver and `ssl` a context of trusted certificates; None is the system's.

    Tests point both at a server of their own, and a venue's real addresses stay as they are.
    """

    resolver: Any = None
    ssl: SSLContext | None = None


OPEN = Network()
