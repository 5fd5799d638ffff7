"""Lets go of most of what a venue tells of its markets, once ccxt has read it: there are thousands of them.

Binance's list of 3,000 symbols takes 40 MB as ccxt keeps it: every word of the venue, and each market twice.
"""

from __future__ import annotations

from typing import Any


def forgetful(exchange: Any, words: frozenset[str] | None) -> None:
    """From now on only these `words` of a market's own description (None: all) are kept once it is read.

    Each is cut as soon as it has been read, so that the next one takes its room.
    """
    if words is None:
        return
    parse = exchange.parse_market

    def parse_market(raw: Any) -> Any:
        found = parse(raw)
        info = found.get("info") if isinstance(found, dict) else None
        if isinstance(info, dict):
            for word in info.keys() - words:
                del info[word]
        return found

    exchange.parse_market = parse_market


def once(exchange: Any) -> None:
    """Keep each market once: what is known by the venue's id is what is known by the symbol."""
    for same_id in exchange.markets_by_id.values():
        if isinstance(same_id, list):
            same_id[:] = [_one(exchange.markets.get(market.get("symbol")), market) for market in same_id]


def _one(by_symbol: Any, by_id: Any) -> Any:
    """The market as it is known by its symbol, if that tells all that the other one tells."""
    return by_symbol if _tells(by_symbol, by_id) else by_id


def _tells(whole: Any, part: Any) -> bool:
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(name in whole and _tells(whole[name], value) for name, value in part.items())
    return bool(whole == part)
