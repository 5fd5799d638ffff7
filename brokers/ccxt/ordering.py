"""Places, cancels and changes orders at a venue, and is honest about what came of it.

=================================  =====================================================================
the venue                           what follows
=================================  =====================================================================
takes it                            its report; where it tells only an id, what we asked for, working
knows the id already                the first one exists: it is looked up, and ours if it is the same
cancels what is over                `Rejected("ORDER_CLOSED")`, by its own later word
cancels with a short word           it is asked what became of it
changes half (cancels, no new one)  the report of the order that has ended, with the reason
=================================  =====================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from brokers.ccxt.calls import Call, Known, Raw
from brokers.ccxt.checks import check_notional, check_order, check_price, check_quantity, listed, same_order
from brokers.ccxt.client import CANCEL, MODIFY, PLACE, Client
from brokers.ccxt.dialect import Change
from brokers.ccxt.lookup import Lookup
from brokers.ccxt.markets import Told
from brokers.ccxt.outcomes import HalfDone
from brokers.ccxt.parsing import Reader, Unreadable
from brokers.errors import NotSupported, OrderNotFound, Rejected, Unavailable, Uncertain
from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderReport, OrderRequest
from brokers.port import ModifyBy
from brokers.urgency import urgently

_OF_RULES = frozenset({"LOT_SIZE", "PRICE_FILTER", "MIN_NOTIONAL", "INVALID_ORDER", "UNKNOWN_SYMBOL", "MARKET_CLOSED"})


class Ordering:
    """What changes something at one venue."""

    def __init__(
        self,
        client: Client,
        lookup: Lookup,
        reader: Reader,
        instruments: Mapping[str, Instrument],
        rules: Told,
    ) -> None:
        self._client = client
        self._dialect = client.dialect
        self._can = client.dialect.capabilities
        self._lookup = lookup
        self._reader = reader
        self._known = lookup.inquiry.known
        self._replaced = lookup.inquiry.replaced
        self._instruments = instruments
        self._rules = rules

    # --- placing -----------------------------------------------------------------------------------

    def check(self, order: OrderRequest) -> None:
        """Raise `Rejected` or `NotSupported` for what need not be sent to be refused."""
        check_order(order, self._can, self._instruments)
        self._dialect.refuse(order)

    async def place(self, order: OrderRequest) -> OrderReport:
        """Send one order, once."""
        self.check(order)
        if self._known.get(order.client_order_id) is not None:
            raise Rejected("DUPLICATE_ORDER", f"there is an order {order.client_order_id} already")
        call = self._dialect.place_call(order)
        self._known.begin(order)
        try:
            answer = await self._client.change(PLACE, call)
        except Rejected as refused:
            if refused.code == "DUPLICATE_ORDER":
                return await self._adopted(order, refused)
            self._known.forget(order.client_order_id)
            self._doubt_rules(refused)
            raise
        except Unavailable:
            self._known.forget(order.client_order_id)
            raise
        return self._accepted(order, answer)

    def _doubt_rules(self, refused: Rejected) -> None:
        """What fits the rules that we know was refused for them: they have changed, and are asked for anew."""
        self._rules.doubted |= refused.code in _OF_RULES

    def _accepted(self, order: OrderRequest, answer: Any) -> OrderReport:
        """The report in the answer. An answer without an order in it says nothing of what happened."""
        try:
            report = self._reader.acceptance(order, answer)
        except Unreadable as error:
            raise Uncertain(f"{self._dialect.venue} has answered, but not with an order: {error}") from None
        self._known.note(report)
        return report

    async def _adopted(self, order: OrderRequest, refused: Rejected) -> OrderReport:
        """The venue has an order of our id: it is ours if it is what we asked for."""
        try:
            found = await self._lookup.find(order.client_order_id)
        except Unavailable as error:
            raise Uncertain(f"{refused}, and it cannot be looked at: {error}") from None
        if found is None:
            raise Uncertain(f"{refused}, and it is not to be found")
        if not same_order(order, found):
            raise refused
        return found

    # --- cancelling --------------------------------------------------------------------------------

    async def cancel(self, order: ClientOrderId) -> OrderReport:
        """Cancel what is left of an order. What is to be asked for that is as urgent as the cancel itself."""
        with urgently():
            return await self._cancel(order)

    async def _cancel(self, order: ClientOrderId) -> OrderReport:
        known = self._known.get(order)
        if known is None or (self._dialect.needs_venue_id and not known.venue_order_id):
            found = await self._open_one(order)
            known = self._known.change(order, found.symbol)
        tried: Sequence[Call] = ()
        while (calls := self._dialect.cancel_calls(order, known.symbol, known)) != tried:
            for call in calls:
                try:
                    answer = await self._client.change(CANCEL, call)
                except OrderNotFound:
                    continue
                self._known.change(order, known.symbol, cancelled=call)
                return await self._cancelled(order, answer)
            await self._open_one(order)  # it may be another order there than we knew: replaced, or woken
            tried, known = calls, self._known.get(order) or known
        raise Rejected("NOT_CANCELLED", f"{self._dialect.venue} does not find {order} to cancel it, and has it open")

    async def _open_one(self, order: ClientOrderId) -> OrderReport:
        """The order as the venue has it. Raises `OrderNotFound` and `Rejected("ORDER_CLOSED")`."""
        found = await self._lookup.find(order)
        if found is None:
            raise OrderNotFound(order)
        if not found.state.is_open:
            raise Rejected("ORDER_CLOSED", f"{order} is {found.state} already")
        return found

    async def _cancelled(self, order: ClientOrderId, answer: Any) -> OrderReport:
        """What became of it: by the answer if that is whole, else by asking."""
        told = self._told(order, answer)
        if told is not None and not told.state.is_open:
            known = self._known.change(order, told.symbol, ends=True)
            if not told.filled and not known.revision:
                self._known.note(told)
                return told
        try:
            found = await self._lookup.find(order)
        except Unavailable as error:
            if told is not None and not told.state.is_open:
                return told
            raise Uncertain(f"it was cancelled, but what became of it cannot be asked: {error}") from None
        if found is None:
            raise Uncertain(f"{self._dialect.venue} has taken the cancel, and now it does not know the order")
        return found

    def _told(self, order: ClientOrderId, answer: Any) -> OrderReport | None:
        """The order in an answer; None where it is not whole."""
        try:
            return replace(self._reader.report(answer), client_order_id=order)
        except Unreadable:
            return None

    # --- changing ----------------------------------------------------------------------------------

    async def modify(self, order: ClientOrderId, wanted: Mapping[str, Decimal | None]) -> OrderReport:
        """Change a working order; its id stays."""
        if not self._can.modify or self._can.modify_by is ModifyBy.NOT:
            raise NotSupported("changing an order")
        report = await self._open_one(order)
        change = self._change(report, wanted)
        if not change.differs:
            return report
        if not self._can.changes(report.type):
            raise NotSupported(f"changing a {report.type} order; cancel it and order anew")
        if (before := self._known.get(order)) is not None and before.changing:
            raise Rejected("NOT_CHANGED", f"{order} is being changed already")
        attempts = max(self._replaced.attempts(order), self._revision(order))
        known = self._known.change(order, report.symbol, changing=True, attempts=attempts)
        try:
            return await self._changed(known, report, change)
        finally:
            self._known.change(order, report.symbol, changing=False)

    def _revision(self, order: ClientOrderId) -> int:
        known = self._known.get(order)
        return known.revision if known is not None else 0

    async def _changed(self, known: Known, report: OrderReport, change: Change) -> OrderReport:
        call = self._dialect.modify_call(known, report, change)
        if self._can.modify_by is ModifyBy.REPLACE:
            await self._replaced.begin(known.order, known.attempts + 1)
        try:
            answer = await self._changes(known, call)
        except HalfDone as half:
            return await self._ended(known.order, half)
        except OrderNotFound:
            await self._open_one(known.order)
            raise Rejected("NOT_CHANGED", f"{self._dialect.venue} does not find {known.order} to change it") from None
        except Rejected as refused:
            if refused.code == "SAME_TERMS":  # the first of two requests has done it, if our library has sent it twice
                return await self._open_one(known.order)
            self._doubt_rules(refused)
            return await self._ended_by(known.order, refused)
        return await self._renewed(known, self._dialect.modified(answer))

    async def _changes(self, known: Known, call: Call) -> Any:
        try:
            return await self._client.change(MODIFY, call)
        except (Rejected, Unavailable):
            self._replaced.failed(known.order, known.attempts + 1)
            raise

    async def _ended_by(self, order: ClientOrderId, refused: Rejected) -> OrderReport:
        """The order, if the venue has ended it in refusing the change (Binance may, where a post-only one would take);
        else the refusal.
        """
        try:
            found = await self._lookup.find(order)
        except Unavailable:
            raise refused from None
        if found is None or found.state.is_open:
            raise refused
        return replace(found, reason=str(refused))

    async def _ended(self, order: ClientOrderId, half: HalfDone) -> OrderReport:
        """The venue has ended the order to change it, and then has not changed it."""
        known = self._known.get(order)
        if known is not None:
            self._known.put(replace(known, ends=True))
        try:
            found = await self._lookup.find(order)
        except Unavailable as error:
            raise Uncertain(f"{half}; what is left of it cannot be asked: {error}") from None
        if found is None:
            raise Uncertain(str(half))
        return replace(found, reason=str(half))

    async def _renewed(self, known: Known, raw: Raw) -> OrderReport:
        """The order on its new terms, from the answer if that is whole, else by asking."""
        try:
            report = replace(self._reader.report(raw), client_order_id=known.order)
        except Unreadable:
            report = None
        if report is not None:
            revision = self._dialect.revision(self._dialect.wire_of(raw))
            self._known.change(known.order, known.symbol, revision=max(revision, known.revision))
            if not report.filled:
                self._known.note(report)
                return report
        try:
            found = await self._lookup.find(known.order)
        except Unavailable as error:
            if report is not None:
                return report
            raise Uncertain(f"it was changed, but cannot be looked at: {error}") from None
        if found is None:
            raise Uncertain(f"{self._dialect.venue} has taken the change, and now it does not know the order")
        return found

    def _change(self, report: OrderReport, wanted: Mapping[str, Decimal | None]) -> Change:
        """The whole new terms, if they make sense and fit the venue's steps."""
        terms = {"quantity": report.quantity, "limit_price": report.limit_price, "stop_price": report.stop_price}
        asked = {name: value for name, value in wanted.items() if value is not None}
        for name in asked:
            if terms[name] is None:
                raise Rejected("INVALID_ORDER", f"a {report.type} order has no {name.replace('_', ' ')}")
        new = {**terms, **asked}
        differs = frozenset(name for name in asked if asked[name] != terms[name])
        instrument = listed(self._instruments, report.symbol)
        quantity = new["quantity"] or report.quantity
        check_quantity(instrument, quantity)
        if quantity <= report.filled:
            raise Rejected("LOT_SIZE", f"{report.filled} of it have been filled already")
        for price in (new["limit_price"], new["stop_price"]):
            check_price(instrument, price)
        if new["limit_price"] is not None and not report.reduce_only:
            check_notional(instrument, quantity, new["limit_price"])
        return Change(quantity, new["limit_price"], new["stop_price"], differs)
