"""One futures account: the project's matching and margin engine, and all that the venue remembers beside it.

`voice` hears what happens, in the order in which the venue tells it. The engine has the money; positions and the wallet are
kept here a second time, fill by fill, and must agree with the engine's after every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Protocol

from brokers.account import FlowKind
from brokers.errors import Rejected
from brokers.order import (
    ClientOrderId,
    Fill,
    Liquidity,
    OrderReport,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
    VenueOrderState,
)
from brokers.simulation import funds, linked
from brokers.simulation.engine import PRECISION, SELF_TRADE, Engine
from brokers.simulation.fees import Fees
from brokers.simulation.margin import Margin, MarginRule
from brokers.simulation.slippage import Slippage
from brokers.simulation.source import Tick
from brokers.simulation.state import BookOrder, Draft, Holding, State
from brokers.simulation.terms import SelfTrade, Terms
from tests.venues.binance.clock import VenueClock
from tests.venues.binance.errors import Refusal
from tests.venues.binance.journal import Journal
from tests.venues.binance.market import Market
from tests.venues.binance.usdm import refusals, rows
from tests.venues.binance.usdm.contracts import MOST_LEVERAGE, QUOTE, USUAL_LEVERAGE, Contract
from tests.venues.binance.usdm.refusals import refused
from tests.venues.binance.usdm.rows import Income, Order, Trade
from tests.venues.binance.usdm.wishes import Wish, check_worth

MARKET = "usdm"
MAKER, TAKER = Decimal("0.0002"), Decimal("0.0005")
START = Decimal(15_000)
FIRST_ORDER, FIRST_TRADE, FIRST_INCOME = 8_389_765_000, 276_374_000, 9_689_322_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORCES = {
    "GTC": TimeInForce.GTC,
    "GTX": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTD": TimeInForce.GTD,
}
_PREVENTIONS = {
    "EXPIRE_TAKER": SelfTrade.CANCEL_NEWEST,
    "EXPIRE_MAKER": SelfTrade.CANCEL_OLDEST,
    "EXPIRE_BOTH": SelfTrade.CANCEL_BOTH,
}


class Voice(Protocol):
    """Hears what happens to an account."""

    def order(self, order: Order, execution: str, trade: Trade | None = None) -> None:
        """ORDER_TRADE_UPDATE; `execution` is NEW, TRADE, CANCELED, EXPIRED, AMENDMENT, TRADE_PREVENTION or CALCULATED."""

    def money(self, reason: str, change: Decimal, symbol: str = "") -> None:
        """ACCOUNT_UPDATE; the position of `symbol` goes along."""


@dataclass(slots=True)
class Positions:
    """Holdings, what each has brought (fees apart), and when it changed."""

    held: dict[str, Holding] = field(default_factory=dict)
    realised: dict[str, Decimal] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)


class Account:
    """What one client owns in one mode."""

    def __init__(
        self, contracts: dict[str, Contract], market: Market, clock: VenueClock, journal: Journal, voice: Voice
    ) -> None:
        self.contracts = contracts
        self.leverage = dict.fromkeys(contracts, USUAL_LEVERAGE)
        self.margin_type = dict.fromkeys(contracts, "CROSSED")
        self.is_restricted = False
        self.counts_reducing = False  # open reduce-only orders take room from new ones, as Binance may have it (-2022)
        self.is_hedged = False  # told, and nothing more: nobody trades such an account here
        self.wallet = START
        self.positions = Positions()
        self.orders: dict[int, Order] = {}
        self.trades: list[Trade] = []
        self.incomes: list[Income] = []
        self._market, self._clock, self._journal, self._voice = market, clock, journal, voice
        self._state = State({QUOTE: START})
        self._own: dict[ClientOrderId, Order] = {}
        self._engines = self._made()
        self._last_order, self._last_trade = FIRST_ORDER, FIRST_TRADE
        self.ended: list[Callable[[Order], None]] = []
        """Who hears that an order has changed (the Algo service)."""

    # --- what clients do -----------------------------------------------------------------------------

    def place(
        self,
        wish: Wish,
        *,
        original: str = "",
        stop: Decimal = rows.ZERO,
        becoming: Callable[[Order], None] = lambda order: None,
    ) -> tuple[Order, Order]:
        """A new order: as it was accepted, and as it is after it has met the market. Raises what the venue says.

        `becoming` hears of it once it is accepted, before it meets the market.
        """
        self._check_new(wish)
        order = self._order(wish, original, stop)
        with localcontext(prec=PRECISION):
            placed = self._engine_place(self._request(order, wish), wish)
            self._check_fill_or_kill(wish, placed)
            self._last_order = order.id
            self.orders[order.id] = order
            self._state.apply(placed)
            kind = "triggered" if original else "accepted"  # what was conditional was accepted before
            self._write(kind, order, type=order.type, quantity=order.quantity, price=order.price)
            becoming(order)
            self._voice.order(order, rows.NEW)
            accepted = replace(order, trades=[])
            self._arrive(order)
        return accepted, order

    def cancel(self, order: Order) -> None:
        """Take an open order out."""
        self._apply(self._engine.cancel(self._state, self._state.orders[_name(order.id)], self._moment()))

    def amend(self, order: Order, quantity: Decimal, price: Decimal) -> None:
        """Another quantity and price under the same number. What was filled beyond the new quantity cancels the rest."""
        if quantity <= order.executed:
            return self.cancel(order)
        if order.time_in_force == "GTX" and self._would_take(order.symbol, order.side, price):
            return self.cancel(order)
        with localcontext(prec=PRECISION):
            found = self._state.orders[_name(order.id)]
            moved = price if price != order.price else None
            try:
                draft = self._engine.modify(
                    self._state, found, self._moment(), quantity=quantity, limit_price=moved, stop_price=None
                )
            except Rejected as refusal:
                raise _told(refusal) from None
            order.quantity, order.price, order.update_time = quantity, price, self._clock.now_ms()
            self._state.apply(draft)
            self._write("amended", order, quantity=quantity, price=price)
            self._voice.order(order, "AMENDMENT")
            if moved is not None:
                self._arrive(order)
        return None

    def set_leverage(self, symbol: str, leverage: int) -> None:
        """Raises -4028, or -2027 when the position is too large for it."""
        if not 1 <= leverage <= self.contracts[symbol].brackets[0].leverage:
            raise refusals.leverage(leverage)
        if abs(self.notional(symbol)) > self.contracts[symbol].cap_at(leverage):
            raise refused(refusals.POSITION_LIMIT)
        self.leverage[symbol] = leverage
        self._engines = self._made()

    # --- what happens to it --------------------------------------------------------------------------

    def tick(self, symbol: str, volume: Decimal | None) -> None:
        """The market has moved."""
        with localcontext(prec=PRECISION):
            self._apply(self._engine.tick(self._state, self._now_tick(symbol, volume)))

    def pass_time(self) -> None:
        """Orders whose time is over end."""
        now = self._clock.now_ms()
        for order in [each for each in self.orders.values() if each.is_open and 0 < each.good_till <= now]:
            draft = Draft(self._state)
            draft.close(self._state.orders[_name(order.id)], VenueOrderState.EXPIRED, "its time is over")
            self._apply(draft)

    def deposit(self, amount: Decimal) -> None:
        """Money comes from (or goes to) another wallet of the client."""
        with localcontext(prec=PRECISION):
            try:
                draft = self._engine.transfer(self._state, QUOTE, amount, self._moment())
            except Rejected as refusal:
                raise _told(refusal) from None
            self._pay("TRANSFER", amount, "DEPOSIT" if amount > 0 else "WITHDRAW", info="TRANSFER")
            self._apply(draft)

    def fund(self, symbol: str, rate: Decimal) -> Decimal:
        """A time of funding: longs pay shorts `rate` of the position's value. What came."""
        with localcontext(prec=PRECISION):
            amount = (-self.notional(symbol) * rate).quantize(Decimal("1e-8"))
            if amount:
                draft = Draft(self._state)
                draft.flow(FlowKind.FUNDING, QUOTE, amount, self._moment(), symbol=symbol)
                self._pay("FUNDING_FEE", amount, "FUNDING_FEE", symbol=symbol, info="FUNDING_FEE")
                self._apply(draft)
        return amount

    def fill(self, order: Order, quantity: Decimal | None = None) -> None:
        """Somebody takes an open order, whatever the market is."""
        price, units = order.price, min(quantity or order.quantity, order.quantity - order.executed)
        tick = self._market.of(order.symbol).tick
        beyond = price - tick if order.side == "BUY" else price + tick
        bid, ask = (beyond - tick, beyond) if order.side == "BUY" else (beyond, beyond + tick)
        there = Tick(order.symbol, bid, ask, price, self._moment(), volume=units)
        mine = replace(self._state.orders[_name(order.id)], arrived=True, active_from=_EPOCH)
        with localcontext(prec=PRECISION):
            draft = self._engine.tick(self._alone(mine, there), there)
            assert draft is not None
            draft.tick = self._now_tick(order.symbol, None)
            self._apply(draft)

    # --- what it is worth ----------------------------------------------------------------------------

    def mark(self, symbol: str) -> Decimal:
        """The mark price, which is the last one here."""
        return self._market.of(symbol).last

    def holding(self, symbol: str) -> Holding:
        """The position, flat if there is none."""
        return self.positions.held.get(symbol) or Holding(self.contracts[symbol].instrument)

    def notional(self, symbol: str) -> Decimal:
        """Signed worth of a position."""
        return self.holding(symbol).quantity * self.mark(symbol)

    def unrealised(self, symbol: str) -> Decimal:
        """What closing it at the mark would bring."""
        return self.holding(symbol).value(self.mark(symbol))

    def initial_margin(self, symbol: str) -> Decimal:
        """What the position binds."""
        return abs(self.notional(symbol)) / self.leverage[symbol]

    def maintenance(self, symbol: str) -> Decimal:
        """What keeps the position."""
        notional = abs(self.notional(symbol))
        bracket = self.contracts[symbol].bracket(notional)
        return notional * bracket.rate - bracket.cum if notional else rows.ZERO

    def order_margin(self, symbol: str = "") -> Decimal:
        """What open orders bind beyond the positions, all or of one symbol."""
        draft, terms = Draft(self._state), self._engine.terms
        with localcontext(prec=PRECISION):
            orders = [each for each in draft.open_orders() if symbol in {"", each.symbol}]
            more = funds.exposure(draft, terms, orders) - funds.exposure(draft, terms, [])
            return more / terms.leverage

    @property
    def equity(self) -> Decimal:
        """Wallet and unrealised results."""
        return self.wallet + sum((self.unrealised(symbol) for symbol in self.contracts), rows.ZERO)

    @property
    def available(self) -> Decimal:
        """What new orders may bind."""
        bound = sum((self.initial_margin(symbol) for symbol in self.contracts), rows.ZERO) + self.order_margin()
        return max(self.equity - bound, rows.ZERO)

    def liquidation_price(self, symbol: str) -> Decimal:
        """Where the maintenance margin is no longer there, if only this price moves; zero where that is nowhere."""
        held, mark = self.holding(symbol), self.mark(symbol)
        if held.quantity == 0:
            return rows.ZERO
        bracket = self.contracts[symbol].bracket(abs(self.notional(symbol)))
        others = sum((self.maintenance(each) for each in self.contracts if each != symbol), rows.ZERO)
        spare = self.equity - self.unrealised(symbol) - others + bracket.cum - held.open_cost
        price = spare / (abs(held.quantity) * bracket.rate - held.quantity)
        return max(price, rows.ZERO) if mark else rows.ZERO

    def find(self, symbol: str, order_id: int | None, client_id: str) -> Order | None:
        """An order by the venue's number, else by the client's id: the newest with it."""
        if order_id is not None:
            found = self.orders.get(order_id)
            return found if found is not None and found.symbol == symbol else None
        same = [each for each in self.orders.values() if each.client_id == client_id and each.symbol == symbol]
        return same[-1] if same else None

    def open_orders(self, symbol: str = "") -> list[Order]:
        """Open orders, oldest first."""
        return [each for each in self.orders.values() if each.is_open and symbol in {"", each.symbol}]

    # --- placing -------------------------------------------------------------------------------------

    def _check_new(self, wish: Wish) -> None:
        if any(each.client_id == wish.client_id for each in self.open_orders() if wish.client_id):
            raise refused(refusals.DUPLICATE_ID)
        if self.is_restricted and not wish.reduce_only:
            raise refused(refusals.RESTRICTED)
        if self.counts_reducing and wish.reduce_only:
            self._check_room(wish)
        check_worth(wish, self._now_tick(wish.contract.symbol, None))

    def _check_room(self, wish: Wish) -> None:
        """All reduce-only orders of a side together close no more than there is."""
        held = self.positions.held.get(wish.contract.symbol)
        rivals = (
            each for each in self.open_orders(wish.contract.symbol) if each.reduce_only and each.side == wish.side
        )
        taken = sum((each.quantity - each.executed for each in rivals), rows.ZERO)
        if held is None or taken + wish.quantity > abs(held.quantity):
            raise refused(refusals.REDUCE_ONLY)

    def _order(self, wish: Wish, original: str, stop: Decimal) -> Order:
        now, number = self._clock.now_ms(), self._last_order + 1
        return Order(
            id=number,
            client_id=wish.client_id or f"web_{number:032x}",
            symbol=wish.contract.symbol,
            side=wish.side,
            type=wish.type,
            time_in_force=wish.time_in_force,
            quantity=wish.quantity,
            price=wish.price,
            time=now,
            update_time=now,
            reduce_only=wish.reduce_only,
            close_position=wish.close_position,
            original_type=original or wish.type,
            stop_price=stop,
            good_till=wish.good_till,
            working_type=wish.working_type,
            self_trade=wish.self_trade,
            price_protect=wish.price_protect,
        )

    def _request(self, order: Order, wish: Wish) -> OrderRequest:
        limit = None if order.type == "MARKET" else order.price
        force = TimeInForce.IOC if limit is None else _FORCES[order.time_in_force]
        return OrderRequest(
            client_order_id=_name(order.id),
            instrument=wish.contract.instrument,
            side=Side(order.side.lower()),
            quantity=order.quantity,
            type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            limit_price=limit,
            time_in_force=force,
            reduce_only=order.reduce_only,
            post_only=order.time_in_force == "GTX",
            expires_at=_EPOCH + timedelta(milliseconds=order.good_till) if force is TimeInForce.GTD else None,
        )

    def _engine_place(self, request: OrderRequest, wish: Wish) -> Draft:
        if self._state.ticks.get(wish.contract.symbol) is None:
            self.tick(wish.contract.symbol, None)
        try:
            return self._engine.place(self._state, request, self._moment())
        except Rejected as refusal:
            raise _told(refusal) from None

    def _check_fill_or_kill(self, wish: Wish, placed: Draft) -> None:
        """A FOK order that cannot fill is refused, and nothing of it is kept."""
        if wish.time_in_force != "FOK":
            return
        order = list(placed.orders.values())[-1]
        tick = self._now_tick(order.symbol, None)
        found = self._engines[wish.self_trade].tick(self._alone(order, tick, wish.self_trade), tick)
        if found is None or not found.fills:
            raise refused(refusals.FOK_REJECTED)

    def _arrive(self, order: Order) -> None:
        """Let one order meet the market as it stands; of the others those that the market does not fill now look on."""
        found, tick = self._state.orders.get(_name(order.id)), self._now_tick(order.symbol, None)
        if found is not None:
            alone = self._alone(found, tick, order.self_trade)
            self._apply(self._engines[order.self_trade].tick(alone, tick))

    def _alone(self, mine: BookOrder, tick: Tick, prevention: str = "NONE") -> State:
        """The state with one order that may fill, and such as cannot; of the other side only if they are to be looked at."""
        others = {
            name: each
            for name, each in self._state.orders.items()
            if not _is_through(each, tick) and (prevention != "NONE" or each.request.side is mine.request.side)
        }
        return replace(self._state, cash=dict(self._state.cash), orders={**others, mine.id: mine})

    def _would_take(self, symbol: str, side: str, price: Decimal) -> bool:
        market = self._market.of(symbol)
        return price >= market.ask if side == "BUY" else price <= market.bid

    # --- hearing the engine --------------------------------------------------------------------------

    def _apply(self, draft: Draft | None) -> None:
        if draft is None:
            return
        self._state.apply(draft)
        self._adopt(draft)
        for report in draft.reports:
            self._hear(self._row(report, draft), report)
        assert self._state.cash[QUOTE] == self.wallet, "the wallet and the engine's cash have parted"
        for symbol in self.contracts:
            held = self._state.holdings.get(symbol)
            assert (held.quantity if held else 0) == self.holding(symbol).quantity

    def _adopt(self, draft: Draft) -> None:
        """The venue's own orders (liquidations) get numbers and names as others have."""
        for book in draft.orders.values():
            if book.is_venues_own and book.id not in self._own:
                now = self._clock.now_ms()
                self._last_order += 1
                order = Order(
                    id=self._last_order,
                    client_id=f"autoclose-{now}{book.sequence}",
                    symbol=book.symbol,
                    side=book.request.side.value.upper(),
                    type="LIQUIDATION",
                    time_in_force="IOC",
                    quantity=book.request.quantity,
                    price=rows.ZERO,
                    time=now,
                    update_time=now,
                    original_type="LIMIT",
                )
                self._own[book.id] = order
                self.orders[order.id] = order
                self._write("accepted", order, type=order.type, quantity=order.quantity, price=order.price)

    def _row(self, report: OrderReport, draft: Draft) -> Order:
        if report.client_order_id:
            return self.orders[int(report.client_order_id[1:])]
        name = next(each.id for each in draft.orders.values() if each.venue_id == report.venue_order_id)
        return self._own[name]

    def _hear(self, order: Order, report: OrderReport) -> None:
        order.update_time = self._clock.now_ms()
        for fill in report.fills:
            self._filled(order, fill)
        if report.state is VenueOrderState.CANCELLED:
            self._end(order, *_ending(report.reason), report.reason)
        elif report.state is VenueOrderState.EXPIRED:
            self._end(order, rows.EXPIRED, "EXPIRED", report.reason)
        elif not report.fills and report.quantity != order.quantity:
            order.quantity = report.quantity
            self._write("amended", order, quantity=order.quantity, price=order.price)
            self._voice.order(order, "AMENDMENT")

    def _filled(self, order: Order, fill: Fill) -> None:
        held = self.holding(order.symbol)
        realised = held.realised(fill.signed_quantity, fill.price)
        assert fill.fee is not None
        self._last_trade += 1
        trade = Trade(
            id=self._last_trade,
            order_id=order.id,
            symbol=order.symbol,
            side=order.side,
            price=fill.price,
            quantity=fill.quantity,
            fee=fill.fee,
            realised=realised,
            is_maker=fill.liquidity is Liquidity.MAKER,
            time=self._clock.now_ms(),
        )
        self._book(order, trade, held.after(fill.signed_quantity, fill.price))
        self._journal.write(
            "execution",
            market=MARKET,
            symbol=order.symbol,
            order_id=order.id,
            client_id=order.client_id,
            trade_id=trade.id,
            side=order.side,
            quantity=trade.quantity,
            price=trade.price,
            maker=trade.is_maker,
            fee=trade.fee,
            fee_asset=QUOTE,
        )
        self._voice.money("ORDER", rows.ZERO, order.symbol)
        self._voice.order(order, "CALCULATED" if order.type == "LIQUIDATION" else "TRADE", trade)
        self._tell_changed(order)

    def _book(self, order: Order, trade: Trade, held: Holding) -> None:
        symbol = order.symbol
        self.positions.held[symbol] = held
        self.positions.realised[symbol] = self.positions.realised.get(symbol, rows.ZERO) + trade.realised
        self.positions.changed[symbol] = trade.time
        self.wallet += trade.realised - trade.fee
        order.executed += trade.quantity
        order.quote += trade.quantity * trade.price
        order.trades.append(trade)
        order.status = rows.FILLED if order.executed == order.quantity else rows.PARTIALLY_FILLED
        self.trades.append(trade)
        for kind, amount in (("REALIZED_PNL", trade.realised), ("COMMISSION", -trade.fee)):
            if amount:
                self._income(kind, amount, symbol=symbol, trade_id=str(trade.id))

    def _end(self, order: Order, status: str, execution: str, reason: str) -> None:
        order.status, order.reason = status, reason
        self._write("cancelled" if status == rows.CANCELED else "expired", order, filled=order.executed, reason=reason)
        self._voice.order(order, execution)
        self._tell_changed(order)

    def _tell_changed(self, order: Order) -> None:
        if not order.is_open:
            for listener in self.ended:
                listener(order)

    # --- money without trades ------------------------------------------------------------------------

    def _pay(self, kind: str, amount: Decimal, reason: str, *, symbol: str = "", info: str = "") -> None:
        self.wallet += amount
        self._income(kind, amount, symbol=symbol, info=info)
        self._voice.money(reason, amount, symbol)

    def _income(self, kind: str, amount: Decimal, *, symbol: str = "", trade_id: str = "", info: str = "") -> None:
        number = FIRST_INCOME + len(self.incomes) + 1
        self.incomes.append(Income(number, kind, amount, self._clock.now_ms(), symbol, trade_id, info))

    # --- the engine ----------------------------------------------------------------------------------

    def _made(self) -> dict[str, Engine]:
        """One engine for each way of preventing self-trades, with the margin rules that count now."""
        rules = {
            symbol: MarginRule(initial=Decimal(1) / self.leverage[symbol], brackets=contract.margin_brackets)
            for symbol, contract in self.contracts.items()
        }
        terms = Terms(
            currency=QUOTE,
            initial_cash=START,
            fees=Fees(maker=MAKER, taker=TAKER),
            slippage=Slippage(),
            leverage=Decimal(MOST_LEVERAGE),
            margin=Margin(by_symbol=rules, liquidation_fee=Decimal("0.0125")),
            shorting=True,
            max_participation=Decimal(1),
        )
        made = {mode: Engine(replace(terms, self_trade=way)) for mode, way in _PREVENTIONS.items()}
        made["NONE"] = made["EXPIRE_MAKER"]
        return made

    def _now_tick(self, symbol: str, volume: Decimal | None) -> Tick:
        market = self._market.of(symbol)
        return Tick(symbol, market.bid, market.ask, market.last, self._moment(), volume=volume, book=market.book)

    @property
    def _engine(self) -> Engine:
        return self._engines["NONE"]

    def _moment(self) -> datetime:
        return self._clock.moment()

    def _write(self, kind: str, order: Order, **facts: object) -> None:
        self._journal.write(
            kind,
            market=MARKET,
            symbol=order.symbol,
            order_id=order.id,
            client_id=order.client_id,
            side=order.side,
            **facts,
        )


def _name(order_id: int) -> ClientOrderId:
    return ClientOrderId(f"o{order_id}")


def _ending(reason: str) -> tuple[str, str]:
    """Status and execution type of an order that the engine calls cancelled."""
    if reason == SELF_TRADE:
        return rows.IN_MATCH, "TRADE_PREVENTION"
    if reason.startswith(("INSUFFICIENT", "LIQUIDATION", "POST_ONLY")) or reason == linked.HOLDING_CLOSED:
        return rows.EXPIRED, "EXPIRED"
    return rows.CANCELED, "CANCELED"


def _is_through(order: BookOrder, tick: Tick) -> bool:
    """Whether the market would fill a resting order now."""
    limit = order.request.limit_price
    if limit is None:
        return True
    return limit > tick.ask if order.request.side is Side.BUY else limit < tick.bid


_TOLD = {
    "INSUFFICIENT_FUNDS": refusals.MARGIN,
    "REDUCE_ONLY": refusals.REDUCE_ONLY,
    "POST_ONLY_WOULD_TAKE": refusals.POST_ONLY_REJECTED,
    "PRICE_FILTER": refusals.OFF_TICK,
    "LOT_SIZE": refusals.PRECISION,
}


def _told(refusal: Rejected) -> Refusal:
    """The engine's refusal in the venue's words."""
    return refused(_TOLD[refusal.code])
