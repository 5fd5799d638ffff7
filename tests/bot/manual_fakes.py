"""Trading by hand in memory, for the screens: the words are read for real, the figures are made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from brokers.order import Side
from core.access.roles import Actor
from core.errors import UnknownName, UserError
from core.trading.by_hand.grammar import read_exits, read_slip, slip_words
from core.trading.by_hand.intents import SeveralAccounts
from core.trading.by_hand.slip import Slip, Unit, Verb
from core.views import (
    ActionResult,
    CancelPreview,
    ChangePreview,
    ExitRow,
    ExitsView,
    LimitChange,
    OrderPreview,
    Placed,
    Tradable,
)
from risk.view import TradingState

D = Decimal


def preview_of(slip: Slip, **changes: Any) -> OrderPreview:
    """A preview of an order of a hundred, say."""
    side = slip.verb.side or Side.SELL
    quantity = slip.size.amount if slip.size.unit is Unit.UNITS else D(60)
    price = slip.limit_price or slip.stop_price or D("26.35")
    waits = slip.limit_price is not None or slip.stop_price is not None
    view = OrderPreview(
        verb=slip.verb.value, words=slip_words(slip.of_units(quantity)), seen="26.35/0/120/ACTIVE", account="paper",
        simulated=True, owner=slip.strategy or "manual", side=side, symbol=slip.symbol, quantity=quantity, type=slip.type,
        limit_price=slip.limit_price, stop_price=slip.stop_price, trail=slip.trail, trail_percent=slip.trail_percent,
        time_in_force=slip.time_in_force.value, expires_at=slip.expires_at, post_only=slip.post_only,
        reduce_only=slip.reduce_only, exits=str(slip.exits or ""), bid=D("26.34"), ask=D("26.36"), quote_age=0.4,
        basis="own" if waits else "book", price=price, worst_price=price, slippage_bps=None if waits else D("3.8"),
        shown=None if waits else quantity, price_currency="USD", value=quantity * price,
        slippage_cost=None if waits else D("0.6"), fee=D("1"), currency="USD", held=D(0), held_after=quantity * side.sign,
        account_held=D(120), account_after=D(120) + quantity * side.sign, equity=D("101234.5"),
        gross=(D(3162), D(3162) + quantity * price), net=(D(3162), D(3162) + side.sign * quantity * price),
        leverage=(D("0.031"), D("0.047")),
        limits=(LimitChange("Largest position", "10 %", "3.1 %", "4.7 %", 0.31, 0.47), LimitChange("Gross exposure", "100 %", "?", "?", None, None)),
        state=TradingState.ACTIVE, connected=True, code="", objection="", largest=quantity, largest_words=(), notes=(),
    )  # fmt: skip
    if slip.type.is_trailing:
        view = replace(view, basis="nothing", price=None, worst_price=None, value=None, slippage_bps=None, fee=None)
    return replace(view, **changes)


class FakeHand:
    """`changes` are laid over every preview; `later` is what the confirmation finds changed."""

    world: Any
    changes: dict[str, Any] = {}  # noqa: RUF012
    later: str = ""
    accounts: tuple[str, ...] = ()  # where there are several, an order must say in which

    async def _wait(self) -> Any:
        raise NotImplementedError

    def _act(self, *call: str, said: str) -> ActionResult:
        raise NotImplementedError

    def _known(self) -> list[str]:
        return sorted({row.symbol for row in self.world.positions} | {"AAPL", "MSFT"})

    def account_to_trade(self, verb: Verb, words: Sequence[str], actor: Actor) -> str:
        read_slip(verb, words)
        return "paper"

    async def preview_order(self, verb: Verb, words: Sequence[str], actor: Actor, *, changed: str = "") -> OrderPreview:
        await self._wait()
        slip = read_slip(verb, words)
        if self.accounts and not slip.account:
            raise SeveralAccounts(self.accounts)
        known = {each.upper(): each for each in self._known()}
        if slip.symbol.upper() not in known:
            raise UnknownName("symbol", slip.symbol, known.values())
        view = preview_of(slip, changed=changed)
        if self.world.state is TradingState.HALTED:
            view = replace(
                view, state=TradingState.HALTED, code="TRADING_STATE", objection="Trading is halted", largest=D(0)
            )
        return replace(view, **self.changes)

    async def place_order(self, verb: Verb, words: Sequence[str], shown: str, actor: Actor) -> Placed:
        if self.later:
            return Placed(preview=await self.preview_order(verb, words, actor, changed=self.later))
        self._act("place", verb.value, shown, *words, said="")
        return Placed(order=self.world.orders[0].client_order_id)

    async def tradables(self, actor: Actor) -> tuple[Tradable, ...]:
        await self._wait()
        held = {row.symbol: row for row in self.world.positions}
        rows = [
            Tradable(name, held[name].mark if name in held else D("71.5"), D(1), D("0.01"), held[name].by_strategy if name in held else {}, ("paper",))
            for name in self._known()
        ]  # fmt: skip
        return tuple(sorted(rows, key=lambda row: (not row.held, row.symbol)))

    def account_of_open_order(self, word: str, actor: Actor) -> str:
        return "paper"

    async def preview_cancel(self, what: str, actor: Actor) -> CancelPreview:
        await self._wait()
        rows = [row for row in self.world.orders if row.is_open]
        named = [row for row in rows if what.lower() in ("", "all") or what in (row.client_order_id, row.symbol)]
        if what and not named and what not in self._known():
            raise UnknownName("open order", what, [row.client_order_id for row in rows])
        found = tuple((row.client_order_id, f"{row.side} {row.quantity:f} {row.symbol} {row.type}") for row in named)
        return CancelPreview(what, found, ("paper",) if found else ())

    async def cancel_orders(self, what: str, actor: Actor) -> ActionResult:
        if not (await self.preview_cancel(what, actor)).orders:
            return ActionResult(False, "No order is open.")
        return self._act("cancel", what, actor.name, said="Cancelled.")

    async def preview_change(self, word: str, field: str, value: str, actor: Actor) -> ChangePreview:
        if field not in ("price", "quantity", "stop"):
            raise UserError("What is to change: price, quantity, stop?")
        return ChangePreview(word, "paper", "buy 100 AAPL", "quantity 100, limit 25.5", f"{field} {value}", "", "")

    async def modify_order(self, word: str, field: str, value: str, actor: Actor) -> ActionResult:
        return self._act("modify", word, field, value, actor.name, said=f"buy 100 AAPL: {field} {value}: changed.")

    async def exits_of(self, strategy: str, symbol: str, actor: Actor, account: str = "") -> ExitsView:
        await self._wait()
        if self.accounts and not account:
            raise SeveralAccounts(self.accounts)
        found = [row for row in self.world.positions if row.symbol.upper() == symbol.upper()]
        if not found:
            raise UnknownName("symbol", symbol, self._known())
        row = found[0]
        exits = ExitRow("trend-aapl", D("24.6"), D("27.5"), "stop 2 %, target 10 %", "venue", closing=False)
        return ExitsView(
            "paper",
            strategy or next(iter(row.by_strategy)),
            row.symbol,
            row.quantity,
            row.average_price,
            row.mark,
            exits,
        )

    async def set_exits(
        self, strategy: str, symbol: str, words: Sequence[str], actor: Actor, account: str = ""
    ) -> ActionResult:
        if self.accounts and not account:
            raise SeveralAccounts(self.accounts)
        return self._act(
            "exits",
            strategy,
            symbol,
            *words,
            *([account] if account else []),
            said=f"{strategy} in {symbol}: {read_exits(words)}.",
        )
