"""The ends of lists: what comes after a page, and where a list that begins at a time has to end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from brokers.ccxt.calls import Call, Raw


def older(call: Call, page: Sequence[Raw]) -> Call | None:
    """`call` again, for what came before the oldest of a page (which comes once more); None if nothing has a time."""
    times = [int(raw["timestamp"]) for raw in page if raw.get("timestamp")]
    if not times:
        return None
    *args, words = call.args
    return Call(call.method, (*args, {**words, "until": min(times) + 1}))


def by_number(call: Call, page: Sequence[Raw]) -> Call | None:
    """The executions from the last one's number on (which comes once more), where a page is of one moment: no time
    tells what comes after it. None for any other page, and for any other list.
    """
    if call.method != "fetch_my_trades" or len({raw.get("timestamp") for raw in page}) > 1:
        return None
    symbol, _, limit, words = call.args
    kept = {word: value for word, value in words.items() if word not in ("until", "orderId")}
    return Call(call.method, (symbol, None, limit, {**kept, "fromId": max(int(raw["id"]) for raw in page)}))


def within(window: timedelta, since: int) -> dict[str, int]:
    """What keeps a list that begins at `since` (ms) inside one window: the end is its last millisecond."""
    return {"until": since + window // timedelta(milliseconds=1) - 1}


def onward(call: Call, page: Sequence[Raw]) -> Call | None:
    """`call` again, from where the venue says that a page ends; None where it says that nothing follows."""
    mark = cursor(page)
    *args, words = call.args
    return Call(call.method, (*args, {**words, "cursor": mark})) if mark else None


def cursor(page: Sequence[Raw]) -> str:
    """The venue's mark of where a page ends, which ccxt keeps with one of its items; empty on the last one."""
    return next((str(mark) for raw in page if (mark := raw.get("info", {}).get("nextPageCursor"))), "")


def further(call: Call, page: Sequence[Raw], word: str) -> Call:
    """`call` again, from where a page ended, counted in items under the venue's `word`."""
    *args, words = call.args
    return Call(call.method, (*args, {**words, word: int(words.get(word, 0)) + len(page)}))
