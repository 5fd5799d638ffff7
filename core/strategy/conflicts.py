"""Several strategies, one instrument: what each may have, before anything is sized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Policy(StrEnum):
    """How strategies that disagree about an instrument are brought together.

    NET: each keeps its virtual position and the account holds the sum. PRIORITY: only the wish of the first
    in the list of those who want anything counts. VETO: if two want opposite sides, nobody has anything.
    """

    NET = "net"
    PRIORITY = "priority"
    VETO = "veto"


@dataclass(frozen=True, slots=True)
class Wish:
    """The exposure, from -1 to 1, that a strategy wants; `priority` 1 comes before 2."""

    strategy: str
    exposure: float
    priority: int = 1


@dataclass(frozen=True, slots=True)
class Target:
    """The exposure that each strategy may have in `symbol`."""

    symbol: str
    exposures: Mapping[str, float]


def resolve(symbol: str, wishes: Sequence[Wish], policy: Policy) -> Target:
    """What each strategy may have of `symbol` under `policy`."""
    if policy is Policy.NET:
        allowed = {wish.strategy for wish in wishes}
    elif policy is Policy.PRIORITY:
        allowed = _first(wishes)
    else:
        sides = {wish.exposure > 0 for wish in wishes if wish.exposure != 0}
        allowed = {wish.strategy for wish in wishes} if len(sides) < 2 else set()
    return Target(symbol, {wish.strategy: wish.exposure if wish.strategy in allowed else 0.0 for wish in wishes})


def _first(wishes: Sequence[Wish]) -> set[str]:
    ranked = sorted((wish for wish in wishes if wish.exposure != 0), key=lambda wish: (wish.priority, wish.strategy))
    return {ranked[0].strategy} if ranked else set()
