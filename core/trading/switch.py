"""The trading switch: ACTIVE, REDUCING or HALTED by scope, stored before it is believed in, the gravest wins."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from core.clock import Clock
from core.store.control import put_trading_state, trading_states
from risk.view import TradingState

log = structlog.get_logger(__name__)

GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class Setting:
    """The state of a scope, why, by whom and since when (wall time)."""

    state: TradingState
    reason: str
    by: str
    at: datetime


class TradingSwitch:
    """Holds the state of every scope in memory and on disk."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._settings: dict[str, Setting] = {}
        self._unsaved: set[str] = set()
        self._lock = asyncio.Lock()

    async def load(self) -> None:
        """Read the stored states: a restart never resumes trading."""
        self._settings = {
            row.scope: Setting(TradingState(row.state), row.reason, row.by, row.at) for row in await trading_states()
        }

    @property
    def settings(self) -> Mapping[str, Setting]:
        """Every scope's setting."""
        return self._settings

    @property
    def states(self) -> dict[str, TradingState]:
        """The state by scope, as risk wants it."""
        return {scope: setting.state for scope, setting in self._settings.items()}

    def state(self, scope: str) -> TradingState:
        """The state of one scope alone."""
        setting = self._settings.get(scope)
        return setting.state if setting else TradingState.ACTIVE

    def gravest(self, account: str) -> Setting:
        """The gravest of the global and the account's settings."""
        nothing = Setting(TradingState.ACTIVE, "", "", self._clock.now())
        found = [self._settings.get(scope, nothing) for scope in (GLOBAL, f"account:{account}")]
        return max(found, key=lambda setting: setting.state)

    def state_for(self, account: str, strategies: Iterable[str] = ()) -> TradingState:
        """The gravest of the global, the account's and these strategies' states."""
        scopes = (GLOBAL, f"account:{account}", *(f"strategy:{name}" for name in strategies))
        return max(self.state(scope) for scope in scopes)

    async def set(self, scope: str, state: TradingState, reason: str, by: str) -> None:
        """Change a scope's state. A graver state counts from this moment, even if the disk then fails; a milder
        one counts when it is stored, and not at all if a graver one came in the meantime.
        """
        before, setting = self._settings.get(scope), Setting(state, reason, by, self._clock.now())
        graver = state >= self.state(scope)
        if graver:
            self._settings[scope] = setting
            self._unsaved.add(scope)
        async with self._lock:
            if not graver and self._settings.get(scope) is not before:
                log.warning("a graver trading state came in between", scope=scope, wanted=state.name)
                return
            await put_trading_state(scope, int(state), reason, by, setting.at)
            if not graver and self._settings.get(scope) is before:  # or a graver one waits to be stored: it stands
                self._settings[scope] = setting
            if self._settings.get(scope) is setting:
                self._unsaved.discard(scope)
        log.info("trading state", scope=scope, state=state.name, reason=reason, by=by)

    async def save(self) -> None:
        """Store what an earlier `set` could not."""
        for scope in sorted(self._unsaved):
            setting = self._settings[scope]
            await self.set(scope, setting.state, setting.reason, setting.by)
