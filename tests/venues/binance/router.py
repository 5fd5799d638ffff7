"""Calls and routes: what a request is once it is understood, and who answers it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.venues.binance import errors
from tests.venues.binance.faults import Plan
from tests.venues.binance.hosts import Place
from tests.venues.binance.keys import Key

NONE, KEY_ONLY = "none", "key"
"""Securities besides a permission of `keys`: nobody is asked; only a key, without signature."""

_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?\Z")


@dataclass(slots=True)
class Call:
    """A request that has passed the door. `plan` is a fault that its handler must play (`HANDLER` in `faults`)."""

    method: str
    path: str
    place: Place
    params: Mapping[str, str]
    key: Key | None = None
    plan: Plan | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def route(self) -> str:
        """As faults and the journal name it."""
        return f"{self.method} {self.path}"

    def text(self, name: str, usual: str | None = None) -> str:
        """A parameter. Raises -1102 when it is not there and has no usual value."""
        value = self.params.get(name) or usual
        if value is None:
            raise errors.missing(name)
        return value

    def number(self, name: str) -> Decimal | None:
        """A decimal parameter, None when it is not there. Raises -1100 for what is no plain number."""
        value = self.params.get(name)
        if not value:
            return None
        if not _NUMBER.match(value):
            raise errors.illegal(name)
        return Decimal(value)

    def needed(self, name: str) -> Decimal:
        """A decimal parameter that must be there."""
        value = self.number(name)
        if value is None:
            raise errors.missing(name)
        return value

    def integer(self, name: str, usual: int | None = None) -> int | None:
        """A whole number."""
        value = self.params.get(name)
        if not value:
            return usual
        if not value.isdigit():
            raise errors.illegal(name)
        return int(value)

    def plays(self, fault: str) -> Plan | None:
        """The plan, if its fault is this one."""
        return self.plan if self.plan is not None and self.plan.fault == fault else None


Handler = Callable[[Call], Any]
Weight = int | Callable[[Call], int]


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers `METHOD /path`. `security` is `NONE`, `KEY_ONLY` or a permission, which needs a signature.

    `orders`: counts as a new order in the order limits.
    """

    method: str
    path: str
    handler: Handler
    security: str = NONE
    weight: Weight = 1
    orders: bool = False

    def weighs(self, call: Call) -> int:
        """The request weight of a call."""
        return self.weight if isinstance(self.weight, int) else self.weight(call)


class Router:
    """Routes by method and path."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], Route] = {}

    def add(self, *routes: Route) -> None:
        """Let these answer."""
        for route in routes:
            self._routes[route.method, route.path] = route

    def find(self, method: str, path: str) -> Route | None:
        """Who answers, if anybody."""
        return self._routes.get((method, path))
