"""The next page of a list that begins with the newest."""

from __future__ import annotations

from collections.abc import Sequence

from brokers.ccxt.calls import Call, Raw


def older(call: Call, page: Sequence[Raw]) -> Call | None:
    """`call` again, for what came before the oldest of a page (which comes once more); None if nothing has a time."""
    times = [int(raw["timestamp"]) for raw in page if raw.get("timestamp")]
    if not times:
        return None
    *args, words = call.args
    return Call(call.method, (*args, {**words, "until": min(times) + 1}))


def further(call: Call, page: Sequence[Raw], word: str) -> Call:
    """`call` again, from where a page ended, counted in items under the venue's `word`."""
    *args, words = call.args
    return Call(call.method, (*args, {**words, word: int(words.get(word, 0)) + len(page)}))
