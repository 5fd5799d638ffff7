"""Rate limits: weight by minute and address, orders by ten seconds and day; 429, and a ban (418) for who does not listen."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.venues.binance.clock import VenueClock
from tests.venues.binance.errors import Refusal

MINUTE, TEN_SECONDS, DAY = 60_000, 10_000, 86_400_000
BAN_SECONDS = 120


@dataclass(slots=True)
class Window:
    """A counter that begins anew with each interval of the venue's clock.

    An interval begins with what is counted first, not on the minute: no test runs into the turn of one by chance.
    """

    interval: int
    limit: int
    began: int = 0
    count: int = 0

    def add(self, now: int, amount: int) -> int:
        """Count `amount`; the count of this interval."""
        if now - self.began >= self.interval:
            self.began, self.count = now, 0
        self.count += amount
        return self.count

    def left_ms(self, now: int) -> int:
        """Until the next interval."""
        return max(self.began + self.interval - now, 1)

    @property
    def is_over(self) -> bool:
        """Whether more was used than there is."""
        return self.count > self.limit


@dataclass(slots=True)
class Budget:
    """The limits of one product."""

    weight: Window
    orders_10s: Window
    orders_1d: Window


def _budget(weight: int, ten: int, day: int) -> Budget:
    return Budget(Window(MINUTE, weight), Window(TEN_SECONDS, ten), Window(DAY, day))


@dataclass(slots=True)
class Stop:
    """Nothing is answered until `until` (the venue's clock)."""

    status: int
    until: int
    ignored: int = 0


@dataclass(slots=True)
class Limits:
    """By product ("api" with its sapi, "fapi", …). `patience`: so many requests during a 429, and the address is banned."""

    clock: VenueClock
    patience: int = 10
    budgets: dict[str, Budget] = field(
        default_factory=lambda: {"api": _budget(6000, 100, 200_000), "fapi": _budget(2400, 300, 200_000)}
    )
    stops: dict[str, Stop] = field(default_factory=dict)

    def of(self, site: str) -> Budget:
        """The limits of a product."""
        return self.budgets.setdefault(site, _budget(6000, 100, 200_000))

    def stop(self, site: str, seconds: float, status: int) -> Refusal:
        """Refuse everything (429) or ban the address (418) from now on, for `seconds`."""
        self.stops[site] = Stop(status, self.clock.now_ms() + round(seconds * 1000))
        return self._refusal(site, self.stops[site])

    def charge(self, site: str, weight: int) -> dict[str, str]:
        """Count a request; its headers. Raises 429 or 418."""
        now, budget = self.clock.now_ms(), self.of(site)
        used = budget.weight.add(now, weight)
        self._look(site, now)
        if budget.weight.is_over:
            raise self.stop(site, budget.weight.left_ms(now) / 1000, 429)
        return {"X-MBX-USED-WEIGHT": str(used), "X-MBX-USED-WEIGHT-1M": str(used)}

    def charge_order(self, site: str) -> dict[str, str]:
        """Count an order; its headers. Raises -1015."""
        now, budget = self.clock.now_ms(), self.of(site)
        short, long = budget.orders_10s.add(now, 1), budget.orders_1d.add(now, 1)
        if budget.orders_10s.is_over or budget.orders_1d.is_over:
            window, name = (budget.orders_10s, "10 SECOND") if budget.orders_10s.is_over else (budget.orders_1d, "DAY")
            after = str(-(-window.left_ms(now) // 1000))
            text = f"Too many new orders; current limit is {window.limit} orders per {name}."
            raise Refusal(-1015, text, status=429, headers={"Retry-After": after})
        return {"X-MBX-ORDER-COUNT-10S": str(short), "X-MBX-ORDER-COUNT-1D": str(long)}

    def _look(self, site: str, now: int) -> None:
        stop = self.stops.get(site)
        if stop is None:
            return
        if now >= stop.until:
            del self.stops[site]
            return
        stop.ignored += 1
        if stop.status == 429 and stop.ignored > self.patience:
            raise self.stop(site, BAN_SECONDS, 418)
        raise self._refusal(site, stop)

    def _refusal(self, site: str, stop: Stop) -> Refusal:
        left = max(stop.until - self.clock.now_ms(), 0)
        headers = {"Retry-After": str(-(-left // 1000))}
        if stop.status == 418:
            text = f"Way too much request weight used; IP banned until {stop.until}. Please use WebSocket Streams for live updates to avoid bans."
        else:
            limit = self.of(site).weight.limit
            text = f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."
        return Refusal(-1003, text, status=stop.status, headers=headers)
