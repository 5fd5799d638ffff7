"""The matching engine of a simulated venue: (state, order or tick) -> draft of what changes.

Pure, synchronous, deterministic. The rules of the market:

* An order meets only ticks later than its placing plus the latency; never the one that was current.
* Market orders take the touch of the next tick, worsened by slippage.
* Limit orders fill when the market trades strictly through them: at the tick's price (never beyond the
  limit) on the first tick they meet, at exactly the limit later, even when an opening tick gaps through.
* Stops trigger when the last price reaches them and go on at that same tick as market or limit orders.
* IOC and FOK orders are decided on the first tick on which they are live; a halt ends them unfilled.
* The first tick an order meets opens its trading day (the tick's UTC date). A DAY order expires on the first
  tick of a later date, before anything fills; so one placed after the close belongs to the next session.
* All our fills of one tick together take at most `max_participation` of its volume, in order of arrival.
* Halted and crossed ticks fill and trigger nothing. Ticks not newer than the last one are ignored.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, localcontext

from brokers.errors import Rejected
from brokers.money import ZERO
from brokers.order import Fill, OrderRequest, Side, TimeInForce, VenueOrderState
from brokers.simulation import funds, rules
from brokers.simulation.matching import Match, is_through, match, triggers
from brokers.simulation.source import Tick
from brokers.simulation.state import BookOrder, Draft, State
from brokers.simulation.terms import Terms

PRECISION = 60
"""Digits of the decimal context: products of any two prices and quantities stay exact."""

_IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)


class Engine:
    """Applies `terms` to orders and ticks. Nothing is changed: every method returns a draft."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    def place(self, state: State, request: OrderRequest, at: datetime) -> Draft:
        """Accept an order for the venue's own instrument, or raise `Rejected`."""
        with localcontext(prec=PRECISION):
            rules.check_offered(self.terms, request)
            tick = state.ticks.get(request.instrument.symbol)
            reserve = self._reserve(request, tick)
            self._check(request, reserve, tick)
            draft = Draft(state)
            draft.sequence += 1
            order = BookOrder(
                request=request,
                sequence=draft.sequence,
                placed_at=at,
                active_from=at + self.terms.latency,
                updated_at=at,
                reserve=reserve,
                arrival_price=None if tick is None else tick.mid,
            )
            rules.check_funds(draft, self.terms, order)
            draft.put(order)
            return draft

    def cancel(self, state: State, order: BookOrder, at: datetime) -> Draft:
        """Cancel what is left of an open order."""
        draft = Draft(state)
        _close(draft, replace(order, updated_at=at), VenueOrderState.CANCELLED, "cancelled on request")
        return draft

    def modify(
        self,
        state: State,
        order: BookOrder,
        at: datetime,
        *,
        quantity: Decimal | None,
        limit_price: Decimal | None,
    ) -> Draft:
        """Change an open order. A new limit price arrives at the venue anew; a new quantity does not."""
        with localcontext(prec=PRECISION):
            request = _modified(order, quantity, limit_price)
            tick = state.ticks.get(order.symbol)
            changed = replace(order, request=request, updated_at=at)
            if limit_price is not None:
                changed = replace(changed, reserve=limit_price, arrived=False)
                changed = replace(changed, active_from=at + self.terms.latency)
            self._check(request, changed.reserve, tick)
            draft = Draft(state)
            rules.check_funds(draft, self.terms, changed)
            draft.tell(changed, reason="modified on request")
            return draft

    def tick(self, state: State, tick: Tick) -> Draft | None:
        """Everything that `tick` does to the orders of its symbol; None when it is not newer."""
        last = state.ticks.get(tick.symbol)
        if last is not None and tick.at <= last.at:
            return None
        with localcontext(prec=PRECISION):
            draft = Draft(state, tick)
            budget = _Budget(tick, self.terms.max_participation)
            for order in tuple(state.orders.values()):
                if order.symbol == tick.symbol and tick.at > order.active_from:
                    self._meet(draft, replace(order, updated_at=tick.at), tick, budget)
            return draft

    def _check(self, request: OrderRequest, reserve: Decimal, tick: Tick | None) -> None:
        rules.check_filters(request, reserve)
        rules.check_post_only(request, tick)

    def _reserve(self, request: OrderRequest, tick: Tick | None) -> Decimal:
        known = request.limit_price or request.stop_price
        if known is not None:
            return known
        if tick is None:
            raise Rejected("NO_PRICE", f"there is no market in {request.instrument.symbol} yet")
        touch = tick.ask if request.side is Side.BUY else tick.bid
        return self.terms.slippage.taken(touch, request.side, request.instrument)

    def _meet(self, draft: Draft, order: BookOrder, tick: Tick, budget: _Budget) -> None:
        """One order meets one tick."""
        today = tick.at.astimezone(UTC).date()
        if order.session is None:
            order = draft.put(replace(order, session=today))
        elif order.request.time_in_force is TimeInForce.DAY and today > order.session:
            _close(draft, order, VenueOrderState.EXPIRED, "the trading day is over")
            return
        if tick.is_tradable:
            self._trade(draft, order, tick, budget)
        elif order.request.time_in_force in _IMMEDIATE:
            _close(draft, order, VenueOrderState.EXPIRED, "trading is halted")

    def _trade(self, draft: Draft, order: BookOrder, tick: Tick, budget: _Budget) -> None:
        if not order.is_live:
            if not triggers(order.request, tick):
                return
            order = draft.tell(replace(order, triggered=True), reason="the stop was triggered")
        if order.request.post_only and not order.arrived and is_through(order.request, tick):
            _close(draft, order, VenueOrderState.CANCELLED, "POST_ONLY_WOULD_TAKE")
            return
        found = match(order, tick, self.terms.slippage)
        if not order.arrived:
            order = draft.put(replace(order, arrived=True))
        if found is not None:
            order = self._fill(draft, order, found, budget)
        if order.state.is_open and order.request.time_in_force in _IMMEDIATE:
            _close(draft, order, VenueOrderState.EXPIRED, f"{order.request.time_in_force}: not filled at once")

    def _fill(self, draft: Draft, order: BookOrder, found: Match, budget: _Budget) -> BookOrder:
        allowed, reason = self._allowed(draft, order, found)
        quantity = budget.offer(min(order.remaining, allowed), order.request)
        if order.request.time_in_force is TimeInForce.FOK and quantity < order.remaining:
            quantity = ZERO
        if quantity > 0:
            order = self._execute(draft, order, found, quantity)
            budget.take(quantity)
        if order.state.is_open and quantity == allowed:
            return _close(draft, order, VenueOrderState.CANCELLED, reason)
        return order

    def _allowed(self, draft: Draft, order: BookOrder, found: Match) -> tuple[Decimal, str]:
        """The most that may fill, whatever the market offers, and why no more."""
        request = order.request
        closable = funds.closable(draft, request.instrument, request.side)
        if request.reduce_only:
            return closable, "REDUCE_ONLY: the holding is closed"
        if request.side is Side.SELL and not self.terms.shorting:
            return closable, "INSUFFICIENT_POSITION: no more is held"
        return funds.affordable(draft, self.terms, order, found), "INSUFFICIENT_FUNDS: no buying power is left"

    def _execute(self, draft: Draft, order: BookOrder, found: Match, quantity: Decimal) -> BookOrder:
        """Book one fill: cash, holding, fee, order and report."""
        request, instrument = order.request, order.request.instrument
        notional = instrument.notional(quantity, found.price)
        due = order.fees_due + self.terms.fees.due(notional, found.liquidity)
        fee = self.terms.fees.charge(due, order.fees)
        fill = Fill(
            fill_id=f"{order.id}-{order.fill_count + 1}",
            client_order_id=order.id,
            symbol=order.symbol,
            side=request.side,
            quantity=quantity,
            price=found.price,
            fee=fee,
            fee_currency=self.terms.currency,
            liquidity=found.liquidity,
            at=order.updated_at,
        )
        draft.fills.append(fill)
        draft.cash -= request.side.sign * notional + fee
        draft.holdings[order.symbol] = draft.holding(instrument).after(fill.signed_quantity, found.price)
        return draft.tell(_filled(order, fill, due, fee), (fill,))


class _Budget:
    """How much of one tick's volume our orders may still take; without limit when the volume is unknown."""

    def __init__(self, tick: Tick, participation: Decimal) -> None:
        self._left = None if tick.volume is None else tick.volume * participation

    def offer(self, wanted: Decimal, request: OrderRequest) -> Decimal:
        """As many whole lots of `wanted` as are left."""
        return wanted if self._left is None else min(wanted, request.instrument.floor_quantity(self._left))

    def take(self, quantity: Decimal) -> None:
        """Use `quantity` up."""
        if self._left is not None:
            self._left -= quantity


def _filled(order: BookOrder, fill: Fill, due: Decimal, fee: Decimal) -> BookOrder:
    filled = order.filled + fill.quantity
    done = filled == order.request.quantity
    return replace(
        order,
        filled=filled,
        fill_count=order.fill_count + 1,
        fees_due=due,
        fees=order.fees + fee,
        state=VenueOrderState.FILLED if done else VenueOrderState.PARTIALLY_FILLED,
    )


def _close(draft: Draft, order: BookOrder, state: VenueOrderState, reason: str) -> BookOrder:
    return draft.tell(replace(order, state=state, reason=reason))


def _modified(order: BookOrder, quantity: Decimal | None, limit_price: Decimal | None) -> OrderRequest:
    """The request with its changes. Raises `Rejected` when there are none or they do not fit."""
    request = order.request
    if quantity is None and limit_price is None:
        raise Rejected("INVALID_ORDER", "a modification needs a quantity or a limit price")
    if limit_price is not None and not request.type.has_limit:
        raise Rejected("INVALID_ORDER", f"a {request.type} order has no limit price")
    if quantity is not None and quantity <= order.filled:
        raise Rejected("QUANTITY_BELOW_FILLED", f"{order.filled} units are filled already")
    return replace(
        request,
        quantity=request.quantity if quantity is None else quantity,
        limit_price=request.limit_price if limit_price is None else limit_price,
    )
