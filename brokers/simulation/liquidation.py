"""What a venue does when an account's equity no longer carries its positions."""

from __future__ import annotations

from brokers.instrument import Settlement
from brokers.order import ClientOrderId, OrderRequest, OrderType, Side, TimeInForce, VenueOrderState
from brokers.simulation import funds
from brokers.simulation.source import Tick
from brokers.simulation.state import VENUES_OWN, BookOrder, Draft, Holding, NoticeKind
from brokers.simulation.terms import Terms

RESTORED = "LIQUIDATION: the margin is restored"
CANCELLED = "LIQUIDATION: the account has too little margin"


def review(draft: Draft, terms: Terms, tick: Tick) -> BookOrder | None:
    """Look at the margin after a tick: warn, or cancel all orders and take over the position of the tick's symbol.

    The answer is the venue's own order, which is to meet this very tick. Other positions are looked at with their own
    ticks: only there is a price to close them at. Below the maintenance margin the venue goes on until it is restored.
    """
    if not _can_fail(draft, terms):
        return None
    equity, needed = funds.equity(draft, terms), funds.maintenance(draft, terms)
    if needed > 0 and equity < needed:
        text = f"equity {equity:.2f} is below the maintenance margin {needed:.2f}: positions are closed"
        draft.notice(NoticeKind.LIQUIDATION, tick.at, text)
        _cancel_all(draft)
        holding = draft.all_holdings().get(tick.symbol)
        return None if holding is None or holding.quantity == 0 else _own_order(draft, holding, tick)
    if needed > 0 and equity < needed * terms.margin.call:
        text = f"equity {equity:.2f} is near the maintenance margin {needed:.2f}"
        draft.notice(NoticeKind.MARGIN_CALL, tick.at, text)
    elif equity < 0:
        draft.notice(NoticeKind.INSOLVENCY, tick.at, f"the account owes {-equity:.2f}: nothing is left to close")
    else:
        draft.told = None
    _stop_own(draft)
    return None


def _can_fail(draft: Draft, terms: Terms) -> bool:
    """Without leverage, shorts and margined positions nothing can be lost that is not there."""
    held = [holding for holding in draft.all_holdings().values() if holding.quantity]
    if not held:
        return draft.told is not None or any(cash < 0 for cash in draft.cash.values())
    return terms.leverage > 1 or draft.told is not None or any(_can_cost_more(holding) for holding in held)


def _can_cost_more(holding: Holding) -> bool:
    """Whether more can be lost on it than was paid for it."""
    return holding.quantity < 0 or holding.instrument.settlement is Settlement.MARGINED


def _cancel_all(draft: Draft) -> None:
    for order in list(draft.each()):
        if not order.is_venues_own:
            draft.close(order, VenueOrderState.CANCELLED, CANCELLED)


def _own_order(draft: Draft, holding: Holding, tick: Tick) -> BookOrder:
    """The venue's order for a position: the one that works, else a new one."""
    side = Side.of(-holding.quantity)
    for order in draft.each(tick.symbol):
        if order.is_venues_own and order.request.side is side:
            return order
    draft.sequence += 1
    request = OrderRequest(
        client_order_id=ClientOrderId(f"{VENUES_OWN}{draft.sequence}"),
        instrument=holding.instrument,
        side=side,
        quantity=abs(holding.quantity),
        type=OrderType.MARKET,
        time_in_force=TimeInForce.GTC,
        reduce_only=True,
    )
    order = BookOrder(
        request=request,
        sequence=draft.sequence,
        placed_at=tick.at,
        active_from=tick.at,
        updated_at=tick.at,
        reserve=tick.last,
        arrival_price=tick.mid,
    )
    return draft.tell(order, reason="LIQUIDATION")


def _stop_own(draft: Draft) -> None:
    for order in list(draft.each()):
        if order.is_venues_own:
            draft.close(order, VenueOrderState.CANCELLED, RESTORED)
