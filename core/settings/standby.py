"""Which account takes over when the broker of another is down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import Field

from core.settings.section import Section

_LIVE = "live"


class StandbySettings(Section):
    """The account where strategies trade on while their own broker is down, if it is certain that they are flat."""

    account: str = Field(description="The account that takes over.")
    after_seconds: float = Field(300, ge=10, le=86_400, description="How long the broker has to be down before.")


@dataclass(frozen=True, slots=True)
class Account:
    """What counts of the settings of an account here; `mode` is its broker's, empty for a simulated one."""

    currency: str
    mode: str
    standby: StandbySettings | None = None


def problems(accounts: Mapping[str, Account]) -> Iterator[str]:
    """What is wrong with who stands by for whom, with what to write."""
    for name, account in accounts.items():
        if account.standby is not None:
            yield from (f"{name}.standby: {problem}" for problem in _of(name, account, account.standby, accounts))


def _of(name: str, account: Account, standby: StandbySettings, accounts: Mapping[str, Account]) -> Iterator[str]:
    other = accounts.get(standby.account)
    if other is None:
        yield f"there is no account called {standby.account!r}; write one of: {', '.join(accounts)}"
        return
    if standby.account == name:
        yield "an account cannot stand by for itself; name another"
        return
    if other.standby is not None:
        yield f"{standby.account} has a standby of its own; nobody stands by for who stands by, so take that one out"
    if account.currency != other.currency:
        yield f"{standby.account} is kept in {other.currency}, {name} in {account.currency}; name one in the same"
    if (here := _money(account)) != (there := _money(other)):
        yield f"{standby.account} trades {there}, {name} {here}; name one with the same kind of money"


def _money(account: Account) -> str:
    """Whose money it is: nothing moves from one kind to another."""
    if not account.mode:
        return "simulated money"
    return "real money" if account.mode == _LIVE else "test money"
