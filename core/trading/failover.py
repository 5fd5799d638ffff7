"""Strategies trade on in another account while the broker of their own is down: only if configured, and only when flat.

It happens to one strategy at a time, if the broker has been down for long enough and nothing at all is unknown: books
and venue agreed while the strategy held and ordered nothing there (`core.trading.agreement`), and the account that
stands by is connected, compared, confirmed and free to trade. Else nothing moves, and people are told why. Where a
strategy trades is stored with its goals; only a person brings it back, when it is flat there, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from brokers.health import Breaker
from core.access.audit import Audit
from core.access.roles import SYSTEM, Actor
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.store import standbys as store
from core.store.database import transaction
from core.store.models import StandbyRow
from core.strategy.manager import StrategyManager
from core.trading.agreement import doubt
from core.trading.desk import Desk
from core.trading.floor import Floor
from risk.view import TradingState

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
# Why those stay who stayed before, too: told so often at most.
_REPEAT = timedelta(seconds=30)
_KIND = "standby"

Write = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Plan:
    """Which account stands by for another, and how long the other's broker has to be down before."""

    account: str
    after: timedelta


@dataclass(frozen=True, slots=True)
class Away:
    """A strategy that trades in the standby of its own account."""

    strategy: str
    home: str
    account: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Told:
    """Why each strategy stays, as it was told last."""

    refused: Mapping[str, str]
    at: datetime

    def says(self, refused: Mapping[str, str], now: datetime) -> bool:
        """Whether people know it. A standby that comes and goes gives another reason each second: that is no news."""
        if refused.keys() != self.refused.keys():
            return False
        return refused == self.refused or timedelta(0) <= now - self.at < _REPEAT


def is_down(desk: Desk) -> bool:
    """Whether its venue does not answer."""
    return not desk.broker.is_connected or desk.broker.health.breaker is not Breaker.CLOSED


class Failover:
    """Who trades away from home, by `plans`: the standby of each account that has one."""

    def __init__(
        self,
        floor: Floor,
        strategies: StrategyManager,
        plans: Mapping[str, Plan],
        *,
        alerts: Alerts,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._floor = floor
        self._strategies = strategies
        self._plans = plans
        self._alerts = alerts
        self._audit = audit
        self._clock = clock
        self._away: dict[str, Away] = {}
        self._down_since: dict[str, datetime] = {}
        self._refused: dict[str, Mapping[str, str]] = {}  # home -> why each strategy stays
        self._told: dict[str, _Told] = {}  # by home, for as long as it is down
        self._met: set[str] = set()  # homes that were up since the start: what was told before it is over
        self._torn: set[str] = set()  # told that they hold something in both accounts
        self._lock = asyncio.Lock()

    # --- start -------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Take up who trades where, before it is checked who holds what. Where the settings have changed, they win."""
        for row in await store.moved():
            if row.account in self._floor and self._is_at_home(row.strategy, row.home):
                self._floor.move(row.strategy, row.account)
                self._away[row.strategy] = Away(row.strategy, row.home, row.account, row.at)
                continue
            async with transaction():
                await store.drop_moved(row.strategy)
                await self._alerts.close(_moved(row.strategy), "the settings have given it another account")
                await self._audit.record(SYSTEM, "settings win", f"{row.strategy} traded in {row.account}")

    def _is_at_home(self, strategy: str, home: str) -> bool:
        """Whether the settings still have the strategy in the account that it came from."""
        return home in self._floor and strategy in self._floor.strategies_of(home)

    # --- looking -----------------------------------------------------------------------------------

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self._plans or self._away)

    @property
    def away(self) -> tuple[Away, ...]:
        """Every strategy that trades away from home, by name."""
        return tuple(self._away[name] for name in sorted(self._away))

    async def run(self) -> None:
        """Look every second, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Look at every account that has a standby, and at every strategy that is away."""
        for home, plan in self._plans.items():
            await self._look_at(home, plan)
        for each in self.away:
            await self._look_after(each)

    async def _look_at(self, home: str, plan: Plan) -> None:
        now = self._clock.now()
        if not is_down(self._floor.desk(home)):
            self._down_since.pop(home, None)
            if home in self._told or home not in self._met:
                await self._alerts.close(_stays(home), f"the broker of {home} answers again")
            self._told.pop(home, None)
            self._refused.pop(home, None)
            self._met.add(home)
            return
        since = self._down_since.setdefault(home, now)
        if now - since >= plan.after:
            await self._take_over(home, plan.account, since)

    async def _take_over(self, home: str, to: str, since: datetime) -> None:
        """Move who can be moved; tell why others stay, once."""
        reason = f"the broker of {home} has been down since {since:%H:%M:%S} UTC"
        refused: dict[str, str] = {}
        for name in self._floor.strategies_of(home):
            if self._strategies.get(name).trades and name not in self._away:
                why = await self._obstacle(name, home, to) or await self._move(name, home, to, reason)
                refused |= {name: why} if why else {}
        self._refused[home] = refused
        told, now = self._told.get(home), self._clock.now()
        if told is None or not told.says(refused, now):
            await self._tell_refused(home, to, refused)
            self._told[home] = _Told(refused, now)

    async def _look_after(self, away: Away) -> None:
        """A strategy that is away holds nothing at home. If the venue there says otherwise, a person must see to it."""
        home = self._floor.desk(away.home)
        held = [symbol for symbol, units in _held(home, away.strategy) if not home.is_dust(symbol, units)]
        if not held:
            self._torn.discard(away.strategy)
        elif away.strategy not in self._torn:
            await self._strategies.pause(away.strategy)
            body = (
                f"It trades in {away.account}, and its own account {away.home} reports {', '.join(held)} of it. "
                f"It only closes from now on. Look at both; /flatten {away.strategy} closes everything of it."
            )
            title = f"{away.strategy} holds something in two accounts"
            await self._alerts.add(
                Alert(_KIND, Severity.CRITICAL, title, body, strategy=away.strategy, account=away.home)
            )
            self._torn.add(away.strategy)

    # --- may it? -----------------------------------------------------------------------------------

    async def _obstacle(self, name: str, home: str, to: str, *, by_person: bool = False) -> str:
        """Why a strategy must not trade in `to` in place of `home`; empty if it may.

        A halt in either account keeps the program from moving anything, and no person: nothing trades past it then.
        """
        here, there = self._floor.desk(home), self._floor.desk(to)
        symbols = self._strategies.get(name).settings.symbols
        return (
            _unlike(here, there)
            or ("" if by_person else _halt(here, name, symbols, "a standby is no way around it"))
            or _unready(there, symbols)
            or ("" if by_person else _halt(there, name, symbols, "it does not take over"))
            or await doubt(here, name)
            or await doubt(there, name)
        )

    # --- moving ------------------------------------------------------------------------------------

    async def _move(self, name: str, home: str, to: str, reason: str) -> str:
        """Move a strategy to the standby, unless something has come in between: then that is returned."""

        async def write() -> None:
            await store.put_moved(StandbyRow(strategy=name, home=home, account=to, reason=reason, at=at))
            await self._audit.record(SYSTEM, "standby", f"{name}: from {home} to {to}; {reason}")
            body = (
                f"{reason[0].upper()}{reason[1:]}. It held and ordered nothing there when books and venue were "
                f"compared last. It opens positions in {to} from now on, by the limits of {to}, and stays there until "
                f"an admin brings it back: /failback {name}"
            )
            title = f"{name} trades in {to} now, the standby of {home}"
            await self._alerts.add(
                Alert(_KIND, Severity.CRITICAL, title, body, strategy=name, account=home, key=_moved(name))
            )
            await self._tell_hosts(to, name, f"{name} trades in {to} now", f"{to} stands by for the account of {name}.")

        at = self._clock.now()
        async with self._turns(home, to):
            if not is_down(self._floor.desk(home)):
                return f"the broker of {home} answers again"
            if why := await self._obstacle(name, home, to):
                return why
            await self._hand_over(name, home, to, write)
            self._away[name] = Away(name, home, to, at)
        log.warning("a strategy trades in the standby", strategy=name, home=home, account=to, reason=reason)
        return ""

    async def back(self, actor: Actor, name: str) -> str:
        """A person brings a strategy home; why that cannot be, empty if it is done."""
        away = self._away.get(name)
        if away is None:
            return "it trades in its own account"

        async def write() -> None:
            await store.drop_moved(name)
            await self._audit.record(actor, "failback", f"{name}: from {away.account} to {away.home}")
            await self._alerts.close(_moved(name), f"brought back by {actor.name}")
            title = f"{name} trades in {away.home} again"
            body = f"By {actor.name}. It held and ordered nothing in {away.account}."
            await self._alerts.add(Alert(_KIND, Severity.WARNING, title, body, strategy=name, account=away.home))
            title = f"{name} does not trade in {away.account} any more"
            await self._tell_hosts(away.account, name, title, "It is back in its own account.")

        async with self._turns(away.home, away.account):
            if why := await self._obstacle(name, away.account, away.home, by_person=True):
                return why
            await self._hand_over(name, away.account, away.home, write)
            del self._away[name]
        return ""

    async def _hand_over(self, name: str, home: str, to: str, write: Write) -> None:
        """Goals and row in one commit; then it counts."""
        async with transaction():
            stored = await self._floor.pipeline(home).hand_over(name, self._floor.pipeline(to))
            await write()
        stored()
        self._floor.move(name, to)

    @asynccontextmanager
    async def _turns(self, *accounts: str) -> AsyncIterator[None]:
        """Inside, nobody else orders or cancels for either account."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._lock)
            for account in sorted(accounts):
                await stack.enter_async_context(self._floor.pipeline(account).turn())
            yield

    # --- telling -----------------------------------------------------------------------------------

    async def _tell_refused(self, home: str, to: str, refused: Mapping[str, str]) -> None:
        if not refused:
            await self._alerts.close(_stays(home), "nobody has to stay any more")
            return
        lines = "\n".join(f"{name}: {why}" for name, why in refused.items())
        body = f"{lines}\nNothing moves while anything is unknown. It is looked at again every second."
        title = f"{to} does not take over from {home}: {', '.join(refused)}"
        alert = Alert(_KIND, Severity.CRITICAL, title, body, account=home, key=_stays(home))
        await self._alerts.add(alert)

    async def _tell_hosts(self, account: str, name: str, title: str, body: str) -> None:
        """Those who see the account that stands by and not the other, which is none of their business."""
        await self._alerts.add(Alert(_KIND, Severity.WARNING, title, body, strategy=name, account=account))

    def words(self, account: str, sees: Callable[[str], bool]) -> tuple[str, ...]:
        """What is to be said of an account's standby, and of those away from home, to who `sees` both accounts."""
        plan, found = self._plans.get(account), []
        if plan is not None and sees(plan.account):
            found.append(f"Standby: {plan.account}, after {plan.after.total_seconds():g} s")
            found += [f"{name} stays: {why}" for name, why in self._refused.get(account, {}).items()]
        for each in [one for one in self.away if sees(one.home) and sees(one.account)]:
            if each.home == account:
                found.append(f"{each.strategy} trades in {each.account} since {each.at:%d %b %H:%M} UTC")
            elif each.account == account:
                found.append(f"{each.strategy} of {each.home} trades here since {each.at:%d %b %H:%M} UTC")
        return tuple(found)


def _held(desk: Desk, name: str) -> list[tuple[str, Decimal]]:
    return [
        (lot.instrument.symbol, lot.quantity) for each, lot in desk.portfolio.lots() if each == name and lot.quantity
    ]


def _halt(desk: Desk, name: str, symbols: Collection[str], so: str) -> str:
    states = [desk.state_for((name,)), *(desk.state_for((name,), symbol) for symbol in symbols)]
    worst = max(states)
    return "" if worst is TradingState.ACTIVE else f"trading is {worst.name} in {desk.account}: {so}"


def _unlike(here: Desk, there: Desk) -> str:
    """The settings are checked for it; nothing depends on that."""
    same = (here.broker.is_live, here.currency) == (there.broker.is_live, there.currency)
    return "" if same else f"{there.account} trades other money"


def _unready(desk: Desk, symbols: Collection[str]) -> str:
    """Why an account cannot be traded in now."""
    account = desk.account
    if is_down(desk):
        return f"the broker of {account} does not answer either"
    if desk.waits_for_confirmation:
        return f"nobody has confirmed {account}: /golive {account}"
    if not desk.reconciled:
        return f"books and venue of {account} do not agree, or have not been compared"
    if absent := sorted(set(symbols) - desk.portfolio.instruments.keys()):
        return f"{account} does not trade {', '.join(absent)}"
    return ""


def _stays(home: str) -> str:
    return f"standby:{home}"


def _moved(strategy: str) -> str:
    return f"standby:of:{strategy}"
