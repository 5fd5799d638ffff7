"""The gate's answer. `Approved` is a permit: only `risk.gate` can make one, and orders need one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NoReturn

from risk.intent import OrderIntent


@dataclass(frozen=True, slots=True)
class Denied:
    """Why an intent may not trade.

    `code` is stable and upper-case; `limit` and `value` are what was compared, as text with their unit;
    `largest_passing` is the largest quantity that this rule would let pass (zero if none).
    """

    code: str
    reason: str
    limit: str
    value: str
    largest_passing: Decimal


_SEAL = object()


class Approved:
    """An intent that has passed every rule at `at`. Cannot be made outside the gate, copied or changed.

    Copying, pickling, subclassing and assigning raise `TypeError`. An intent does not change either.
    """

    __slots__ = ("_at", "_intent")
    _at: datetime
    _intent: OrderIntent

    def __init__(self, intent: OrderIntent, at: datetime, *, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only risk.gate.RiskGate.review makes an Approved")
        object.__setattr__(self, "_intent", intent)
        object.__setattr__(self, "_at", at)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise TypeError(f"an Approved does not change: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise TypeError(f"an Approved does not change: {name}")

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("an Approved has no subclasses")

    def __copy__(self) -> NoReturn:
        raise TypeError("an Approved is used once, not copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("an Approved is used once, not copied")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an Approved does not leave the process: ask the gate again")

    @property
    def intent(self) -> OrderIntent:
        """What was approved."""
        return self._intent

    @property
    def at(self) -> datetime:
        """When the view that it was judged by was taken."""
        return self._at

    def __repr__(self) -> str:
        return f"Approved({self._intent!r})"


Verdict = Approved | Denied
