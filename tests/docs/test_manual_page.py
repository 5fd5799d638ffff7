"""Every example of an order, in the guide and in /help, is one that the parser reads."""

import re

import pytest
from pages import DOCS, read

from bot.order_help import CLOSE_WORDS, EXIT_WORDS, ORDER_WORDS
from core.trading.by_hand.grammar import read_exits, read_slip, slip_words
from core.trading.by_hand.slip import Verb

PAGE = read(DOCS / "manual-trading.md")
EXAMPLES = [
    line
    for text in (PAGE, ORDER_WORDS, CLOSE_WORDS)
    for line in re.findall(r"^/(?:buy|sell|close) .+$", text, re.MULTILINE)
]
WORDS = re.findall(r"`((?:limit|stop|take|trail|@|gtd|with) [^`A-Z]*)`|`(?:gtc|ioc|fok)`", PAGE)


def test_there_are_examples():
    """Or the others would prove nothing."""
    assert len(EXAMPLES) >= 20
    assert len(WORDS) >= 15


@pytest.mark.parametrize("line", sorted(set(EXAMPLES)))
def test_every_example_is_read(line):
    """And written back as the same order."""
    verb, *words = line[1:].split()
    slip = read_slip(Verb(verb), words)
    assert read_slip(Verb(verb), slip_words(slip)) == slip


@pytest.mark.parametrize("words", sorted({each for each in WORDS if each}))
def test_every_word_of_the_tables_is_known(words):
    """Behind a symbol and a size."""
    read_slip(Verb.BUY, ["AAPL", "10", *words.split()])


@pytest.mark.parametrize("line", re.findall(r"^/exits (.+)$", EXIT_WORDS, re.MULTILINE))
def test_exits_of_the_help(line):
    """Whose and what, then the exits."""
    words = re.sub(r"^(?:trend-aapl )?AAPL ?", "", line).split()
    assert not words or read_exits(words) is not False
