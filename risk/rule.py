"""A rule: one file, one check, one code. `@rule` registers it; the gate, the help and the tests find it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from risk.case import Case
from risk.verdict import Denied

Check = Callable[[Case], Denied | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A registered rule: rules run by `order`, the cheap and the absolute ones first."""

    code: str
    title: str
    order: int
    check: Check


_RULES: dict[str, Rule] = {}


def rule(code: str, title: str, *, order: int) -> Callable[[Check], Check]:
    """Register `check` under `code`; its denials carry that code. Raises `ValueError` on a second use."""

    def register(check: Check) -> Check:
        if code in _RULES:
            raise ValueError(f"risk rule {code} is registered twice")
        _RULES[code] = Rule(code, title, order, check)
        return check

    return register


def all_rules() -> tuple[Rule, ...]:
    """Every rule in `risk.rules`, in the order in which the gate asks them."""
    import risk.rules as folder

    for module in pkgutil.iter_modules(folder.__path__):
        importlib.import_module(f"risk.rules.{module.name}")
    return tuple(sorted(_RULES.values(), key=lambda each: (each.order, each.code)))
