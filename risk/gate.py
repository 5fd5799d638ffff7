"""The gate: the one place that lets an order through. Cancels and halts never pass here."""

from __future__ import annotations

from decimal import Decimal

from brokers.money import ZERO
from risk.case import Case
from risk.intent import OrderIntent
from risk.limits import RiskLimits
from risk.metrics import Unknown
from risk.rule import Rule, all_rules
from risk.verdict import _SEAL, Approved, Denied
from risk.view import PortfolioView

GARBAGE = (ArithmeticError, TypeError, ValueError, AttributeError, LookupError)
"""What a rule raises on figures that are no figures. Anything else is a fault of ours and must be seen."""


class RiskGate:
    """Asks every rule; approves only if none objects."""

    def __init__(self, limits: RiskLimits, rules: tuple[Rule, ...] | None = None) -> None:
        self._limits = limits
        self._rules = all_rules() if rules is None else rules

    @property
    def limits(self) -> RiskLimits:
        """The limits in force."""
        return self._limits

    def use(self, limits: RiskLimits) -> None:
        """Put other limits in force, from the next review on."""
        self._limits = limits

    def review(self, intent: OrderIntent, view: PortfolioView) -> Approved | Denied:
        """Judge `intent` by `view`. The first objection decides the code; a rule that raises denies.

        The size offered in a denial has been reviewed too: `intent.resized(largest_passing)` passes.
        """
        objections = self._objections(Case(intent, view, self._limits))
        if not objections:
            return Approved(intent, view.at, seal=_SEAL)
        first = objections[0]
        largest = self._largest_passing(intent, view, objections)
        return Denied(first.code, first.reason, first.limit, first.value, largest)

    def _objections(self, case: Case) -> list[Denied]:
        """What the rules object, in their order, up to the first that no size can satisfy."""
        objections: list[Denied] = []
        for each in self._rules:
            denied = _ask(each, case)
            if denied is not None:
                objections.append(denied)
                if denied.largest_passing <= 0:
                    break
        return objections

    def _largest_passing(self, intent: OrderIntent, view: PortfolioView, objections: list[Denied]) -> Decimal:
        """The smallest size that is offered, if it passes: it may be below the venue's minimum."""
        size = intent.quantity
        while objections:
            offered = min(objection.largest_passing for objection in objections)
            if offered <= 0 or offered >= size:
                return ZERO
            size = offered
            objections = self._objections(Case(intent.resized(size), view, self._limits))
        return size


def _ask(each: Rule, case: Case) -> Denied | None:
    """A rule that cannot judge objects."""
    try:
        return each.check(case)
    except Unknown as error:
        return Denied(each.code, f"Cannot judge: {error}", "known", "unknown", case.reducing_part)
    except GARBAGE as error:  # NaN compared, a float in exact arithmetic, overflow: fail closed
        return Denied(each.code, f"Cannot judge: {error!r}", "finite numbers", "none", ZERO)
