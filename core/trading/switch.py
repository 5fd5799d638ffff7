"""The trading switch: ACTIVE, REDUCING or HALTED by scope, stored before it is believed in, the gravest wins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from core.clock import Clock
from core.store.control import put_trading_state, trading_states
from core.store.database import transaction
from risk.view import TradingState, live_scope

log = structlog.get_logger(__name__)

GLOBAL = "global"

Along = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Setting:
    """The state of a scope, why, by whom and since when (wall time)."""

    state: TradingState
    reason: str
    by: str
    at: datetime


def instrument_scope(account: str, symbol: str) -> str:
    """The scope of one instrument in one account."""
    return f"instrument:{account}/{symbol}"


class TradingSwitch:
    """Holds the state of every scope in memory and on disk."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._settings: dict[str, Setting] = {}
        self._held: dict[str, Setting] = {}
        self._unsaved: dict[str, list[tuple[Setting, Along | None]]] = {}
        self._lock = asyncio.Lock()

    async def load(self) -> None:
        """Read the stored states: a restart never resumes trading. What could not be stored yet stays as it is."""
        stored = {
            row.scope: Setting(TradingState(row.state), row.reason, row.by, row.at) for row in await trading_states()
        }
        self._settings = stored | {scope: changes[-1][0] for scope, changes in self._unsaved.items()}

    def hold(self, scope: str, setting: Setting | None) -> None:
        """Hold a scope that is no resume's to lift (None: no longer). It is found again at each start, not stored."""
        self._held.pop(scope, None)
        if setting is not None:
            self._held[scope] = setting

    @property
    def held(self) -> Mapping[str, Setting]:
        """What is held, by scope."""
        return self._held

    @property
    def settings(self) -> Mapping[str, Setting]:
        """Every scope's setting, those of what is held included."""
        return {**self._settings, **self._held} if self._held else self._settings

    @property
    def states(self) -> dict[str, TradingState]:
        """The state by scope, as risk wants it."""
        return {scope: setting.state for scope, setting in self.settings.items()}

    def state(self, scope: str) -> TradingState:
        """The state of one scope alone."""
        setting = self._held.get(scope) or self._settings.get(scope)
        return setting.state if setting else TradingState.ACTIVE

    def gravest(self, account: str) -> Setting:
        """The gravest of the global and the account's settings; that it is held is told first."""
        nothing = Setting(TradingState.ACTIVE, "", "", self._clock.now())
        scopes = (live_scope(account), GLOBAL, f"account:{account}")
        return max((self.settings.get(scope, nothing) for scope in scopes), key=lambda setting: setting.state)

    def state_for(self, account: str, strategies: Iterable[str] = (), symbol: str = "") -> TradingState:
        """The gravest of the global, the account's, these strategies' and the instrument's states."""
        if all(each.state is TradingState.ACTIVE for each in (*self._settings.values(), *self._held.values())):
            return TradingState.ACTIVE
        scopes = [GLOBAL, f"account:{account}", *(f"strategy:{name}" for name in strategies), live_scope(account)]
        if symbol:
            scopes.append(instrument_scope(account, symbol))
        return max(self.state(scope) for scope in scopes)

    async def set(self, scope: str, state: TradingState, reason: str, by: str, along: Along | None = None) -> None:
        """Change a scope's state. A graver one counts at once, even if storing it fails; a milder one only when stored.

        `along` writes what belongs to the change, an alert for example: both are stored in one commit, or neither.
        """
        if state < self.state(scope):
            await self._relax(scope, self._settings.get(scope), Setting(state, reason, by, self._clock.now()), along)
            return
        self.trip([scope], state, reason, by, along)
        await self.store([scope])

    def trip(
        self, scopes: Sequence[str], state: TradingState, reason: str, by: str, along: Along | None = None
    ) -> None:
        """Make scopes as grave as `state` in memory: it counts from now on. `store` them next, with what goes along."""
        setting = Setting(state, reason, by, self._clock.now())
        for place, scope in enumerate(scopes):
            self._settings[scope] = setting
            self._unsaved.setdefault(scope, []).append((setting, None if place else along))

    async def store(self, scopes: Sequence[str]) -> None:
        """Store the newest state of these scopes, with all that belongs to it and to those before, in one commit."""
        async with self._lock:
            waiting = {scope: tuple(self._unsaved[scope]) for scope in scopes if scope in self._unsaved}
            if not waiting:
                return
            try:
                async with transaction():
                    for scope, each in waiting.items():
                        await _write(scope, each[-1][0], [along for _, along in each])
            except BaseException:
                await asyncio.gather(_write_bare(waiting), return_exceptions=True)
                raise
            for scope, each in waiting.items():
                self._forget(scope, len(each))

    def _forget(self, scope: str, count: int) -> None:
        """So many of the oldest changes of a scope are stored."""
        if left := self._unsaved.get(scope, [])[count:]:
            self._unsaved[scope] = left
        else:
            self._unsaved.pop(scope, None)

    async def relax(self, scope: str, seen: Setting, by: str, along: Along | None = None) -> bool:
        """Make a scope ACTIVE again if its setting is still the one that was `seen`; whether it was."""
        return await self._relax(scope, seen, Setting(TradingState.ACTIVE, "", by, self._clock.now()), along)

    async def save(self) -> None:
        """Store what an earlier `set` could not."""
        if self._unsaved:
            await self.store(sorted(self._unsaved))

    def is_saved(self, scope: str) -> bool:
        """Whether a restart would know the scope's state as it is now."""
        return scope not in self._unsaved

    async def _relax(self, scope: str, seen: Setting | None, setting: Setting, along: Along | None) -> bool:
        """A graver state that comes while this is being stored rolls it back."""
        async with self._lock:
            try:
                async with transaction():
                    self._check(scope, seen)
                    await _write(scope, setting, [along])
                    self._check(scope, seen)
            except _OvertakenError:
                log.warning("a newer trading state came in between", scope=scope, wanted=setting.state.name)
                return False
            if self._settings.get(scope) is seen:  # or it came during the commit: then it stands, and is stored next
                self._settings[scope] = setting
                self._unsaved.pop(scope, None)
        return self._settings.get(scope) is setting

    def _check(self, scope: str, seen: Setting | None) -> None:
        if self._settings.get(scope) is not seen:
            raise _OvertakenError


class _OvertakenError(Exception):
    """A newer setting came while this one was being stored."""


async def _write_bare(waiting: Mapping[str, Sequence[tuple[Setting, Along | None]]]) -> None:
    """What goes along cannot be stored: then the states alone, so that a restart does not trade. The rest is owed."""
    async with transaction():
        for scope, each in waiting.items():
            await _write(scope, each[-1][0], ())


async def _write(scope: str, setting: Setting, along: Iterable[Along | None]) -> None:
    await put_trading_state(scope, int(setting.state), setting.reason, setting.by, setting.at)
    for each in along:
        if each is not None:
            await each()
    log.info("trading state", scope=scope, state=setting.state.name, reason=setting.reason, by=setting.by)
