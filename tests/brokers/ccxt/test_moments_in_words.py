"""A venue's own words as people read them: moments are times of day."""

import pytest

from brokers.ccxt.dialect import Answer
from brokers.ccxt.outcomes import said
from brokers.ccxt.words import dated


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("IP banned until 1795297505016. Please use WebSocket.", "IP banned until 21:45:05 UTC. Please use WebSocket."),
        ("order 8389765001 and 3000000033225001 stay", "order 8389765001 and 3000000033225001 stay"),
        ("a quantity of 1000000000000", "a quantity of 1000000000000"),
        ("", ""),
    ],
)
def test_moments(text: str, read: str) -> None:
    """Milliseconds since 1970, and no other number."""
    assert dated(text) == read


def test_a_ban_says_until_when() -> None:
    """In what people see of an order that is refused for it."""
    text = said(RuntimeError(), Answer(), "-1003", "Way too much request weight used; IP banned until 1795297505016.")
    assert text == "Way too much request weight used; IP banned until 21:45:05 UTC. (-1003)"
