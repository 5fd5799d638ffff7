"""The matching engine of a simulated venue: (state, order or tick) -> draft of what changes.

Pure, synchronous, deterministic. The rules of the market:

* An order meets only ticks later than its placing plus the latency; never the one that was current. A cancel or a
  change with a latency of its own takes effect on the first tick later than that: until then the order fills as it was.
* An order that arrives and reaches the touch takes: level by level from the book of that tick, one fill for each
  level, each price worsened by the slippage and never beyond the limit.
* An order that rests fills at exactly its limit, when the market trades strictly through it, even when an opening
  tick gaps through; with the queue model also at the limit, once what was displayed there before it has traded.
* Conditional orders wake when the last price reaches their trigger and go on at that same tick.
* IOC and FOK orders are decided on the first tick on which they are live; a halt or closed market ends them unfilled.
* The first tick of an open market that an order meets opens its trading day. A DAY order expires on the first tick of
  a later day, a GTD order on the first tick at or after its time, before anything fills.
* All our fills of one tick together take at most `max_participation` of its volume, in order of arrival.
* Halted and crossed ticks fill and trigger nothing. Ticks not newer than the last one are ignored.
* Funding and interest that fell due are paid before a tick's fills; margins are looked at after them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal, localcontext

from brokers.account import FlowKind
from brokers.errors import Rejected
from brokers.instrument import Settlement
from brokers.money import ZERO
from brokers.order import Fill, Liquidity, OrderRequest, Side, TimeInForce, VenueOrderState
from brokers.simulation import charges, funds, linked, liquidation, rules
from brokers.simulation.billing import Bill, bill
from brokers.simulation.fees import Fees
from brokers.simulation.offer import Match, Offer
from brokers.simulation.source import Tick
from brokers.simulation.state import Activity, BookOrder, Change, Draft, State
from brokers.simulation.terms import SelfTrade, Terms
from brokers.simulation.triggers import followed, is_reached

PRECISION = 60
"""Digits of the decimal context: products of any two prices and quantities stay exact."""

SELF_TRADE = "SELF_TRADE: it would meet an order of this account"
CANCEL_PENDING = "CANCEL_PENDING: the cancel is on its way"
MODIFY_PENDING = "MODIFY_PENDING: the change is on its way"

_IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)


class Engine:
    """Applies `terms` to orders and ticks. Nothing is changed: every method returns a draft."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    def place(self, state: State, request: OrderRequest, at: datetime) -> Draft:
        """Accept an order for the venue's own instrument, or raise `Rejected`."""
        with localcontext(prec=PRECISION):
            rules.check_offered(self.terms, request, at)
            tick = state.ticks.get(request.instrument.symbol)
            reserve = self._reserve(request, tick)
            self._check(request, reserve, tick)
            draft = Draft(state)
            rules.check_room(self.terms.limits, draft, request)
            draft.sequence += 1
            order = BookOrder(
                request=request,
                sequence=draft.sequence,
                placed_at=at,
                active_from=at + self.terms.latency.of_place(request.client_order_id),
                updated_at=at,
                reserve=reserve,
                arrival_price=None if tick is None else tick.mid,
                best=tick.last if request.type.is_trailing and tick is not None else None,
            )
            rules.check_funds(draft, self.terms, order)
            draft.put(order)
            return draft

    def cancel(self, state: State, order: BookOrder, at: datetime) -> Draft:
        """Cancel what is left of an open order, now or when the message has arrived."""
        draft = Draft(state)
        order = replace(order, updated_at=at)
        if order.cancel_due is not None:
            draft.tell(order, reason=CANCEL_PENDING)
        elif delay := self.terms.latency.of_cancel(order.id, order.messages):
            draft.tell(replace(order, cancel_due=at + delay, messages=order.messages + 1), reason=CANCEL_PENDING)
        else:
            draft.close(order, VenueOrderState.CANCELLED, "cancelled on request")
        return draft

    def modify(
        self,
        state: State,
        order: BookOrder,
        at: datetime,
        *,
        quantity: Decimal | None,
        limit_price: Decimal | None,
        stop_price: Decimal | None,
    ) -> Draft:
        """Change an open order, now or when the message has arrived; refused at once if it breaks a rule now."""
        with localcontext(prec=PRECISION):
            draft = Draft(state)
            delay = self.terms.latency.of_modify(order.id, order.messages)
            change = Change(at + delay, quantity, limit_price, stop_price)
            if change.is_empty:
                raise Rejected("INVALID_ORDER", "a modification needs a quantity, a limit price or a stop price")
            change = change.over(order.change)
            order = replace(order, updated_at=at)
            changed = self._changed(draft, order, change)
            if delay:
                draft.tell(replace(order, change=change, messages=order.messages + 1), reason=MODIFY_PENDING)
            else:
                draft.tell(changed, reason="modified on request")
            return draft

    def transfer(self, state: State, currency: str, amount: Decimal, at: datetime) -> Draft:
        """Money paid in (`amount` > 0) or out. Raises `Rejected` when it is not there or positions need it."""
        with localcontext(prec=PRECISION):
            draft = Draft(state)
            if not self.terms.trades(currency):
                raise Rejected("CURRENCY_MISMATCH", f"the account does not hold {currency}")
            kind = FlowKind.DEPOSIT if amount > 0 else FlowKind.WITHDRAWAL
            draft.flow(kind, currency, amount, at)
            if amount < 0:
                self._check_withdrawal(draft, currency)
            return draft

    def tick(self, state: State, tick: Tick) -> Draft | None:
        """Everything that `tick` does to the account; None when it is not newer."""
        last = state.ticks.get(tick.symbol)
        if last is not None and tick.at <= last.at:
            return None
        with localcontext(prec=PRECISION):
            draft = Draft(state, tick)
            charges.accrue(draft, self.terms, tick.at)
            offer: Offer | None = None
            if state.orders:
                self._time_passes(draft, tick.at)
                offer = self._meet_all(draft, tick)
            if state.holdings or draft.holdings or state.told:
                self._review(draft, tick, offer)
            draft.activity = self._activity(state, tick)
            return draft

    # --- placing and changing ------------------------------------------------------------------------

    def _check(self, request: OrderRequest, reserve: Decimal, tick: Tick | None) -> None:
        rules.check_filters(request, reserve)
        rules.check_limits(self.terms.limits, request, reserve, tick)
        rules.check_post_only(request, tick)

    def _reserve(self, request: OrderRequest, tick: Tick | None) -> Decimal:
        known = request.limit_price or request.stop_price
        if known is not None:
            return known
        if tick is None:
            raise Rejected("NO_PRICE", f"there is no market in {request.instrument.symbol} yet")
        touch = tick.ask if request.side is Side.BUY else tick.bid
        return self.terms.slippage.taken(touch, request.side, request.instrument, quantity=request.quantity)

    def _changed(self, draft: Draft, order: BookOrder, change: Change) -> BookOrder:
        """`order` with `change`, which arrives anew if its price moves. Raises `Rejected`."""
        request = _modified(order, change)
        changed = replace(order, request=request, change=None)
        if change.moves_price:
            reserve = request.limit_price or request.stop_price or order.reserve
            changed = replace(changed, reserve=reserve, arrived=False, ahead=None, active_from=change.due)
        elif request.quantity > order.request.quantity:  # more than was queued up for goes to the end of the queue
            changed = replace(changed, arrived=changed.arrived and changed.ahead is None)
        self._check(request, changed.reserve, draft.latest(order.symbol))
        rules.check_funds(draft, self.terms, changed)
        return changed

    def _check_withdrawal(self, draft: Draft, currency: str) -> None:
        left = draft.cash[currency]
        free = left - funds.locked(draft, self.terms, currency)
        room = funds.equity(draft, self.terms) * self.terms.leverage
        room -= funds.exposure(draft, self.terms, draft.open_orders())
        if free < 0 or room < 0:
            raise Rejected("INSUFFICIENT_FUNDS", f"{left} {currency} would be left, and positions and orders need more")

    # --- a tick --------------------------------------------------------------------------------------

    def _time_passes(self, draft: Draft, at: datetime) -> None:
        """Messages that have arrived by now take effect, and times of expiry are over, for every instrument."""
        for order in draft.each():
            if order.cancel_due is not None and order.cancel_due < at:
                draft.close(order, VenueOrderState.CANCELLED, "cancelled on request")
            elif order.request.expires_at is not None and order.request.expires_at <= at:
                draft.close(order, VenueOrderState.EXPIRED, "its time is over")
            elif order.change is not None and order.change.due < at:
                self._apply_change(draft, order, order.change)

    def _apply_change(self, draft: Draft, order: BookOrder, change: Change) -> None:
        try:
            draft.tell(self._changed(draft, order, change), reason="modified on request")
        except Rejected as refusal:
            draft.tell(replace(order, change=None), reason=f"MODIFY_REJECTED: {refusal}")

    def _meet_all(self, draft: Draft, tick: Tick) -> Offer | None:
        """Every order that the tick concerns meets it; what they left of it, None if there were none."""
        offer: Offer | None = None
        for order in draft.each(tick.symbol):
            if tick.at > order.active_from and not order.is_venues_own:
                offer = offer or self._offer(draft, order, tick)
                self._meet(draft, order, offer)
        return offer

    def _offer(self, draft: Draft, order: BookOrder, tick: Tick) -> Offer:
        activity = draft.state.activity.get(tick.symbol)
        return Offer(tick, order.request.instrument, self.terms, None if activity is None else activity.daily)

    def _review(self, draft: Draft, tick: Tick, offer: Offer | None) -> None:
        """Look at the margin; the venue's own order takes of what ours have left."""
        own = liquidation.review(draft, self.terms, tick)
        if own is not None and tick.is_tradable and self.terms.sessions.is_open(tick.at):
            self._take(draft, own, offer or self._offer(draft, own, tick))

    def _activity(self, state: State, tick: Tick) -> Activity | None:
        """How much is traded, where the slippage asks for it."""
        if not self.terms.slippage.measures_volume:
            return None
        day = self.terms.sessions.day(tick.at)
        known = state.activity.get(tick.symbol)
        return (known or Activity(day)).after(tick, day)

    def _meet(self, draft: Draft, order: BookOrder, offer: Offer) -> None:
        """One order meets one tick."""
        tick, force = offer.tick, order.request.time_in_force
        if not self.terms.sessions.is_open(tick.at):
            return self._end_immediate(draft, order, "the market is closed")
        if order.session is None:
            order = draft.put(replace(order, session=self.terms.sessions.day(tick.at)))
        elif force is TimeInForce.DAY and self.terms.sessions.day(tick.at) > order.session:
            draft.close(order, VenueOrderState.EXPIRED, "the trading day is over")
            return None
        if not tick.is_tradable:
            return self._end_immediate(draft, order, "trading is halted")
        return self._trade(draft, order, offer) if offer.is_met else None

    def _end_immediate(self, draft: Draft, order: BookOrder, reason: str) -> None:
        if order.request.time_in_force in _IMMEDIATE:
            draft.close(order, VenueOrderState.EXPIRED, reason)

    def _trade(self, draft: Draft, order: BookOrder, offer: Offer) -> None:
        if not order.is_live:
            if not is_reached(order, offer.tick.last):
                _follow(draft, order, offer.tick)
                return
            order = draft.tell(replace(order, triggered=True), reason=_woken(order))
        order = self._rest(draft, order, offer) if order.is_resting else self._arrive(draft, order, offer)
        if order.state.is_open and order.request.time_in_force in _IMMEDIATE:
            draft.close(order, VenueOrderState.EXPIRED, f"{order.request.time_in_force}: not filled at once")

    def _arrive(self, draft: Draft, order: BookOrder, offer: Offer) -> BookOrder:
        """An order reaches the market: it takes what it meets, and rests with the rest if it has a limit."""
        meets = offer.meets(order.request)
        if order.request.post_only and meets:
            return draft.close(order, VenueOrderState.CANCELLED, "POST_ONLY_WOULD_TAKE")
        order = self._prevent_self_trade(draft, order, offer)
        if order.state.is_open and meets:
            order = self._take(draft, order, offer)
        if order.state.is_open and order.request.type.has_limit:
            order = draft.put(replace(order, arrived=True, ahead=offer.queue_ahead(order)))
        return order

    def _prevent_self_trade(self, draft: Draft, order: BookOrder, offer: Offer) -> BookOrder:
        mode = self.terms.self_trade
        rivals = [other for other in draft.each(order.symbol) if _would_meet(order, other, offer)]
        if rivals and mode is not SelfTrade.CANCEL_NEWEST:
            for rival in rivals:
                draft.close(rival, VenueOrderState.CANCELLED, SELF_TRADE)
        if rivals and mode is not SelfTrade.CANCEL_OLDEST:
            return draft.close(order, VenueOrderState.CANCELLED, SELF_TRADE)
        return order

    def _take(self, draft: Draft, order: BookOrder, offer: Offer) -> BookOrder:
        """Walk the book, one fill for each level."""
        steps = offer.walk(order)
        if order.request.time_in_force is TimeInForce.FOK and not self._fills_whole(draft, order, steps):
            return order
        for step in steps:
            order = self._fill(draft, order, step, offer)
            if not order.state.is_open:
                break
        return order

    def _rest(self, draft: Draft, order: BookOrder, offer: Offer) -> BookOrder:
        found, ahead = offer.rest(order)
        if ahead != order.ahead:
            order = draft.put(replace(order, ahead=ahead))
        return order if found is None else self._fill(draft, order, found, offer)

    def _fills_whole(self, draft: Draft, order: BookOrder, steps: list[Match]) -> bool:
        if not steps or sum((step.quantity for step in steps), ZERO) < order.remaining:
            return False
        return self._allowed(draft, order, steps[-1])[0] >= order.remaining

    def _fill(self, draft: Draft, order: BookOrder, found: Match, offer: Offer) -> BookOrder:
        allowed, reason = self._allowed(draft, order, found)
        quantity = min(found.quantity, order.remaining, allowed)
        if quantity > 0:
            if found.liquidity is Liquidity.TAKER:
                offer.take(order.request.side, quantity)
            else:
                offer.spend(quantity)
            order = self._execute(draft, order, found, quantity)
        if order.state.is_open and quantity == allowed:
            return draft.close(order, VenueOrderState.CANCELLED, reason)
        return order

    def _allowed(self, draft: Draft, order: BookOrder, found: Match) -> tuple[Decimal, str]:
        """The most that may fill, whatever the market offers, and why no more."""
        request = order.request
        closable = funds.closable(draft, request.instrument, request.side)
        if request.reduce_only:
            return closable, linked.HOLDING_CLOSED
        if request.side is Side.SELL and not self.terms.shorting:
            return closable, "INSUFFICIENT_POSITION: no more is held"
        fees = self.fees(draft)
        most = funds.affordable(draft, self.terms, fees, order, found)
        return most, "INSUFFICIENT_FUNDS: no buying power is left"

    def fees(self, draft: Draft) -> Fees:
        """The schedule that counts now."""
        fees = self.terms.fees
        return fees.at(draft.traded_until(self.terms.sessions.day(draft.now))) if fees.tiers else fees

    def _execute(self, draft: Draft, order: BookOrder, found: Match, quantity: Decimal) -> BookOrder:
        """Book one fill: cash, holding, fee, order and report; then what it does to other orders."""
        request, instrument = order.request, order.request.instrument
        notional = instrument.notional(quantity, found.price)
        billed = bill(draft, self.terms, self.fees(draft), order, found, quantity)
        fill = Fill(
            fill_id=f"{order.id}-{order.fill_count + 1}",
            client_order_id=order.told_id,
            symbol=order.symbol,
            side=request.side,
            quantity=quantity,
            price=found.price,
            fee=billed.fee,
            fee_currency=billed.currency,
            liquidity=found.liquidity,
            at=draft.now,
            venue_order_id=order.venue_id,
        )
        draft.fills.append(fill)
        self._settle(draft, fill, order, notional)
        order = draft.tell(_filled(order, fill, billed, notional), (fill,))
        linked.after_fill(draft, order, fill)
        return order

    def _settle(self, draft: Draft, fill: Fill, order: BookOrder, notional: Decimal) -> None:
        instrument = order.request.instrument
        holding = draft.holding(instrument)
        margined = instrument.settlement is Settlement.MARGINED
        moved = holding.realised(fill.signed_quantity, fill.price) if margined else -fill.side.sign * notional
        assert fill.fee is not None
        draft.pay(instrument.currency, moved)
        draft.pay(fill.fee_currency, -fill.fee)
        draft.holdings[order.symbol] = holding.after(fill.signed_quantity, fill.price)
        worth = notional * funds.rate(draft, self.terms, instrument.currency)
        draft.trade(self.terms.sessions.day(fill.at), worth)


def _follow(draft: Draft, order: BookOrder, tick: Tick) -> None:
    after = followed(order, tick)
    if after is not order:
        draft.put(after)


def _woken(order: BookOrder) -> str:
    return "the take-profit was triggered" if order.request.type.takes_profit else "the stop was triggered"


def _would_meet(order: BookOrder, other: BookOrder, offer: Offer) -> bool:
    """Whether a resting order of ours is among what an arriving one reaches: within its limit, no worse than the touch.

    An order without a limit reaches the touch; so does one with a limit beyond it.
    """
    if not other.is_resting or other.request.side is order.request.side:
        return False
    price, sign = other.request.limit_price, order.request.side.sign
    assert price is not None
    limit = order.request.limit_price
    reaches_limit = limit is None or (limit - price) * sign >= 0
    return reaches_limit and ((offer.touch(order.request.side) - price) * sign >= 0 or not offer.meets(order.request))


def _filled(order: BookOrder, fill: Fill, billed: Bill, notional: Decimal) -> BookOrder:
    filled = order.filled + fill.quantity
    done = filled == order.request.quantity
    return replace(
        order,
        filled=filled,
        fill_count=order.fill_count + 1,
        fees_due=billed.due,
        fees=order.fees + billed.charged,
        traded=order.traded + notional,
        state=VenueOrderState.FILLED if done else VenueOrderState.PARTIALLY_FILLED,
        cancel_due=None if done else order.cancel_due,
        change=None if done else order.change,
    )


def _modified(order: BookOrder, change: Change) -> OrderRequest:
    """The request with its changes. Raises `Rejected` when they do not fit."""
    request = order.request
    if change.limit_price is not None and not request.type.has_limit:
        raise Rejected("INVALID_ORDER", f"a {request.type} order has no limit price")
    if change.stop_price is not None and (not request.type.has_stop or order.triggered):
        raise Rejected("INVALID_ORDER", f"this {request.type} order has no stop price that could move")
    if change.quantity is not None and change.quantity <= order.filled:
        raise Rejected("QUANTITY_BELOW_FILLED", f"{order.filled} units are filled already")
    return replace(
        request,
        quantity=request.quantity if change.quantity is None else change.quantity,
        limit_price=request.limit_price if change.limit_price is None else change.limit_price,
        stop_price=request.stop_price if change.stop_price is None else change.stop_price,
    )
