"""What really happened at the Binance server, read from its journal in the oracle's words, and shared with nobody.

Orders are put together anew from `accepted`, `execution`, `cancelled`, `expired` and `amended`; money and positions
from executions alone. On the spot market an order is changed by another in its place (`ID_r01` for `ID`): the chain is
one order, and of a chain no two may be open at a time.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import islice
from typing import Any

from brokers.instrument import Instrument
from brokers.order import ClientOrderId, OrderRequest, OrderType, Side, VenueOrderState
from tests.faults.exchange import ZERO, Execution, Order
from tests.venues.binance.journal import Entry, Journal

QUOTE = "USDT"
SPOT, USDM = "spot", "usdm"
# Of the program's symbols; the venue has its own names.
SYMBOLS = {SPOT: "BTC/USDT", USDM: "BTC/USDT:USDT"}
PLACES = frozenset({"POST /api/v3/order", "POST /fapi/v1/order", "POST /fapi/v1/algoOrder"})
_REPLACES = "POST /api/v3/order/cancelReplace"
_CHAIN = re.compile(r"(?P<order>.{1,32})_r[0-9a-z]{2}\Z")
_TYPES = {"MARKET": OrderType.MARKET, "LIMIT": OrderType.LIMIT}
_CENT = Decimal("1e-8")


Wallet = Callable[[], dict[str, Decimal]]


class BinanceTruth:
    """One account in one market. `wallet` is what the venue says that the account has; `most` is what strategies may
    hold of the symbol at most, either way.
    """

    def __init__(self, entries: Journal, market: str, wallet: Wallet, most: Decimal | None = None) -> None:
        self._entries = entries
        self._wallet = wallet
        self._read = 0
        self._market = market
        self._opening = wallet()
        self._most = most
        self._orders: dict[str, Order] = {}
        self._chains: dict[str, dict[str, Order]] = defaultdict(dict)
        self._executions: list[Execution] = []
        self._excesses: list[str] = []
        self._received: list[dict[str, Any]] = []
        self._sent: Counter[str] = Counter()
        base = "BTC" if market == SPOT else ""
        self.instrument = Instrument(SYMBOLS[market], QUOTE, base=base)

    # --- for the oracle ----------------------------------------------------------------------------

    @property
    def journal(self) -> BinanceTruth:
        """Itself: see `of`."""
        return self

    def of(self, *what: str) -> Sequence[Mapping[str, Any]]:
        """Orders that have arrived at the venue, whatever became of them."""
        self._catch_up()
        return self._received if "received" in what else ()

    @property
    def orders(self) -> Mapping[str, Order]:
        """By our id; of a chain the one order that it is."""
        self._catch_up()
        return self._orders

    @property
    def executions(self) -> Sequence[Execution]:
        """Every execution."""
        self._catch_up()
        return self._executions

    @property
    def excesses(self) -> Sequence[str]:
        """What was ordered twice."""
        self._catch_up()
        return self._excesses

    def money(self) -> dict[str, Decimal]:
        """Cash by currency. What is traded on the spot market is a position, and no cash.

        Summed from the executions; the venue's own wallet must say the same. What closing a future brings is rounded by
        each venue in its own way: there the wallet counts, if it is what the executions have brought but for roundings.
        """
        self._catch_up()
        cash: dict[str, Decimal] = defaultdict(Decimal, {k: v for k, v in self._opening.items() if k != self._base})
        for each in self._executions:
            if each.fee_currency != self._base:
                cash[each.fee_currency] -= each.fee
        if self._market == SPOT:
            for each in self._executions:
                cash[QUOTE] -= each.order.request.side.sign * each.quantity * each.price
        else:
            cash[QUOTE] += realised(self._executions)
        theirs = {currency: amount for currency, amount in self._wallet().items() if currency != self._base}
        most = _CENT * len(self._executions) if self._market == USDM else ZERO
        for currency in {*cash, *theirs}:
            summed, told = cash.get(currency, ZERO), theirs.get(currency, ZERO)
            assert abs(summed - told) <= most, (
                f"the venue's wallet is {told} {currency}, its executions make it {summed}"
            )
        return theirs

    def positions(self) -> dict[str, Decimal]:
        """Units, net of fees in kind."""
        self._catch_up()
        units = self._opening.get(self._base, ZERO) if self._base else ZERO
        for each in self._executions:
            units += each.order.request.side.sign * each.quantity
            if each.fee_currency == self._base:
                units -= each.fee
        return {self.instrument.symbol: units} if units else {}

    # --- for the harness ---------------------------------------------------------------------------

    def open_orders(self) -> list[Order]:
        """Those that may still fill."""
        return [order for order in self.orders.values() if order.is_open]

    @property
    def _base(self) -> str:
        return self.instrument.base or "nothing"

    # --- reading -----------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Take in what was written since the last time."""
        new = list(islice(iter(self._entries), self._read, None))
        self._read += len(new)
        for entry in new:
            if entry.kind == "request":
                self._arrived(entry)
            elif entry.get("market") == self._market:
                self._happened(entry)

    def _happened(self, entry: Entry) -> None:
        match entry.kind:
            case "accepted":
                self._accepted(entry)
            case "execution":
                self._executed(entry)
            case "cancelled" | "expired":
                self._ended(entry)
            case "amended":
                self._of(entry).quantity = _number(entry["quantity"])
            case _:
                pass

    def _arrived(self, entry: Entry) -> None:
        params, route = entry["params"], entry["route"]
        wire = params.get("newClientOrderId") or params.get("clientAlgoId") or ""
        if route in PLACES:
            at = datetime.fromtimestamp(int(params.get("timestamp", 0)) / 1000, UTC)
            self._received.append({"method": "place", "id": wire, "at": at.isoformat()})
        elif route == _REPLACES:
            self._sent[wire] += 1
            if self._sent[wire] > 1:
                self._excesses.append(f"{wire}, a change, was sent {self._sent[wire]} times")

    def _accepted(self, entry: Entry) -> None:
        wire, ours = entry["client_id"], our_id(entry["client_id"])
        chain = self._chains[ours]
        if wire in chain:
            self._excesses.append(f"{wire} was made twice")
        if any(each.is_open for each in chain.values()):
            self._excesses.append(f"{wire} was made while another of its chain is open")
        quantity = _number(entry["quantity"])
        kind = _TYPES.get(entry["type"], OrderType.STOP)
        price = _number(entry.get("price") or 0) if kind is OrderType.LIMIT else None
        stop = Decimal(1) if kind is OrderType.STOP else None  # the journal does not tell at which price it wakes
        side = Side(entry["side"].lower())
        request = OrderRequest(
            ClientOrderId(ours), self.instrument, side, quantity, kind, limit_price=price, stop_price=stop
        )
        at = datetime.fromtimestamp(entry.at / 1000, UTC)
        chain[wire] = Order(request, str(entry["order_id"]), at, quantity=quantity, limit_price=price)
        if entry["type"] == "MARKET":
            self._judge(chain[wire])
        self._sum_up(ours)

    def _judge(self, order: Order) -> None:
        """Market orders are those of strategies: whether they may now lead to more than was ever wanted."""
        if self._most is None:
            return
        side = order.request.side
        theirs = [o for chain in self._chains.values() for o in chain.values() if o.request.type is OrderType.MARKET]
        coming = sum((o.request.side.sign * o.left for o in theirs if o.is_open), ZERO)
        held = sum((self._net(done) for each in theirs for done in each.executions), ZERO)
        if (net := (held + coming) * side.sign) > self._most:
            name = order.request.client_order_id
            self._excesses.append(f"{name} makes it {net}, at most {self._most} was wanted: a double")

    def _net(self, done: Execution) -> Decimal:
        in_kind = done.fee if done.fee_currency == self._base else ZERO
        return done.order.request.side.sign * done.quantity - in_kind

    def _executed(self, entry: Entry) -> None:
        order = self._of(entry)
        at = datetime.fromtimestamp(entry.at / 1000, UTC)
        quantity, price, fee = (_number(entry[name]) for name in ("quantity", "price", "fee"))
        done = Execution(str(entry["trade_id"]), order, quantity, price, fee, entry["fee_asset"], at, at)
        order.executions.append(done)
        self._executions.append(done)
        if order.left <= 0:
            order.closed_at, order.closed_as = at, VenueOrderState.FILLED
        if order.left < 0:
            self._excesses.append(f"{entry['client_id']} has filled {order.filled} of {order.quantity}")
        self._sum_up(our_id(entry["client_id"]))

    def _ended(self, entry: Entry) -> None:
        order = self._of(entry)
        order.closed_at = datetime.fromtimestamp(entry.at / 1000, UTC)
        order.closed_as = VenueOrderState.CANCELLED if entry.kind == "cancelled" else VenueOrderState.EXPIRED
        self._sum_up(our_id(entry["client_id"]))

    def _of(self, entry: Entry) -> Order:
        return self._chains[our_id(entry["client_id"])][entry["client_id"]]

    def _sum_up(self, ours: str) -> None:
        """A chain as one order: open as its newest is, filled by all."""
        chain = list(self._chains[ours].values())
        newest = chain[-1]
        whole = Order(newest.request, newest.number, chain[0].placed_at, quantity=newest.quantity)
        whole.limit_price, whole.closed_at, whole.closed_as = newest.limit_price, newest.closed_at, newest.closed_as
        whole.executions = [done for each in chain for done in each.executions]
        self._orders[ours] = whole


def our_id(wire: str) -> str:
    """Our id without the number of the change behind it."""
    found = _CHAIN.match(wire)
    return found["order"] if found else wire


def realised(executions: Sequence[Execution]) -> Decimal:
    """What closing has brought, by average cost, each execution rounded as the venue pays it."""
    units, cost, total = ZERO, ZERO, ZERO
    for each in executions:
        signed = each.order.request.side.sign * each.quantity
        closing = min(abs(signed), abs(units)) * (1 if signed > 0 else -1) if units * signed < 0 else ZERO
        if closing:
            part = cost * (-closing / units)
            total += (-closing * each.price - part).quantize(_CENT, ROUND_HALF_EVEN)
            units, cost = units + closing, cost - part
        units, cost = units + signed - closing, cost + (signed - closing) * each.price
    return total


def _number(value: Any) -> Decimal:
    return Decimal(str(value))
