"""What is said of a key and of the clock."""

from __future__ import annotations

from datetime import timedelta

import pytest

from brokers.ccxt.dialect import Permissions
from brokers.ccxt.inspection import clock_finding, key_findings, key_refused, mode_finding, refuse
from brokers.ccxt.settings import Mode
from brokers.errors import ConfigurationError
from brokers.health import Grade

GOOD = Permissions(trading=True, withdrawals=False, ip_limited=True)


def test_a_key_that_may_withdraw_is_refused() -> None:
    """Whatever else it may; the message says where to mend it."""
    with pytest.raises(ConfigurationError, match=r"brokers\.main: .*may withdraw.*take the permission.*away"):
        refuse("main", "Binance", Permissions(trading=True, withdrawals=True, ip_limited=True))


def test_a_key_that_may_not_trade_is_refused() -> None:
    """It would be found out with the first order."""
    with pytest.raises(ConfigurationError, match="may not trade"):
        refuse("main", "Binance", Permissions(trading=False, withdrawals=False))


@pytest.mark.parametrize("permissions", [GOOD, Permissions(), Permissions(ip_limited=False)])
def test_what_does_no_harm_or_is_not_known_is_not_refused(permissions: Permissions) -> None:
    """Unknown is a warning."""
    refuse("main", "Binance", permissions)


@pytest.mark.parametrize(
    ("permissions", "grades"),
    [
        (GOOD, [Grade.GOOD, Grade.GOOD]),
        (Permissions(trading=True, withdrawals=False, ip_limited=False), [Grade.GOOD, Grade.WARNING]),
        (Permissions(trading=True), [Grade.WARNING]),
        (None, [Grade.WARNING]),
    ],
)
def test_findings_of_a_key(permissions: Permissions | None, grades: list[Grade]) -> None:
    """Every warning says what to do."""
    found = key_findings("Binance", Mode.LIVE, permissions)
    assert [each.grade for each in found] == grades
    assert all(each.remedy for each in found if each.grade is not Grade.GOOD)


@pytest.mark.parametrize(
    ("seconds", "grade", "text"),
    [
        (0.0, Grade.GOOD, "agree within 0.0 s"),
        (-0.9, Grade.GOOD, "agree within 0.9 s"),
        (10.0, Grade.WARNING, "10 s behind the venue's"),
        (-3.25, Grade.WARNING, "3.2 s ahead of the venue's"),
        (None, Grade.WARNING, "could not be compared"),
    ],
)
def test_the_clock(seconds: float | None, grade: Grade, text: str) -> None:
    """Which side is early is told from this machine's view: that is the clock that can be mended."""
    found = clock_finding(None if seconds is None else timedelta(seconds=seconds))
    assert (found.grade, text in found.text) == (grade, True), found.text


@pytest.mark.parametrize("mode", list(Mode))
def test_a_key_that_is_not_taken(mode: Mode) -> None:
    """All that can be wrong is said, the other modes first of all, and what the venue says."""
    text = str(key_refused("main", "Binance", mode, "Invalid API-key, IP, or permissions for action."))
    others = {"live": "real money", "testnet": "testnet", "demo": "demo mode"}
    assert all(word in text for word in others.values())
    assert "Invalid API-key, IP, or permissions for action." in text
    assert others[mode] in mode_finding("Binance", mode, has_keys=True).text
    assert "market data only" in mode_finding("Binance", mode, has_keys=False).text
