"""What a venue says of the key and of the clock, in plain words with what to do about it.

A key that can withdraw is refused: whoever gets hold of it, or of this machine, could take the money away. All that
trading needs is reading and trading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from brokers.ccxt.settings import CcxtSettings, Mode
from brokers.errors import ConfigurationError
from brokers.health import Finding, Grade

if TYPE_CHECKING:
    from brokers.ccxt.dialect import Permissions

CLOCK_IS_OFF = timedelta(seconds=1)
"""Further than this nobody's clock should be: a venue that is asked without correction would refuse us."""

_KEYS = "on the venue's page for API keys"
_MONEY = {Mode.LIVE: "with real money", Mode.TESTNET: "on the testnet", Mode.DEMO: "in the demo mode"}


def refuse(name: str, venue: str, permissions: Permissions) -> None:
    """Raises `ConfigurationError` for a key that can do harm, or cannot do what it is for."""
    if permissions.withdrawals:
        raise ConfigurationError(
            f"brokers.{name}: this API key of {venue} may withdraw money, and is not used for that reason: "
            f"take the permission to withdraw away from it {_KEYS}, or make a key that may only read and trade"
        )
    if permissions.trading is False:
        raise ConfigurationError(
            f"brokers.{name}: this API key of {venue} may not trade: allow it to {_KEYS}, "
            f"or leave api_key and secret out if you want market data only"
        )


def key_refused(name: str, venue: str, mode: Mode, said: str) -> ConfigurationError:
    """What to tell when the venue does not take the key at all; `said` are its own words."""
    others = " or ".join(_MONEY[each] for each in Mode if each is not mode)
    words = said.removeprefix(f"{venue}: ")
    return ConfigurationError(
        f"brokers.{name}: {venue} does not take this API key {_MONEY[mode]} (it says: {words}). "
        f"Either the key or its secret is mistyped or deleted, or it was made for trading {others} "
        f"(each has keys of its own: then correct mode), or its list of IP addresses does not have this machine's, "
        f"or it lacks a permission; look {_KEYS}"
    )


def findings(
    venue: str, settings: CcxtSettings, permissions: Permissions | None, offset: timedelta | None
) -> tuple[Finding, ...]:
    """Everything that is to be said of a connection."""
    of_key = key_findings(venue, settings.mode, permissions) if settings.has_keys else ()
    return (mode_finding(venue, settings.mode, has_keys=settings.has_keys), *of_key, clock_finding(offset))


def of_markets(venue: str, left_out: Mapping[str, str], closed: Iterable[str]) -> tuple[Finding, ...]:
    """What is to be said of what is to be traded."""
    unknown = [Finding(Grade.PROBLEM, why, "It is left out; correct it in the settings") for why in left_out.values()]
    text, remedy = "is not open for trading now", "Orders for it are refused there; its position counts as always"
    return (*unknown, *(Finding(Grade.WARNING, f"{each} {text} at {venue}", remedy) for each in closed))


def key_findings(venue: str, mode: Mode, permissions: Permissions | None) -> tuple[Finding, ...]:
    """What is to be said of a key that is used; None: the venue cannot be asked."""
    if permissions is None:
        text = f"{venue} does not tell what a key may do {_MONEY[mode]}"
        return (Finding(Grade.WARNING, text, f"Look {_KEYS} that it may read and trade, and not withdraw"),)
    return (_of_withdrawals(venue, permissions), *_of_addresses(venue, permissions))


def clock_finding(offset: timedelta | None) -> Finding:
    """How far the venue's clock is from ours."""
    if offset is None:
        return Finding(Grade.WARNING, "The venue's clock could not be compared with this machine's")
    if abs(offset) < CLOCK_IS_OFF:
        return Finding(Grade.GOOD, f"The clocks agree within {_seconds(offset)}")
    side = "behind" if offset > timedelta(0) else "ahead of"
    return Finding(
        Grade.WARNING,
        f"This machine's clock is {_seconds(offset)} {side} the venue's; requests are dated by the venue's",
        "Have the machine keep its clock right (chrony or systemd-timesyncd): times in the logs are wrong otherwise",
    )


def mode_finding(venue: str, mode: Mode, *, has_keys: bool) -> Finding:
    """Whose money it is."""
    what = f"{venue}, {_MONEY[mode]}" if has_keys else f"{venue}, market data only (there is no key)"
    return Finding(Grade.GOOD, what)


def _of_withdrawals(venue: str, permissions: Permissions) -> Finding:
    if permissions.withdrawals is None:
        text = f"{venue} does not tell whether the key may withdraw money"
        return Finding(Grade.WARNING, text, f"Make sure {_KEYS} that it may not")
    return Finding(Grade.GOOD, "The key may trade, and may not withdraw")


def _of_addresses(venue: str, permissions: Permissions) -> tuple[Finding, ...]:
    if permissions.ip_limited is None:
        return ()
    if permissions.ip_limited:
        return (Finding(Grade.GOOD, "The key works from listed IP addresses only"),)
    text = f"The key works from everywhere: {venue} has no list of IP addresses for it"
    return (Finding(Grade.WARNING, text, f"List this machine's address there, {_KEYS}: a stolen key is useless then"),)


def _seconds(offset: timedelta) -> str:
    size = abs(offset).total_seconds()
    return f"{size:.1f} s" if size < 10 else f"{size:,.0f} s"
