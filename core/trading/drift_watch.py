"""What to do about drift: books and venue that disagree without an order to explain it.

It may be on its way to being explained, so it is looked at again for a minute before anyone acts; the word of a
simulated venue is definite at once. Then what differs may only be reduced, until a person has looked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.events import Events, StateChanged
from core.store.database import transaction
from core.trading.ledger import EXACT
from core.trading.reconcile import Drift
from core.trading.switch import TradingSwitch, instrument_scope
from risk.view import TradingState

GRACE = timedelta(seconds=60)


class DriftMemory:
    """Remembers since when each thing has differed. Pure but for its memory."""

    def __init__(self, grace: timedelta = GRACE) -> None:
        self._grace = grace
        self._since: dict[str, datetime] = {}
        self._acted: dict[str, Drift] = {}

    def seen(self, drifts: Sequence[Drift], at: datetime) -> tuple[list[Drift], list[Drift]]:
        """After one comparison: the drifts to act on now (once each), and those acted on that are gone."""
        keys = {drift.key for drift in drifts}
        self._since = {drift.key: self._since.get(drift.key, at) for drift in drifts}
        gone = [drift for key, drift in self._acted.items() if key not in keys]
        self._acted = {key: drift for key, drift in self._acted.items() if key in keys}
        ripe = [drift for drift in drifts if at - self._since[drift.key] >= self._grace and self._is_news(drift)]
        self._acted |= {drift.key: drift for drift in ripe}
        return ripe, gone

    def young_for(self, drifts: Sequence[Drift], at: datetime) -> timedelta:
        """How long it takes until all of these have differed long enough to be acted on."""
        since = (self._since.get(drift.key, at) for drift in drifts)
        return max((self._grace - (at - each) for each in since), default=timedelta(0))

    def _is_news(self, drift: Drift) -> bool:
        known = self._acted.get(drift.key)
        return known is None or known.id != drift.id


class DriftWatch:
    """Acts on drift: what differs may only be reduced, and everyone is told; also when it agrees again."""

    def __init__(
        self, account: str, switch: TradingSwitch, alerts: Alerts, events: Events, *, clock: Clock, grace: timedelta
    ) -> None:
        self._account = account
        self._switch = switch
        self._alerts = alerts
        self._events = events
        self._clock = clock
        self._memory = DriftMemory(grace)

    async def judge(self, drifts: Sequence[Drift]) -> None:
        """After one comparison."""
        ripe, gone = self._memory.seen(drifts, self._clock.now())
        for drift in ripe:
            await self._reduce(drift)
        for drift in gone:
            body = f"{drift.what} agrees again. The trading state stays as it is until an admin resumes."
            async with transaction():
                await self._alerts.add(Alert("drift", Severity.WARNING, f"No longer different: {drift.what}", body))
                await self._alerts.close(self._key(drift), f"{drift.what} agrees again")

    def young_for(self, drifts: Sequence[Drift]) -> timedelta:
        """How long these may still find an explanation by themselves; nothing or less: it is drift."""
        return self._memory.young_for(drifts, self._clock.now())

    async def restrict(self, symbol: str, reason: str) -> None:
        """This instrument may only be reduced from now on."""
        await self._set(instrument_scope(self._account, symbol), reason, None)

    def _key(self, drift: Drift) -> str:
        return f"drift:{self._account}/{drift.what}"

    async def _reduce(self, drift: Drift) -> None:
        scope = f"account:{self._account}" if drift.is_cash else instrument_scope(self._account, drift.what)
        whose = self._account if drift.is_cash else drift.what
        body = (
            f"{drift} ({_difference(drift)}). {whose} may only reduce positions until an admin resumes. "
            f"Compare with the venue's statement. If nothing explains it, an admin books it: /adjust {self._account}"
        )
        alert = Alert("drift", Severity.CRITICAL, f"Books and venue disagree: {drift.what}", body, key=self._key(drift))
        await self._set(scope, str(drift), alert)

    async def _set(self, scope: str, reason: str, alert: Alert | None) -> None:
        """Make a scope REDUCING, unless it is graver; the alert is stored with it."""

        async def tell() -> None:
            if alert is not None:
                await self._alerts.add(alert)

        if self._switch.state(scope) >= TradingState.REDUCING:
            await tell()
            return
        await self._switch.set(scope, TradingState.REDUCING, reason, "reconciliation", tell)
        await self._events.publish(StateChanged(self._clock.now(), scope, TradingState.REDUCING, reason))


def _difference(drift: Drift) -> str:
    """`1,000 more there`: what to look for in the venue's statement."""
    units = EXACT.subtract(drift.theirs, drift.ours)
    return f"{abs(units).normalize():,f} {'more' if units > 0 else 'less'} there"
