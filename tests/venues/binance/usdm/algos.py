"""The Algo service: conditional orders in their own space of ids, which become orders when their price is reached."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Protocol

from tests.venues.binance.clock import VenueClock
from tests.venues.binance.errors import Refusal
from tests.venues.binance.journal import Journal
from tests.venues.binance.triggers import Trigger
from tests.venues.binance.usdm import refusals, rows
from tests.venues.binance.usdm.account import MARKET, Account
from tests.venues.binance.usdm.contracts import MAX_ALGO_ORDERS
from tests.venues.binance.usdm.refusals import refused
from tests.venues.binance.usdm.rows import Algo, Order
from tests.venues.binance.usdm.wishes import Wish

FIRST_ALGO = 3_000_000_033_225_000


class AlgoVoice(Protocol):
    """Hears what happens to conditional orders."""

    def algo(self, algo: Algo) -> None:
        """ALGO_UPDATE."""


class Algos:
    """The conditional orders of one account."""

    def __init__(self, account: Account, clock: VenueClock, journal: Journal, voice: AlgoVoice) -> None:
        self.all: dict[int, Algo] = {}
        self._account, self._clock, self._journal, self._voice = account, clock, journal, voice
        self._triggers: dict[int, Trigger] = {}
        self._wishes: dict[int, Wish] = {}
        account.ended.append(self._order_ended)

    def place(self, wish: Wish) -> Algo:
        """A new one. Raises what the venue says."""
        self._check(wish)
        algo = self._made(wish)
        trigger = _trigger(wish)
        last = self._account.mark(algo.symbol)
        trigger.begin(last)
        if not algo.is_trailing and trigger.look(last):
            raise refused(refusals.WOULD_TRIGGER)
        self.all[algo.id], self._triggers[algo.id], self._wishes[algo.id] = algo, trigger, wish
        self._write("accepted", algo, type=algo.type, quantity=algo.quantity, price=algo.price, conditional=True)
        self._voice.algo(algo)
        self._follow(algo, trigger)
        return algo

    def cancel(self, algo: Algo) -> None:
        """Take one out."""
        self._finish(algo, rows.CANCELED)
        self._write("cancelled", algo, conditional=True)

    def find(self, algo_id: int | None, client_id: str) -> Algo | None:
        """By the venue's number, else by the client's id: the newest with it."""
        if algo_id is not None:
            return self.all.get(algo_id)
        same = [each for each in self.all.values() if each.client_id == client_id]
        return same[-1] if same else None

    def open(self, symbol: str = "") -> list[Algo]:
        """Those that wait, oldest first."""
        return [each for each in self.all.values() if each.is_open and symbol in {"", each.symbol}]

    def look(self, symbol: str) -> None:
        """The price has moved: wake what it reaches."""
        for algo in self.open(symbol):
            trigger = self._triggers[algo.id]
            if trigger.look(self._account.mark(symbol)):
                self._wake(algo)
            else:
                self._follow(algo, trigger)

    def pass_time(self) -> None:
        """Those whose time is over end."""
        for algo in self.open():
            if 0 < algo.good_till <= self._clock.now_ms():
                self._finish(algo, rows.EXPIRED)
                self._write("expired", algo, conditional=True)

    def _follow(self, algo: Algo, trigger: Trigger) -> None:
        """A trailing one remembers the best price; that it has begun to trail is told, as NEW once more."""
        began = algo.best is None and trigger.best is not None
        algo.best = trigger.best
        if began:
            self._voice.algo(algo)

    def _check(self, wish: Wish) -> None:
        if any(each.client_id == wish.client_id for each in self.open() if wish.client_id):
            raise refused(refusals.DUPLICATE_ID)
        if len(self.open()) >= MAX_ALGO_ORDERS:
            raise refused(refusals.TOO_MANY_ALGOS)
        if self._account.is_restricted and not wish.reduce_only and not wish.close_position:
            raise refused(refusals.RESTRICTED)
        worth = (wish.price or wish.trigger or self._account.mark(wish.contract.symbol)) * wish.quantity
        if worth < wish.contract.min_notional and not wish.reduce_only and not wish.close_position:
            raise refusals.notional(wish.contract.min_notional)

    def _made(self, wish: Wish) -> Algo:
        now, number = self._clock.now_ms(), FIRST_ALGO + len(self.all) + 1
        return Algo(
            id=number,
            client_id=wish.client_id or f"web{number}",
            symbol=wish.contract.symbol,
            side=wish.side,
            type=wish.type,
            time_in_force=wish.time_in_force,
            quantity=wish.quantity,
            price=wish.price,
            trigger=wish.trigger,
            create_time=now,
            update_time=now,
            reduce_only=wish.reduce_only,
            close_position=wish.close_position,
            working_type=wish.working_type,
            self_trade=wish.self_trade,
            price_protect=wish.price_protect,
            good_till=wish.good_till,
            activate=wish.activate,
            callback=wish.callback,
        )

    def _wake(self, algo: Algo) -> None:
        algo.trigger_time = algo.update_time = self._clock.now_ms()
        algo.status = rows.TRIGGERING
        self._voice.algo(algo)
        wish = self._wish_of(algo)
        if wish is None:
            return self._finish(algo, rows.EXPIRED)
        try:
            self._start(algo, wish)
        except Refusal as refusal:
            algo.failure = refusal.msg
            self._finish(algo, rows.REJECTED)
        return None

    def _start(self, algo: Algo, wish: Wish) -> None:
        """The order that it becomes, told of before and after its first fills."""
        self._account.place(wish, original=algo.type, stop=algo.trigger, becoming=lambda made: self._became(algo, made))

    def _became(self, algo: Algo, order: Order) -> None:
        algo.actual, algo.status = order, rows.TRIGGERED
        self._voice.algo(algo)

    def _wish_of(self, algo: Algo) -> Wish | None:
        """What is placed; None when a position that was to be closed is no longer there."""
        wish = self._wishes[algo.id]
        kind = "MARKET" if algo.is_market else "LIMIT"
        quantity = wish.quantity
        if wish.close_position:
            held = self._account.holding(algo.symbol).quantity
            quantity = abs(held) if (held < 0) is wish.is_buy and held else Decimal(0)
        if not quantity:
            return None
        reduces = wish.reduce_only or wish.close_position
        return replace(wish, type=kind, quantity=quantity, client_id=algo.client_id, reduce_only=reduces)

    def _order_ended(self, order: Order) -> None:
        for algo in self.all.values():
            if algo.actual is order and algo.status == rows.TRIGGERED:
                self._finish(algo, rows.FINISHED)

    def _finish(self, algo: Algo, status: str) -> None:
        algo.status, algo.update_time = status, self._clock.now_ms()
        self._voice.algo(algo)

    def _write(self, kind: str, algo: Algo, **facts: object) -> None:
        self._journal.write(
            kind, market=MARKET, symbol=algo.symbol, order_id=algo.id, client_id=algo.client_id, side=algo.side, **facts
        )


def _trigger(wish: Wish) -> Trigger:
    """What wakes it: a stop waits for the price to go against the order, a take-profit for it to go its way."""
    takes_profit = wish.type.startswith("TAKE_PROFIT")
    up = wish.is_buy is not takes_profit
    if wish.type != "TRAILING_STOP_MARKET":
        return Trigger(up, price=wish.trigger)
    activation = wish.activate or None
    return Trigger(up, trail=wish.callback / 100, activation=activation, activates_up=not wish.is_buy)
