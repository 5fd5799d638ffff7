"""What happens to alerts by the clock: unanswered ones are repeated, stuck ones take another way, mutes end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from core.access.audit import Audit
from core.access.roles import SYSTEM
from core.alerts.channel import Severity, Status
from core.alerts.escalation import detour
from core.alerts.mutes import told_scope
from core.alerts.outbox import Alert, Alerts
from core.alerts.routing import Place
from core.clock import Clock
from core.store import alert_life
from core.store.alerts import deliveries_of, find_alert, release, was_told
from core.store.database import transaction
from core.store.models import AlertRow, DeliveryRow, MuteRow
from core.store.mutes import kept_back

_LOOK_SECONDS = 1.0
# A CRITICAL alert that a channel has not taken for so long goes another way, whatever the channel says of later.
PATIENCE = timedelta(seconds=5)
_LATELY = timedelta(hours=1)
_TELL_AGAIN = timedelta(days=1)


class AlertWatch:
    """Looks every second. All that it knows is in the database: a restart changes nothing."""

    def __init__(
        self, alerts: Alerts, audit: Audit, clock: Clock, causes: Sequence[Callable[[], Awaitable[None]]] = ()
    ) -> None:
        self._alerts = alerts
        self._audit = audit
        self._clock = clock
        self._causes = causes  # looked at as often: they raise alerts, and close them
        self.account_of: Callable[[str], str] = _account  # whose news the end of a mute is, by its scope

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Do what is due now."""
        for look in self._causes:
            await look()
        await self._repeat()
        await self._see_to_what_is_stuck()
        for row in self._alerts.mutes.over(self._clock.now()):
            await self.end_mute(row, SYSTEM.name)

    async def _repeat(self) -> None:
        """Take the next step of every open alert that is due; those that were snoozed come back."""
        now, ladder = self._clock.now(), self._alerts.rules.ladder
        for row in await alert_life.due(now):
            snoozer = (row.answered_id,) if row.status == Status.SNOOZED.value else ()
            places = ladder.places(row.step + 1, self._alerts.listeners, row.account, *snoozer)
            if await alert_life.repeat(row, places, now, ladder.next_at(row.step + 1, now)):
                self._alerts.waiting.set()

    async def _see_to_what_is_stuck(self) -> None:
        """Another way for CRITICAL alerts that do not get through; who cannot be reached at all is told of."""
        for row in await alert_life.not_through(self._clock.now(), PATIENCE, _LATELY):
            alert = await find_alert(row.alert_id)
            open_ = alert is not None and alert.status == Status.OPEN.value
            places = await self._detour(row, alert) if alert is not None and open_ else []
            await alert_life.see_to(row, alert if open_ else None, places, self._clock.now())
            if row.status == "refused":
                await self._tell_of_refusal(row)
            self._alerts.waiting.set()

    async def _detour(self, stuck: DeliveryRow, alert: AlertRow) -> list[Place]:
        listeners = self._alerts.listeners
        if not any(each.id == stuck.person and each.may_answer(alert.account) for each in listeners):
            return []  # the house, a group, or somebody who only looks on: those who can answer are told as well
        others = [each for each in await deliveries_of([alert.id]) if each.id != stuck.id]
        tried = [Place(each.person, each.channel, each.recipient) for each in (*others, stuck)]
        return detour(tried, listeners, alert.account, self._alerts.rules.ladder)

    async def _tell_of_refusal(self, row: DeliveryRow) -> None:
        """Once a day: somebody must know that alerts do not arrive there."""
        await self.lost(row.channel, row.recipient, row.note)

    async def lost(self, channel: str, recipient: str, why: str) -> None:
        """Tell the others that somebody cannot be reached there; once a day."""
        key = f"unreachable:{channel}:{recipient}"
        if await was_told(key, self._clock.now(), _TELL_AGAIN):
            return
        listeners = self._alerts.listeners
        name = next((each.actor.name for each in listeners if (channel, recipient) in each.addresses), recipient)
        body = f"{why[:200]}\nAlerts for {name} no longer arrive there."
        await self._alerts.add(
            Alert("unreachable", Severity.WARNING, f"{name} cannot be reached by {channel}", body, key=key)
        )

    async def end_mute(self, row: MuteRow, by: str) -> bool:
        """End a mute or a window, and tell what it has kept back. False if it has ended already."""
        now, mutes = self._clock.now(), self._alerts.mutes
        async with transaction():
            if not await mutes.end(row, by, now):
                return False
            await release(row.ends_at, row.id, now)
            kinds = await kept_back(row.id)
            told = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
            detail = f"#{row.id} {told_scope(row)}: kept back {told or 'nothing'}"
            await self._audit.record(by, f"end {row.sort}", detail)
            title = f"Over: {row.sort} of {told_scope(row).removeprefix('maintenance of ')}"
            body = f"It kept back {kinds.total()} alerts{f': {told}' if told else ''}.\nBy {row.owner}: {row.reason}"
            account = self.account_of(row.scope)
            await self._alerts.add(Alert("mute", Severity.INFO, title, body, account=account))
        return True


def _account(scope: str) -> str:
    """What "account:paper" is about."""
    kind, _, name = scope.partition(":")
    return name if kind == "account" else ""
