"""Keeps to a venue's rate limits: counts every request that ccxt sends, and obeys what the venue answers.

ccxt knows what each request costs; it asks before each one (`throttle`), and shows every response
(`on_rest_response`). Whatever a response says of what is used up or of silence that is wanted counts for all
accounts of this process at that venue, for a venue counts by address.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Hashable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from brokers.ccxt.kept_ban import KeptBan
from brokers.errors import Unavailable
from brokers.resilience.ban import Ban
from brokers.resilience.budget import Budget
from brokers.resilience.ticks import Ticks, ticks
from brokers.urgency import is_urgent

URGENT = frozenset({"cancel", "timer"})
"""Kinds of calls that may use the reserve and pass an open breaker; so may what is urgent (`brokers.urgency`)."""

_ORDERING = frozenset({"place", "modify"})
_PATIENCE = 5.0  # seconds that a request may wait for room: an older one is not what was wanted any more
_LONGEST_BAN = 3 * 86_400.0  # no venue bans for longer
_LONGEST_PAUSE = 30.0  # what stands in the way, or is out of order, may say anything: it is asked again by then
_SHORTEST_IP_BAN = 120.0
_IS_BANNED, _IS_TOO_FAST, _MAY_DEMAND = 418, 429, frozenset({403, 418, 429, 503})
_UNTIL = re.compile(r"banned until (\d{13})")

_kind: ContextVar[str] = ContextVar("kind of request", default="query")


@dataclass(frozen=True, slots=True)
class Window:
    """At most `count` (in what ccxt says that requests cost, or in orders) in `seconds`.

    `headers`: in which headers the venue tells how much is used, and of how many.
    """

    count: float
    seconds: float
    headers: Mapping[str, float] = field(default_factory=dict)

    def budget(self, reserve: float, ticks: Ticks) -> Budget:
        """A budget of this size."""
        return Budget(self.count, self.seconds, reserve, ticks)


@dataclass(frozen=True, slots=True)
class Rates:
    """A venue's limits: of all requests from one address, and of the orders of one account.

    `orders_full`: how a refusal says that it was only of the orders that there were too many.
    """

    requests: tuple[Window, ...]
    orders: tuple[Window, ...] = ()
    orders_full: re.Pattern[str] | None = None

    @classmethod
    def of(cls, exchange: Any) -> Rates:
        """What ccxt says of a venue: milliseconds for a request of cost one."""
        each = float(exchange.rateLimit) / 1000
        seconds = max(1.0, each)
        return cls((Window(seconds / each, seconds),))


_TOO_MANY_ORDERS = re.compile(r'"code"\s*:\s*-1015\b')
# What ccxt says that a request costs is a fifth of its weight on spot and margin, and its weight on futures.
BINANCE_SPOT = Rates(
    requests=(Window(1200, 60, {"x-mbx-used-weight-1m": 6000, "x-sapi-used-ip-weight-1m": 12_000}),),
    orders=(
        Window(100, 10, {"x-mbx-order-count-10s": 100}),
        Window(200_000, 86_400, {"x-mbx-order-count-1d": 200_000}),
    ),
    orders_full=_TOO_MANY_ORDERS,
)
BINANCE_FUTURES = Rates(
    requests=(Window(2400, 60, {"x-mbx-used-weight-1m": 2400}),),
    orders=(
        Window(300, 10, {"x-mbx-order-count-10s": 300}),
        Window(1200, 60, {"x-mbx-order-count-1m": 1200}),
    ),
    orders_full=_TOO_MANY_ORDERS,
)


class _Common:
    """What all accounts at one venue share."""

    def __init__(self, rates: Rates, reserve: float, ticks: Ticks) -> None:
        self.budgets = [(each, each.budget(reserve, ticks)) for each in rates.requests]
        self.ban = Ban(ticks)


# For as long as the process lives: who disconnects because of a ban must still know of it when connecting again.
_shared: dict[Hashable, _Common] = {}


class Limits:
    """The limits that one account must keep to.

    `share` names the venue (and the way to it): accounts with the same name share its budget and its bans.
    `reserve` (0 to 1) is the part of it that only cancels may use. `kept` is where a long ban outlives the process.
    """

    def __init__(
        self,
        rates: Rates,
        *,
        now: Callable[[], datetime],
        reserve: float = 0.2,
        share: Hashable | None = None,
        kept: KeptBan | None = None,
        ticks: Ticks = ticks,
    ) -> None:
        self._now = now
        self._kept = kept
        self._ticks = ticks
        common = None if share is None else _shared.get(share)
        self._common = common or _Common(rates, reserve, ticks)
        if share is not None:
            _shared[share] = self._common
        # Nothing is kept back of the orders: whatever closes a position is one of them.
        self._orders = [(each, each.budget(0.0, ticks)) for each in rates.orders]
        self._orders_full = rates.orders_full
        if kept is not None:
            self._common.ban.demanded(kept.seconds_left(now()))

    def attach(self, exchange: Any) -> None:
        """Have every request of `exchange` counted, and every response heard."""
        pass_on = exchange.on_rest_response

        def on_rest_response(code: int, reason: str, url: str, method: str, headers: Any, body: Any, *rest: Any) -> Any:
            self.heard(code, headers, body if isinstance(body, str) else "")
            return pass_on(code, reason, url, method, headers, body, *rest)

        exchange.throttle = self.throttle
        exchange.on_rest_response = on_rest_response

    @property
    def used(self) -> float:
        """The part that is used of whichever limit is the nearest, 0 to 1."""
        return max(budget.used for _, budget in [*self._common.budgets, *self._orders])

    @property
    def banned_until(self) -> datetime | None:
        """Until when the venue wants to hear nothing; None if it listens."""
        left = self._common.ban.seconds_left
        return self._now() + timedelta(seconds=left) if left else None

    def turn(self, kind: str) -> _Turn:
        """Around a call: its requests count as of this kind. Raises `Unavailable` when nothing may be sent."""
        return _Turn(self, kind)

    async def admit(self, kind: str) -> None:
        """Wait until a call of this kind may begin. Raises `Unavailable`."""
        orders = [budget for _, budget in self._orders] if kind in _ORDERING else []
        await self._spend(orders, 1.0, urgent=True)

    async def throttle(self, cost: float | None = None) -> None:
        """Wait until a request may go. Raises `Unavailable` if that takes too long, or nothing may be sent."""
        budgets = [budget for _, budget in self._common.budgets]
        urgent = _kind.get() in URGENT or is_urgent()
        await self._spend(budgets, 1.0 if cost is None else float(cost), urgent=urgent)

    def heard(self, status: int, headers: Mapping[str, str] | None, body: str = "") -> None:
        """What a response says of limits; ccxt shows each of them, so nobody else needs to."""
        said = {name.lower(): value for name, value in (headers or {}).items()}
        for window, budget in [*self._common.budgets, *self._orders]:
            for name, limit in window.headers.items():
                if (used := _number(said.get(name, ""))) is not None:
                    budget.heard(window.count * used / limit)
        if self._is_of_orders(status, body):
            self._hold_orders(self._demanded(said, body))
        else:
            self._obey(status, said, body)

    def refused(self, status: int = 0, body: str = "") -> None:
        """The venue has said "too fast" in its own words, without a status that says so."""
        if not self._is_of_orders(status, body):
            self._common.ban.too_fast()

    def _is_of_orders(self, status: int, body: str) -> bool:
        """Whether the venue only takes no more new orders of this account: it still cancels, and answers."""
        return status >= 400 and self._orders_full is not None and bool(self._orders_full.search(body))

    def _hold_orders(self, seconds: float | None) -> None:
        window, budget = min(self._orders, key=lambda each: each[0].seconds)
        budget.full(min(seconds, _LONGEST_BAN) if seconds and seconds > 0 else window.seconds)

    def _obey(self, status: int, said: Mapping[str, str], body: str) -> None:
        ban = self._common.ban
        seconds = self._demanded(said, body) if status in _MAY_DEMAND else None
        if status == _IS_BANNED and (seconds is None or seconds <= 0):
            seconds = _SHORTEST_IP_BAN
        is_ban = status in (_IS_BANNED, _IS_TOO_FAST)
        if seconds is not None and (seconds > 0 or status != _IS_TOO_FAST):
            ban.demanded(min(seconds, _LONGEST_BAN if is_ban else _LONGEST_PAUSE))
            if is_ban:
                self._keep()
        elif status == _IS_TOO_FAST:
            ban.too_fast()
        elif status < 300:
            ban.content()

    def _keep(self) -> None:
        until = self.banned_until
        if self._kept is not None and until is not None:
            self._kept.keep(until, self._now())

    def _demanded(self, said: Mapping[str, str], body: str) -> float | None:
        """For how long the venue wants silence; None if it does not say. Its moments are moments of its own clock."""
        now = _date(said.get("date", "")) or self._now()
        given = said.get("retry-after", "").strip()
        if (seconds := _number(given)) is not None:
            return seconds
        if until := _UNTIL.search(body):
            return int(until[1]) / 1000 - now.timestamp()
        return None if (moment := _date(given)) is None else (moment - now).total_seconds()

    def _check_ban(self) -> None:
        if until := self.banned_until:
            when = f"{until:%H:%M:%S}" if until.date() == self._now().date() else f"{until:%Y-%m-%d %H:%M:%S}"
            raise Unavailable(f"the venue wants no requests until {when} UTC: there were too many")

    async def _spend(self, budgets: list[Budget], cost: float, *, urgent: bool) -> None:
        began = self._ticks()
        while True:
            self._check_ban()
            seconds = max([each.wait(cost, urgent=urgent) for each in budgets], default=0.0)
            if not seconds:
                break
            if self._ticks() + seconds > began + _PATIENCE:
                raise Unavailable(
                    f"our part of the venue's rate limit is used up; there is room again in {seconds:.0f} s"
                )
            await asyncio.sleep(seconds)
        for each in budgets:
            each.spend(cost)


class _Turn:
    """A call that counts."""

    def __init__(self, limits: Limits, kind: str) -> None:
        self._limits = limits
        self._of = kind
        self._before: Token[str]

    async def __aenter__(self) -> None:
        await self._limits.admit(self._of)
        self._before = _kind.set(self._of)

    async def __aexit__(self, *error: object) -> None:
        _kind.reset(self._before)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text.strip()) else None


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
