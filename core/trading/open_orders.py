"""The orders that may still fill, in memory: those that are open, those that we are sending at this moment, and
those that we presume were never placed and still watch for. Rebuilt from the store at start, without the rest.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from decimal import Decimal
from weakref import WeakValueDictionary

from brokers.money import ZERO
from brokers.order import ClientOrderId, Side
from core.store import orders as order_store
from core.store.models import FillRow, OrderRow
from core.trading.live_order import LiveOrder
from core.trading.portfolio import Portfolio
from core.trading.states import OrderState
from risk.view import Submission

# How many recent submissions are kept for the rate and duplicate rules.
_REMEMBERED = 500


class OpenOrders:
    """Who is out there."""

    def __init__(self, portfolio: Portfolio) -> None:
        self.account = portfolio.account
        self._portfolio = portfolio
        self._open: dict[ClientOrderId, LiveOrder] = {}
        self._watched: dict[ClientOrderId, LiveOrder] = {}
        self._seen: WeakValueDictionary[str, LiveOrder] = WeakValueDictionary()  # over, and somebody still looks at it
        self._in_flight: set[ClientOrderId] = set()
        self._submissions: deque[Submission] = deque(maxlen=_REMEMBERED)
        self._told: tuple[Submission, ...] | None = None  # the same, as it was last asked for

    @property
    def all(self) -> Sequence[LiveOrder]:
        """Every order that counts."""
        return tuple(self._open.values())

    @property
    def watched(self) -> Sequence[LiveOrder]:
        """Orders that we presume were never placed, and look for all the same."""
        return tuple(self._watched.values())

    @property
    def submissions(self) -> tuple[Submission, ...]:
        """Recent orders, for the rate and duplicate rules."""
        if self._told is None:
            self._told = tuple(self._submissions)
        return self._told

    def get(self, order_id: str) -> LiveOrder | None:
        """An order that counts, or None."""
        return self._open.get(ClientOrderId(order_id))

    def is_in_flight(self, order_id: str) -> bool:
        """Whether we are sending it at this moment: the venue cannot be blamed for not knowing it."""
        return order_id in self._in_flight

    def pending(self, strategy: str, symbol: str) -> Decimal:
        """The signed units of `symbol` that `strategy` still gets from open orders; resting exits only wait."""
        decided = (each for each in self._open.values() if each.symbol == symbol and not each.is_resting_exit)
        return sum((order.pending_part(strategy) for order in decided), ZERO)

    def doubtful(self, strategy: str, symbol: str) -> Decimal:
        """Of what is `pending`, the part that may never come: it has not reached the venue, or is being cancelled."""
        unsure = (OrderState.SUBMITTING, OrderState.UNCERTAIN, OrderState.CANCELLING)
        doubts = (each for each in self._open.values() if each.symbol == symbol and each.state in unsure)
        return sum((order.pending_part(strategy) for order in doubts if not order.is_resting_exit), ZERO)

    # --- changing ----------------------------------------------------------------------------------

    def begin(self, order: LiveOrder, submission: Submission) -> None:
        """A new order counts in every limit from now on, and is in flight, before anything is awaited."""
        self._open[order.id] = order
        self._in_flight.add(order.id)
        self._submitted(submission)

    def _submitted(self, submission: Submission) -> None:
        """In the order of time, even if the clock was put back: rules look no further than to the first that is old."""
        if self._submissions and submission.at < self._submissions[-1].at:
            in_order = sorted([*self._submissions, submission], key=lambda each: each.at)
            self._submissions = deque(in_order, maxlen=_REMEMBERED)
        else:
            self._submissions.append(submission)
        self._told = None

    def landed(self, order: LiveOrder) -> None:
        """The attempt to send it is over, however it went."""
        self._in_flight.discard(order.id)

    def forget(self, order: LiveOrder) -> None:
        """It could not be stored, so it does not exist."""
        self._open.pop(order.id, None)

    def place(self, order: LiveOrder) -> None:
        """Put an order where its state says, after the commit."""
        self._seen[order.id] = order
        if order.state.is_open:
            self._open[order.id] = order
        else:
            self._open.pop(order.id, None)
        if order.watch_until is not None:
            self._watched[order.id] = order
        else:
            self._watched.pop(order.id, None)

    # --- the store ---------------------------------------------------------------------------------

    async def load(self) -> None:
        """Take up what was open and watched when the program stopped, and what was sent last."""
        rows = [*await order_store.open_orders(self.account), *await order_store.watched_orders(self.account)]
        orders = await self._of_rows({row.client_order_id: row for row in rows}.values())
        self._open, self._watched = {}, {}
        for order in orders:
            self.place(order)
        recent = await order_store.newest_orders(self.account, _REMEMBERED)
        self._submissions = deque((_submission_of(row) for row in reversed(recent)), maxlen=_REMEMBERED)
        self._told = None

    async def known(self, order_id: ClientOrderId) -> LiveOrder | None:
        """An order of ours, open or believed over: late fills are real."""
        if found := self._open.get(order_id) or self._seen.get(order_id):
            return found
        row = await order_store.get_order(order_id)
        if row is None or row.account != self.account:
            return None
        (order,) = await self._of_rows([row])
        return self._seen.setdefault(order_id, order)

    async def _of_rows(self, rows: Iterable[OrderRow]) -> list[LiveOrder]:
        found = list(rows)
        fills: dict[str, list[FillRow]] = defaultdict(list)
        for fill in await order_store.fills_of(self.account, [row.client_order_id for row in found]):
            fills[fill.client_order_id].append(fill)
        return [
            LiveOrder.of_row(row, self._portfolio.instrument(row.symbol), fills[row.client_order_id]) for row in found
        ]


def _submission_of(row: OrderRow) -> Submission:
    return Submission(
        at=row.at,
        strategy=",".join(order_store.listed(row.strategies)),
        symbol=row.symbol,
        side=Side(row.side),
        quantity=row.quantity,
        price=row.stop_price if row.limit_price is None else row.limit_price,
        reduces=row.reduce_only,
    )
