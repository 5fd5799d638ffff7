"""Real money needs three words: `mode: live` in the account, `environment: live`, and a person's yes in chat, once.

The yes is bound to what the broker calls itself: venue, mode, market and key. With another key it is asked for anew.
Until then the account is held: nothing is ordered in it, not even by a flatten; cancels work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from core.access.audit import Audit, who
from core.access.roles import SYSTEM, Actor
from core.alerts.channel import Severity
from core.alerts.outbox import Alert, Alerts
from core.clock import Clock
from core.errors import SettingsError
from core.events import Events, StateChanged
from core.store import real_money as store
from core.store.database import transaction
from core.trading.desk import Desk
from core.trading.floor import Floor
from core.trading.switch import Setting, TradingSwitch
from risk.view import TradingState, live_scope

ENVIRONMENT = "live"
MODE = "live"


def check(account: str, mode: str, environment: str, *, is_live: bool) -> list[str]:
    """What the settings lack for an account with real money; nothing for any other."""
    if not is_live:
        return []
    problems = []
    if mode != MODE:
        problems.append(
            f"accounts.{account}.broker.mode: its broker trades real money; write `mode: {MODE}` if it shall"
        )
    if environment != ENVIRONMENT:
        problems.append(
            f"accounts.{account}: it trades real money (mode: {MODE}), but the environment is {environment!r}; "
            f"write `environment: {ENVIRONMENT}` (its own settings are in quarterdeck.{ENVIRONMENT}.yaml), "
            "or give it a mode without real money, like testnet"
        )
    return problems


def shared(desks: Iterable[Desk]) -> list[str]:
    """What is wrong if two accounts are one at the venue: each would book, and trade away, what the other has."""
    by_wallet = defaultdict(list)
    for desk in desks:
        if not desk.broker.capabilities.simulated:
            by_wallet[desk.broker.wallet].append(desk.account)
    return [
        f"accounts.{', '.join(names)}: they have the same key for the same money, so they are one account at the "
        "venue; write one of them, or give each a key of its own (a sub-account's)"
        for names in by_wallet.values()
        if len(names) > 1
    ]


class RealMoney:
    """Holds the accounts with real money that nobody has confirmed, and takes the confirmation."""

    def __init__(
        self, floor: Floor, switch: TradingSwitch, alerts: Alerts, audit: Audit, *, events: Events, clock: Clock
    ) -> None:
        self._floor = floor
        self._switch = switch
        self._alerts = alerts
        self._audit = audit
        self._events = events
        self._clock = clock

    async def load(self, modes: Mapping[str, str], environment: str) -> None:
        """Hold what is not confirmed, before anything trades. Raises `SettingsError` if the settings do not want it.

        `modes` is what the settings of each account's broker say.
        """
        problems = shared(self._floor)
        for desk in self._floor:
            mode = modes.get(desk.account, "")
            desk.test_mode = mode
            problems += check(desk.account, mode, environment, is_live=desk.broker.is_live)
        if problems:
            raise SettingsError(problems)
        known = await store.confirmed()
        for desk in self._floor:
            desk.confirmed = known.get(desk.account, "")
            if desk.waits_for_confirmation:
                await self._hold(desk, is_known=desk.account in known)
            else:  # an account that waited may have lost its real money since
                await self._alerts.close(self._key(desk.account), f"{desk.account} does not wait any more")

    async def _hold(self, desk: Desk, *, is_known: bool) -> None:
        why = "its broker or key is another than was confirmed" if is_known else "nobody has confirmed it yet"
        reason = f"waiting for confirmation: {why}; /golive {desk.account}"
        self._switch.hold(
            live_scope(desk.account), Setting(TradingState.HALTED, reason, SYSTEM.name, self._clock.now())
        )
        body = (
            f"It trades REAL MONEY on {desk.broker.identity}, and {why}. Nothing is ordered in it; cancels work. "
            f"An admin lets it trade by /golive {desk.account}.{_unprotected(desk)}"
        )
        title = f"{desk.account} waits for confirmation"
        async with transaction():
            await self._audit.record(SYSTEM, "golive", f"{desk.account}: {reason}", "waiting")
            alert = Alert("golive", Severity.CRITICAL, title, body, account=desk.account, key=self._key(desk.account))
            await self._alerts.add(alert)

    async def confirm(self, actor: Actor, desk: Desk, identity: str) -> bool:
        """Let an account trade, if its broker still is what was shown; whether it is."""
        if desk.broker.identity != identity:
            return False
        account = desk.account
        async with transaction():
            await store.put_confirmed(account, identity, who(actor), self._clock.now())
            await self._audit.record(actor, "golive", f"{account}: {identity}")
            await self._alerts.close(self._key(account), f"confirmed by {actor.name}")
            body = f"By {actor.name}, on {identity}. Orders are real from now on."
            await self._alerts.add(
                Alert("golive", Severity.WARNING, f"{account} trades REAL MONEY", body, account=account)
            )
        desk.confirmed = identity
        self._switch.hold(live_scope(account), None)
        state = self._switch.gravest(account).state
        await self._events.publish(StateChanged(self._clock.now(), live_scope(account), state, ""))
        return True

    def _key(self, account: str) -> str:
        return f"golive:{account}"


def _unprotected(desk: Desk) -> str:
    """What must be known of what is held: the program sees to no stop meanwhile."""
    held = [symbol for symbol, units in desk.portfolio.held().items() if not desk.is_dust(symbol, units)]
    if not held:
        return ""
    return (
        f"\nBy our books it holds {', '.join(sorted(held))}: stops and targets that rest at the venue work on, but "
        "nothing that this program would have to send."
    )
