"""What stands between a person and what is dangerous, beyond their role: put together once, used by the dispatcher."""

from __future__ import annotations

from dataclasses import dataclass

from core.access.approvals import Approvals
from core.access.rates import Rates
from core.access.totp import SecondFactors
from core.settings.security import SecuritySettings


@dataclass(frozen=True, slots=True)
class Safeguards:
    """Codes, second persons and rates, with the settings that say when."""

    factors: SecondFactors
    approvals: Approvals
    rates: Rates
    settings: SecuritySettings
