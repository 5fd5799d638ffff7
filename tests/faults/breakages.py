"""Programs that are broken on purpose, as other programs are: the harness must find each of them out.

Each breakage is what a life does to itself before it starts; `FOUND_BY` says which case must see it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from brokers.ccxt import client, wiretap
from brokers.ccxt.broker import CcxtBroker
from brokers.ccxt.lookup import Lookup
from brokers.ccxt.outcomes import outcome
from brokers.ccxt.parsing import Reader, Unreadable
from brokers.ccxt.streams.fan import Fan
from brokers.ccxt.streams.reports import ReportFeed
from brokers.errors import Rejected, Unavailable, Uncertain
from brokers.money import ZERO
from brokers.order import ClientOrderId, OrderReport, OrderRequest
from core.tending import Tending
from core.trading import order_search
from core.trading.ladder import Verdict
from core.trading.open_orders import OpenOrders
from core.trading.recovery import Recovery
from core.trading.states import OrderState


def new_id_again() -> None:
    """No answer: the order is sent once more, by another id (ccxt makes one for each call)."""
    _place_again(lambda order: replace(order, client_order_id=ClientOrderId(f"x{order.client_order_id[1:]}")))


def same_id_again() -> None:
    """No answer: the order is sent once more by the same id, which Binance takes once the first has filled."""
    _place_again(lambda order: order)


def _place_again(again: Callable[[OrderRequest], OrderRequest]) -> None:
    whole = CcxtBroker.place_order

    async def place(self: CcxtBroker, order: OrderRequest) -> OrderReport:
        try:
            return await whole(self, order)
        except Uncertain:
            self._known.forget(order.client_order_id)
            return await whole(self, again(order))

    CcxtBroker.place_order = place  # type: ignore[method-assign]


def no_answer_is_no() -> None:
    """No answer means that nothing was done."""

    def harmless(error: Exception, **about: Any) -> Any:
        found = outcome(error, **about)
        return Unavailable(str(found)) if isinstance(found, Uncertain) else found

    client.outcome = harmless  # type: ignore[attr-defined]


def half_an_answer_is_no() -> None:
    """An answer without an order in it means that there is none."""
    whole = Reader.acceptance

    def acceptance(self: Reader, order: OrderRequest, raw: Any) -> OrderReport:
        try:
            return whole(self, order, raw)
        except Unreadable as error:
            raise Rejected("INVALID_ORDER", str(error)) from None

    wiretap._tap_reading = lambda *_: None  # type: ignore[assignment]
    Reader.acceptance = acceptance  # type: ignore[method-assign]


def not_found_is_never() -> None:
    """What the venue does not find was never placed."""
    order_search.verdict = lambda search, _: Verdict.NOT_PLACED if search.misses else Verdict.KEEP_LOOKING  # type: ignore[attr-defined]


def failed_is_empty() -> None:
    """A question that fails is answered with nothing."""
    for name, nothing in (("find", None), ("open_orders", ()), ("closed_orders", ()), ("fills", ())):
        setattr(Lookup, name, _or_nothing(getattr(Lookup, name), nothing))


def _or_nothing(whole: Callable[..., Any], nothing: Any) -> Callable[..., Any]:
    async def asked(self: Lookup, *args: Any) -> Any:
        try:
            return await whole(self, *args)
        except Unavailable:
            return nothing

    return asked


def never_read_again() -> None:
    """A stream that broke is opened anew, and that is all."""

    async def nothing(self: Any) -> list[Any]:
        del self
        return []

    ReportFeed._take_stock = nothing  # type: ignore[method-assign]
    for owner, name in ((Tending, "_compare"), (Recovery, "settle_orders")):
        setattr(owner, name, _once(getattr(owner, name)))


def _once(whole: Callable[..., Any]) -> Callable[..., Any]:
    done: list[Any] = []

    async def once(self: Any, **options: Any) -> Any:
        if self in done:
            return []
        done.append(self)
        return await whole(self, **options)

    return once


def other_names_of_fills() -> None:
    """The stream names executions otherwise than questions do."""
    whole = Fan.publish

    def publish(self: Fan[Any], report: Any) -> None:
        if isinstance(report, OrderReport):
            report = replace(report, fills=tuple(replace(each, fill_id=f"ws-{each.fill_id}") for each in report.fills))
        whole(self, report)

    Fan.publish = publish  # type: ignore[method-assign]


def cancelling_is_sure() -> None:
    """A sale in doubt that is being cancelled is as good as done: what was sold may be bought again."""

    def doubtful(self: OpenOrders, strategy: str, symbol: str) -> Decimal:
        unsure = (OrderState.SUBMITTING, OrderState.UNCERTAIN)
        doubts = (each for each in self.all if each.symbol == symbol and each.state in unsure)
        return sum((order.pending_part(strategy) for order in doubts if not order.is_resting_exit), ZERO)

    OpenOrders.doubtful = doubtful  # type: ignore[method-assign]


BREAKAGES: dict[str, Callable[[], None]] = {
    each.__name__: each
    for each in (
        new_id_again, same_id_again, no_answer_is_no, half_an_answer_is_no, not_found_is_never, failed_is_empty,
        never_read_again, other_names_of_fills, cancelling_is_sure,
    )
}  # fmt: skip
# The case that must find it, as it is called in `tests.faults.binance_cases`.
FOUND_BY = {
    "new_id_again": "want fills drop_after",
    "same_id_again": "want fills http_504_after",
    "no_answer_is_no": "doubt code_1006_after lagging",
    "half_an_answer_is_no": "doubt truncated_after lagging",
    "not_found_is_never": "doubt drop_after lagging",
    "failed_is_empty": "doubt drop_after html_502_before",
    "never_read_again": "hear fills lose",
    "other_names_of_fills": "place partly delay",
    "cancelling_is_sure": "regret drop_before drop_before",
}
