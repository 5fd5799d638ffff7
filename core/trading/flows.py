"""Money without a trade: funding, interest, dividends, deposits, fees. Whose it is, and the posting."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext

from brokers.account import CashFlow, FlowKind
from brokers.money import ZERO, exact
from core.trading.ledger import COST_STEP, EXACT, EXTERNAL, ROUNDING, Entry, Posting, solid

INCOME = ("funding", "interest", "dividend", "other")


def flow_ref(account: str, flow: CashFlow) -> str:
    """What the ledger knows the flow by: a venue's flow id is unique within the account."""
    return f"flow:{account}:{flow.flow_id}"


def flow_posting(account: str, flow: CashFlow, held: Mapping[str, Decimal]) -> Posting:
    """The posting of `flow`. `held` are the signed units of its symbol that each strategy had when it happened."""
    amount = exact(flow.amount, f"flow {flow.flow_id}")
    entries = [Entry(f"cash/{account}", flow.currency, amount)]
    if flow.kind.is_capital:
        entries.append(Entry(f"deposits/{account}", flow.currency, -amount))
    else:
        name = "fees" if flow.kind is FlowKind.FEE else flow.kind.value
        entries.extend(
            Entry(f"{name}/{account}/{strategy}/{flow.symbol}", flow.currency, -part)
            for strategy, part in flow_shares(amount, held).items()
        )
    kind = "charge" if flow.kind is FlowKind.FEE else flow.kind.value  # a "fee" is that of a fill
    return Posting(flow_ref(account, flow), kind, solid(entries))


def flow_shares(amount: Decimal, held: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """`amount` divided in proportion to signed units, exactly: who is short receives what who is long pays.

    With no net position it is nobody's here: EXTERNAL's. The last in name order takes what rounding leaves.
    """
    with localcontext(EXACT):
        net = sum(held.values(), ZERO)
        names = [name for name in sorted(held) if held[name]]
        if not net:
            return {EXTERNAL: amount}
        found, left = {}, amount
        for name in names[:-1]:
            found[name] = _portion(amount, held[name], net)
            left -= found[name]
        return {**found, names[-1]: left}


def _portion(amount: Decimal, part: Decimal, net: Decimal) -> Decimal:
    with localcontext(ROUNDING):
        return (amount * part / net).quantize(COST_STEP)
