"""Symbols as people type them: in any case, and without the marks in between. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def spelt(word: str, known: Iterable[str]) -> str | None:
    """The symbol that is meant: `btcusdt` is BTC/USDT, and BTC/USDT:USDT where there is no other; None if it is none.

    What is written in full comes first, so that a short form never hides a symbol.
    """
    capitals = word.upper()
    symbols = sorted(known)
    for form in (str.upper, _letters, _pair):
        wanted = capitals if form is str.upper else _letters(capitals)
        found = [symbol for symbol in symbols if form(symbol) == wanted]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _letters(symbol: str) -> str:
    return "".join(letter for letter in symbol.upper() if letter.isalnum())


def _pair(symbol: str) -> str:
    """A perpetual without the currency that it is settled in."""
    return _letters(symbol.partition(":")[0])
