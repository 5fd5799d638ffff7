"""Changing a limit of an account while it trades: at once, for good, and never unseen."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tortoise.exceptions import BaseORMException

from core.access.audit import who
from core.access.roles import Actor
from core.actions.acting import Acting
from core.alerts.channel import Severity
from core.alerts.outbox import Alert
from core.errors import UserError
from core.rows import limit_title, limit_value
from core.store.database import transaction
from core.store.limits import drop_limit, limit_rows, put_limit
from core.trading.own_limits import changed, said
from core.views import ActionResult, LimitEdit, LimitSet
from risk.limits import loosened


class LimitActions(Acting):
    """One limit of one account at a time."""

    def limit_change(self, name: str, value: str, actor: Actor, account: str = "") -> LimitEdit:
        """What a change would do; nothing is done. Raises `UserError`."""
        seen = self.seen_by(actor)
        if not account and len(self._engine.floor.chosen("", seen)) > 1:
            raise UserError("Say the account as well: /limit NAME VALUE ACCOUNT.")
        desk = self._desk(account, seen)
        before = desk.gate.limits
        after = changed(before, name, value)
        return LimitEdit(
            account=desk.account,
            title=limit_title(name),
            before=limit_value(name, getattr(before, name), desk.currency),
            after=limit_value(name, getattr(after, name), desk.currency),
            token=said(getattr(before, name)),
            changes=before != after,
            loosens=bool(loosened(before, after)),
        )

    def limits_now(self, actor: Actor, account: str = "") -> dict[str, str]:
        """Every limit by its name with its value as it is typed. Raises `UserError`."""
        limits = self._desk(account, self.seen_by(actor)).gate.limits
        return {name: said(getattr(limits, name)) for name in type(limits).model_fields}

    async def set_limit(self, name: str, value: str, actor: Actor, account: str = "", seen: str = "") -> ActionResult:
        """Set it, if it still is what was `seen`: in force at once, and after a restart. Raises `UserError`."""
        desk = self._engine.floor.desk(self.limit_change(name, value, actor, account).account)
        async with desk.limits_turn:
            change = self.limit_change(name, value, actor, account)
            words = f"{name} of {change.account}: {change.before} to {change.after}"
            if change.token != seen:
                return await self._failed(actor, "limit", f"{name} has changed meanwhile: see /limits. Nothing done.")
            limits = changed(desk.gate.limits, name, value)
            if not change.loosens:  # what makes safer does not wait for the disk
                desk.use_limits(limits)
            async with self._stored(change), transaction():
                await self._keep(change.account, name, said(getattr(limits, name)), actor)
                await self._engine.audit.record(actor, "limit", words, "ok" if change.changes else "no change")
                body = f"{change.title}: {change.before} → {change.after}\nBy {actor.name}."
                await self._engine.alerts.add(
                    Alert("limits", Severity.WARNING, "A limit has changed", body, account=change.account)
                )
            desk.use_limits(limits)
        return ActionResult(change.changes, f"{change.title} of {change.account} is {change.after} from now on.")

    @asynccontextmanager
    async def _stored(self, change: LimitEdit) -> AsyncIterator[None]:
        """A stricter limit counts even if the disk does not take it; then that must be said."""
        try:
            yield
        except (BaseORMException, OSError, sqlite3.Error) as error:
            if change.loosens:
                raise
            text = (
                f"{change.title} of {change.account} is {change.after}, but it could not be stored "
                f"({type(error).__name__}): it counts only until a restart. Set it again once the database is well."
            )
            raise UserError(text) from error

    async def _keep(self, account: str, name: str, value: str, actor: Actor) -> None:
        """Remember it, unless it is what the settings say."""
        own = said(getattr(self._engine.settings.accounts[account].limits, name))
        if value == own:
            await drop_limit(account, name)
        else:
            await put_limit(account, name, value, own, who(actor), self._engine.clock.now())

    async def limits_set(self, actor: Actor) -> tuple[LimitSet, ...]:
        """Every limit that a person has set, by whom and when."""
        rows = await limit_rows()
        return tuple(
            LimitSet(row.account, limit_title(row.name), row.value, row.replaces, row.by, row.at)
            for row in rows
            if actor.sees(row.account)
        )
