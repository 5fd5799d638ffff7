"""The fault script: what goes wrong, where and how often. Every case of the reference has a name in `REST` or `STREAM`.

A route is a pattern ("POST /api/v3/order", "* /api/v3/*"); a stream's is "STREAM user spot", "STREAM market spot" …
`_before` means that the request has no effect, `_after` that it took effect and only the answer is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from fnmatch import fnmatchcase
from typing import Any

from tests.venues.binance.errors import Refusal


class Manner(Enum):
    """How a request ends."""

    ANSWER = auto()
    DROP = auto()
    HANG = auto()
    CUT = auto()
    TRUNCATE = auto()
    EMPTY = auto()
    DELAY = auto()
    HANDLER = auto()


@dataclass(frozen=True, slots=True)
class Mischief:
    """One kind of fault: whether the request takes effect, and how it ends. `says` is a body of its own."""

    executes: bool
    manner: Manner
    status: int = 200
    says: str | Refusal = ""


HTML_502 = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>"
HTML_403 = (
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN">\n<HTML><HEAD><TITLE>ERROR: The request could not be'
    " satisfied</TITLE></HEAD><BODY><H1>403 ERROR</H1>Request blocked.</BODY></HTML>"
)
UNKNOWN_503 = "Unknown error, please check your request or try again later."
INTERNAL_503 = "Internal error; unable to process your request. Please try again."
TIMEOUT_1007 = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
UNEXPECTED_1006 = "An unexpected response was received from the message bus. Execution status unknown."
OVERLOADED_1008 = "Server is currently overloaded with other requests. Please try again in a few minutes."
DISCONNECTED_1001 = "Internal error; unable to process your request. Please try again."
UNKNOWN_1000 = "An unknown error occurred while processing the request."


def _json(code: int, text: str, status: int) -> Refusal:
    return Refusal(code, text, status=status)


_UNKNOWN: dict[str, tuple[Manner, int, str | Refusal]] = {
    "drop": (Manner.DROP, 0, ""),
    "hang": (Manner.HANG, 0, ""),
    "http_504": (Manner.ANSWER, 504, _json(-1007, TIMEOUT_1007, 504)),
    "http_408": (Manner.ANSWER, 408, _json(-1007, TIMEOUT_1007, 408)),
    "code_1006": (Manner.ANSWER, 500, _json(-1006, UNEXPECTED_1006, 500)),
    "code_1000": (Manner.ANSWER, 500, _json(-1000, UNKNOWN_1000, 500)),
    "code_1001": (Manner.ANSWER, 500, _json(-1001, DISCONNECTED_1001, 500)),
    "html_502": (Manner.ANSWER, 502, HTML_502),
    "http_503_unknown": (Manner.ANSWER, 503, _json(-1000, UNKNOWN_503, 503)),
    "cut": (Manner.CUT, 200, ""),
    "truncated": (Manner.TRUNCATE, 200, ""),
    "empty": (Manner.EMPTY, 200, ""),
}
# Valid JSON of a shape that nobody expects; what comes of it depends on the question.
_SHAPES = {"list_after": "[]", "object_after": "{}", "word_after": '"ok"', "number_after": "1"}

REST: dict[str, Mischief] = {
    **{f"{name}_after": Mischief(True, manner, status, says) for name, (manner, status, says) in _UNKNOWN.items()},
    **{
        f"{name}_before": Mischief(False, manner, status, says)
        for name, (manner, status, says) in _UNKNOWN.items()
        if manner not in {Manner.CUT, Manner.TRUNCATE, Manner.EMPTY}
    },
    **{name: Mischief(True, Manner.ANSWER, 200, body) for name, body in _SHAPES.items()},
    "http_503_unavailable": Mischief(False, Manner.ANSWER, 503, "Service Unavailable."),
    "http_503_internal": Mischief(False, Manner.ANSWER, 503, _json(-1001, INTERNAL_503, 503)),
    "http_403_waf": Mischief(False, Manner.ANSWER, 403, HTML_403),
    "code_1008": Mischief(False, Manner.ANSWER, 503, _json(-1008, OVERLOADED_1008, 503)),
    "code_1021": Mischief(
        False, Manner.ANSWER, 400, _json(-1021, "Timestamp for this request is outside of the recvWindow.", 400)
    ),
    "code_1022": Mischief(False, Manner.ANSWER, 400, _json(-1022, "Signature for this request is not valid.", 400)),
    "code_2015": Mischief(
        False, Manner.ANSWER, 401, _json(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    ),
    "code_1015": Mischief(
        False, Manner.ANSWER, 429, _json(-1015, "Too many new orders; current limit is 50 orders per TEN_SECONDS.", 429)
    ),
    "limit_429": Mischief(False, Manner.HANDLER),  # retry_after=1: refuses everything until then
    "ban_418": Mischief(False, Manner.HANDLER),  # retry_after=120: the same, as a ban of the address
    "error": Mischief(False, Manner.HANDLER),  # status=400, code=, msg=, executes=False
    "delay": Mischief(True, Manner.DELAY),  # seconds=: takes effect at once, is answered late
    "delay_before": Mischief(True, Manner.DELAY),  # seconds=: takes effect late
    "lagging": Mischief(True, Manner.HANDLER),  # seconds=10: a query does not know younger orders and trades
    "false_cancel": Mischief(True, Manner.HANDLER),  # a cancel says CANCELED, and the order stays open
    "fill_first": Mischief(True, Manner.HANDLER),  # quantity=all: fills before the cancel (or replacing) arrives
    "new_order_fails": Mischief(True, Manner.HANDLER),  # code=, msg=: the second half of a cancel-replace is refused
}

STREAM = frozenset({"lose", "miss", "silent", "duplicate", "delay", "reorder", "terminate", "shutdown"})
"""lose: the connection breaks and the event is gone; miss: only the event is gone; silent: nothing is said any more, pings
neither; duplicate: sent twice; delay: sent `seconds` late; reorder: sent after the next one; terminate: the subscription
ends with `eventStreamTerminated` instead; shutdown: `serverShutdown`, and the connection closes."""


@dataclass(slots=True)
class Plan:
    """One planned fault. `times` None lasts until cleared; the first `skip` that fit pass; `match` are parameters."""

    route: str
    fault: str
    times: int | None = 1
    skip: int = 0
    match: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    used: int = 0

    def fits(self, route: str, params: Mapping[str, Any]) -> bool:
        """Whether it is about this request or event."""
        known = (str(params.get(name)) == str(value) for name, value in self.match.items())
        return fnmatchcase(route, self.route) and all(known)

    def seconds(self, usual: float) -> float:
        """The option `seconds`."""
        return float(self.options.get("seconds", usual))

    @property
    def mischief(self) -> Mischief:
        """What kind it is (REST only)."""
        return REST[self.fault]


class Script:
    """All planned faults, looked through in the order of planning."""

    def __init__(self) -> None:
        self._plans: list[Plan] = []

    def plan(
        self,
        route: str,
        fault: str,
        *,
        times: int | None = 1,
        skip: int = 0,
        match: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Plan:
        """Let `fault` happen to the next `times` requests (or events) of `route`."""
        names = STREAM if route.startswith("STREAM") else REST.keys()
        if fault not in names:
            raise ValueError(f"no fault {fault!r} of {route}; there are {', '.join(sorted(names))}")
        plan = Plan(route, fault, times, skip, dict(match or {}), options)
        self._plans.append(plan)
        return plan

    def take(self, route: str, params: Mapping[str, Any]) -> Plan | None:
        """The fault for this request or event, counted as used."""
        for plan in self._plans:
            if plan.fits(route, params):
                if plan.skip > 0:
                    plan.skip -= 1
                    continue
                plan.used += 1
                if plan.times is not None and plan.used >= plan.times:
                    self._plans.remove(plan)
                return plan
        return None

    def lasts(self, route: str, fault: str) -> bool:
        """Whether `fault` lies on `route` now; counts as no use."""
        return any(plan.fault == fault and fnmatchcase(route, plan.route) and plan.skip == 0 for plan in self._plans)

    def clear(self, route: str = "*") -> None:
        """Forget what is planned for `route` (a pattern over the planned routes)."""
        self._plans = [plan for plan in self._plans if not fnmatchcase(plan.route, route)]

    @property
    def waiting(self) -> int:
        """How many plans are left."""
        return len(self._plans)
