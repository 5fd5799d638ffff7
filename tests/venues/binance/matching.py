"""The project's matching engine as the heart of a venue: orders by number, and no money; accounts look after that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from brokers.instrument import Instrument
from brokers.market import BookLevel, OrderBook
from brokers.order import ClientOrderId, Liquidity, OrderRequest, OrderType, Side, TimeInForce, VenueOrderState
from brokers.simulation.engine import SELF_TRADE, Engine
from brokers.simulation.source import Tick
from brokers.simulation.state import BookOrder, Draft, State
from brokers.simulation.terms import SelfTrade, Terms

_BOTTOMLESS = Decimal("1e24")
_CURRENCY = "USD"
_PREVENTION = {
    "EXPIRE_TAKER": SelfTrade.CANCEL_NEWEST,
    "EXPIRE_MAKER": SelfTrade.CANCEL_OLDEST,
    "EXPIRE_BOTH": SelfTrade.CANCEL_BOTH,
}


@dataclass(frozen=True, slots=True)
class Execution:
    """An order has filled by so much at one price."""

    order: int
    quantity: Decimal
    price: Decimal
    is_maker: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """An order is over unfilled: what could not fill at once, or would have met one of the same account."""

    order: int
    is_self_trade: bool


Outcome = Execution | Ended


def book_of(symbol: str, bids: list[BookLevel], asks: list[BookLevel], at: datetime) -> OrderBook:
    """A book from its levels."""
    return OrderBook(symbol, tuple(bids), tuple(asks), at)


class Matching:
    """One account's orders in the market. A taker fills at once against the newest tick; a rester waits for `tick`."""

    def __init__(self, moment: Callable[[], datetime]) -> None:
        self._moment = moment
        self._engines = {
            mode: Engine(
                Terms(
                    currency=_CURRENCY,
                    leverage=_BOTTOMLESS,
                    shorting=True,
                    max_participation=Decimal(1),
                    self_trade=_PREVENTION.get(mode, SelfTrade.CANCEL_OLDEST),
                )
            )
            for mode in ("NONE", *_PREVENTION)
        }
        self._engine = self._engines["NONE"]
        self._instruments: dict[str, Instrument] = {}
        self._state = State({_CURRENCY: _BOTTOMLESS})

    def list(self, symbol: str, tick: Decimal, lot: Decimal) -> None:
        """Trade `symbol` from now on."""
        self._instruments[symbol] = Instrument(symbol, _CURRENCY, tick=tick, lot=lot)

    def submit(
        self,
        order: int,
        symbol: str,
        side: Side,
        quantity: Decimal,
        limit: Decimal | None,
        force: TimeInForce,
        prevention: str = "NONE",
    ) -> list[Outcome]:
        """An order arrives: what it does at once. Without a limit, what does not fill at once ends."""
        request = OrderRequest(
            client_order_id=_name(order),
            instrument=self._instruments[symbol],
            side=side,
            quantity=quantity,
            type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            limit_price=limit,
            time_in_force=TimeInForce.IOC if limit is None and force is TimeInForce.GTC else force,
        )
        self._state.apply(self._engine.place(self._state, request, self._moment()))
        return self._arrive(order, symbol, prevention)

    def cancel(self, order: int) -> None:
        """Take an order out."""
        found = self._state.orders[_name(order)]
        self._state.apply(self._engine.cancel(self._state, found, self._moment()))

    def change(self, order: int, quantity: Decimal, limit: Decimal | None = None) -> list[Outcome]:
        """Another quantity, in its place; or another price too, and then it arrives anew."""
        found = self._state.orders[_name(order)]
        moved = limit if limit is not None and limit != found.request.limit_price else None
        draft = self._engine.modify(
            self._state, found, self._moment(), quantity=quantity, limit_price=moved, stop_price=None
        )
        self._state.apply(draft)
        return [] if moved is None else self._arrive(order, found.symbol, "NONE")

    def tick(
        self, symbol: str, bid: Decimal, ask: Decimal, last: Decimal, volume: Decimal | None, book: OrderBook | None
    ) -> list[Outcome]:
        """The market has moved: what that does to what rests."""
        tick = Tick(symbol, bid, ask, last, self._moment(), volume=volume, book=book)
        return self._apply(self._engine.tick(self._state, tick))

    def holds(self, order: int) -> bool:
        """Whether an order is in the book."""
        return _name(order) in self._state.orders

    def _arrive(self, order: int, symbol: str, prevention: str) -> list[Outcome]:
        """Let one order meet the market as it stands, and nobody else but those it must not meet."""
        tick = replace(self._state.ticks[symbol], at=self._moment(), volume=None)
        mine = self._state.orders[_name(order)]
        rivals = {} if prevention == "NONE" else self._rivals(mine, tick)
        alone = replace_orders(self._state, {**rivals, mine.id: mine})
        return self._apply(self._engines[prevention].tick(alone, tick))

    def _rivals(self, mine: BookOrder, tick: Tick) -> dict[ClientOrderId, BookOrder]:
        """Resting orders of the other side that the market alone would not fill now."""
        sides = {each.id: each for each in self._state.orders.values() if each.request.side is not mine.request.side}
        return {name: each for name, each in sides.items() if each.symbol == mine.symbol and not _through(each, tick)}

    def _apply(self, draft: Draft | None) -> list[Outcome]:
        if draft is None:
            return []
        self._state.apply(draft)
        found: list[Outcome] = []
        for report in draft.reports:
            number = int(report.client_order_id[1:])
            found += [Execution(number, f.quantity, f.price, f.liquidity is Liquidity.MAKER) for f in report.fills]
            if report.state in {VenueOrderState.CANCELLED, VenueOrderState.EXPIRED}:
                found.append(Ended(number, report.reason == SELF_TRADE))
        return found


def replace_orders(state: State, orders: dict[ClientOrderId, BookOrder]) -> State:
    """`state` as if it had only `orders`."""
    return replace(state, cash=dict(state.cash), orders=orders)


def _through(order: BookOrder, tick: Tick) -> bool:
    limit = order.request.limit_price
    assert limit is not None
    return limit > tick.ask if order.request.side is Side.BUY else limit < tick.bid


def _name(order: int) -> ClientOrderId:
    return ClientOrderId(f"o{order}")
