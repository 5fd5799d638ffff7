"""Alerts: what was told, who answers, and what is kept back for a while."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from core.access.audit import printable, who
from core.access.roles import Actor, Permission
from core.actions.acting import Acting
from core.alerts.channel import Severity
from core.alerts.grouping import message_of
from core.alerts.mutes import Sort, told_scope
from core.alerts.outbox import Alert
from core.errors import UnknownName, UserError
from core.rows import alert_row
from core.store import alerts as store
from core.store import mutes as mute_store
from core.store.database import transaction
from core.store.models import AlertRow as StoredAlert
from core.store.models import DeliveryRow, MuteRow
from core.views import ActionResult, AlertCard, AlertRow, DeliveryLine, Muting, Page

SHORTEST = timedelta(minutes=1)
LONGEST_SNOOZE = timedelta(hours=12)
LONGEST_MUTE = timedelta(days=7)
LONGEST_WINDOW = timedelta(days=1)
# Kinds that there are, whether or not one of them was ever raised here.
_KINDS = (
    "adjustment", "breach", "correction", "denied", "doubt", "drift", "exit", "external", "fill", "job", "order",
    "protection", "report", "resume", "strategy",
)  # fmt: skip


class AlertActions(Acting):
    """What may be asked and done about alerts."""

    # --- looking -----------------------------------------------------------------------------------

    async def alerts(
        self, *, page: int = 1, size: int = 8, which: str = "all", actor: Actor | None = None
    ) -> Page[AlertRow]:
        """Alerts that `actor` may see: those that need an answer first, then the newest."""
        hidden = [] if actor is None else [each for each in self.account_names() if not actor.sees(each)]
        rows, total = await store.page_of_alerts(page, size, which=which, unseen=hidden)
        deliveries = await store.deliveries_of(row.id for row in rows)
        by_status = {row.id: [each.status for each in deliveries if each.alert_id == row.id] for row in rows}
        return Page(tuple(alert_row(row, by_status[row.id]) for row in rows), page, size, total)

    async def alert(self, alert_id: int, actor: Actor) -> AlertCard:
        """One alert in full. Raises `UserError` if there is none that `actor` may see."""
        row = await self._find(alert_id, actor)
        deliveries = await store.deliveries_of([alert_id])
        names = {each.id: each.actor.name for each in self._engine.alerts.listeners}
        return AlertCard(
            alert_row(row, [each.status for each in deliveries]),
            message_of([store.shown(row)]),
            row.body,
            tuple(_line(each, names) for each in deliveries),
            row.next_at,
        )

    async def account_of_alert(self, alert_id: int) -> str:
        """The account that an alert is about, "" for the house or if there is no such alert."""
        row = await store.find_alert(alert_id)
        return row.account if row else ""

    async def mutes(self, actor: Actor) -> tuple[Muting, ...]:
        """Every mute and maintenance window that is in force and that `actor` may see."""
        rows = [row for row in self._engine.alerts.mutes.in_force if _may_see(row, actor)]
        return tuple([await _muting(row) for row in rows])

    async def mutable(self, actor: Actor) -> tuple[str, ...]:
        """What can be muted, as "kind:fill", "strategy:trend", "account:paper"."""
        kinds = sorted({*_KINDS, *(await store.known_kinds())} - mute_store.ALWAYS_TOLD)
        floor = self._engine.floor
        strategies = [
            each.name for each in self._engine.strategies.instances if actor.sees(floor.account_of(each.name))
        ]
        accounts = [each for each in self.account_names() if actor.sees(each)]
        return (
            *(f"strategy:{each}" for each in strategies),
            *(f"account:{each}" for each in accounts),
            *(f"kind:{each}" for each in kinds),
        )

    # --- answering ---------------------------------------------------------------------------------

    async def acknowledge(self, alert_id: int, actor: Actor) -> ActionResult:
        """`actor` takes care of a CRITICAL alert. The first answer counts; everyone's copy then shows it."""
        row = await self._find(alert_id, actor)
        self._check_may_answer(row, actor)
        async with transaction():
            won = await self._engine.alerts.acknowledge(alert_id, actor)
            outcome = "ok" if won else "no change"
            await self._engine.audit.record(actor, "acknowledged", f"#{alert_id} {row.title}", outcome)
        return ActionResult(won, "Acknowledged: it is yours now.") if won else await self._too_late(alert_id)

    async def snooze(self, alert_id: int, length: timedelta, actor: Actor) -> ActionResult:
        """A CRITICAL alert is silent for a while and then comes back. Raises `UserError` for a length beyond reason."""
        _check_length(length, LONGEST_SNOOZE)
        row = await self._find(alert_id, actor)
        self._check_may_answer(row, actor)
        until = self._engine.clock.now() + length
        async with transaction():
            won = await self._engine.alerts.snooze(alert_id, actor, until)
            detail = f"#{alert_id} {row.title}, until {until:%H:%M} UTC"
            await self._engine.audit.record(actor, "snoozed", detail, "ok" if won else "no change")
        if not won:
            return await self._too_late(alert_id)
        return ActionResult(True, f"Snoozed: it comes back at {until:%H:%M} UTC.")

    async def _too_late(self, alert_id: int) -> ActionResult:
        """Somebody was quicker, or there is nothing to answer."""
        row = await store.find_alert(alert_id)
        standing = store.standing_of(row) if row else None
        if standing is None:
            return ActionResult(False, f"#{alert_id} needs no answer.")
        by = f" by {standing.by}" if standing.by else ""
        return ActionResult(False, f"#{alert_id} is {standing.status.value} already{by}.")

    async def _find(self, alert_id: int, actor: Actor) -> StoredAlert:
        row = await store.find_alert(alert_id)
        if row is None or not actor.sees(row.account):
            raise UserError(f"There is no alert #{alert_id}. /alerts lists them.")
        return row

    def _check_may_answer(self, row: StoredAlert, actor: Actor) -> None:
        """Dispatch has asked already; a press and a changed role may have crossed."""
        if not actor.may(Permission.HALT, row.account):
            raise UserError("Only those who may halt trading there answer its alerts.")

    # --- keeping back ------------------------------------------------------------------------------

    async def mute(self, what: str, length: timedelta, reason: str, actor: Actor) -> ActionResult:
        """Keep alerts of a kind, a strategy or an account from being delivered. CRITICAL ones come all the same."""
        _check_length(length, LONGEST_MUTE)
        scope = await self.scope_of(what, actor)
        return await self._begin(Sort.MUTE, scope, reason, actor, self._engine.clock.now() + length)

    async def maintain(self, length: timedelta, reason: str, actor: Actor, account: str = "") -> ActionResult:
        """A venue is worked on: what that brings with it is held until the end of the window, then told in one."""
        _check_length(length, LONGEST_WINDOW)
        if account and (account not in self.account_names() or not actor.sees(account)):
            raise UnknownName("account", account, [each for each in self.account_names() if actor.sees(each)])
        scope = f"account:{account}" if account else ""
        return await self._begin(Sort.MAINTENANCE, scope, reason, actor, self._engine.clock.now() + length)

    async def scope_of(self, what: str, actor: Actor) -> str:
        """What is meant by a word: "strategy:trend" for "trend". Raises `UnknownName`."""
        known = await self.mutable(actor)
        wanted = what.strip().casefold()
        found = [each for each in known if wanted in (each.casefold(), each.partition(":")[2].casefold())]
        if not found:
            raise UnknownName("kind, strategy or account", what, (each.partition(":")[2] for each in known))
        return found[0]

    async def _begin(self, sort: Sort, scope: str, reason: str, actor: Actor, until: datetime) -> ActionResult:
        engine, why = self._engine, printable(reason).strip()
        if not why:
            raise UserError("Say why: others will ask.")
        async with transaction():
            row = await engine.alerts.mutes.begin(sort, scope, why, who(actor), engine.clock.now(), until)
            told = f"{told_scope(row)} until {until:%Y-%m-%d %H:%M} UTC"
            await engine.audit.record(actor, f"begin {sort.value}", f"#{row.id} {told}: {why}")
            title = f"{'Muted' if sort is Sort.MUTE else 'Begun'}: {told}"
            account = scope.removeprefix("account:") if scope.startswith("account:") else ""
            body = f"By {actor.name}: {why}\nCRITICAL alerts come all the same. /unmute {row.id} ends it."
            await engine.alerts.add(Alert("mute", Severity.WARNING, title, body, account=account))
        return ActionResult(True, f"#{row.id}: {told}. CRITICAL alerts come all the same.")

    async def unmute(self, mute_id: int, actor: Actor) -> ActionResult:
        """End a mute or a maintenance window now; what it kept back is told."""
        rows = {row.id: row for row in self._engine.alerts.mutes.in_force if _may_see(row, actor)}
        if mute_id not in rows:
            raise UserError(f"Nothing with the number {mute_id} is in force. /mutes lists what is.")
        ended = await self._engine.alert_watch.end_mute(rows[mute_id], who(actor))
        return ActionResult(ended, f"#{mute_id} is over." if ended else f"#{mute_id} was over already.")

    async def account_of_mute(self, mute_id: int) -> str:
        """The account that a mute is about, "" for the house."""
        rows = (row for row in self._engine.alerts.mutes.in_force if row.id == mute_id)
        return next((_account(row.scope) for row in rows), "")

    async def account_of_scope(self, scope: str) -> str:
        """The account that "strategy:trend" or "account:paper" is about, "" for what is about all."""
        sort, _, name = scope.partition(":")
        if sort == "strategy":
            return self._engine.floor.account_of(name)
        return _account(scope)

    def account_names(self) -> Sequence[str]:
        """Every account of the settings."""
        return tuple(self._engine.settings.accounts)


def _check_length(length: timedelta, longest: timedelta) -> None:
    if not SHORTEST <= length <= longest:
        raise UserError(f"Give it an end: from 1 minute to {longest.total_seconds() / 3600:g} hours.")


def _account(scope: str) -> str:
    return scope.removeprefix("account:") if scope.startswith("account:") else ""


def _may_see(row: MuteRow, actor: Actor) -> bool:
    return not _account(row.scope) or actor.sees(_account(row.scope))


async def _muting(row: MuteRow) -> Muting:
    kept = await mute_store.kept_back(row.id)
    is_window = row.sort == Sort.MAINTENANCE.value
    return Muting(row.id, is_window, told_scope(row), row.reason, row.owner, row.begun_at, row.ends_at, dict(kept))


def _line(row: DeliveryRow, names: dict[str, str]) -> DeliveryLine:
    told = {"superseded": "not needed any more", "held": "held back"}.get(row.status, row.status)
    detail = f": {row.note[:120]}" if row.note else ""
    at = row.done_at or (row.due_at if row.status == "held" else None)
    return DeliveryLine(names.get(row.person, row.person or row.recipient), row.channel, row.step, told + detail, at)
