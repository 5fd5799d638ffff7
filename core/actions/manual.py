"""Trading by hand: a preview that sends nothing, and a confirmation that is good for just what was shown."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from brokers.errors import BrokerError, Rejected
from brokers.market import OrderBook, Quote
from brokers.money import ZERO
from brokers.order import Liquidity, OrderType
from core.access.roles import Actor
from core.actions.acting import Acting
from core.actions.noted import Noted
from core.errors import UnknownName, UserError
from core.previews import Facts, Seen, changes_since, order_preview
from core.rows import exit_row
from core.trading.by_hand.changes import FIELDS, judge, wanted_terms
from core.trading.by_hand.estimate import Basis, Estimate, estimate
from core.trading.by_hand.grammar import read_exits, read_slip
from core.trading.by_hand.hand import entry_role
from core.trading.by_hand.intents import SeveralAccounts, Wanted, check_levels, holders_of, wanted_of
from core.trading.by_hand.room import with_room
from core.trading.by_hand.slices import Sent, slices_of
from core.trading.by_hand.slip import Slip, Verb
from core.trading.desk import Desk
from core.trading.live_order import MANUAL, LiveOrder
from core.trading.pipeline import Pipeline
from core.trading.protection.guard import Holder
from core.trading.protection.spec import ExitSpec
from core.trading.spelling import spelt
from core.trading.states import OrderState
from core.trading.terms import Terms
from core.views import ActionResult, CancelPreview, ChangePreview, ExitsView, OrderPreview, Placed, Tradable
from risk.verdict import Approved, Denied, Verdict
from risk.whatif import what_if

_SHORTEST_END = 4
_HELD = {
    Holder.VENUE: "It rests at the venue",
    Holder.ENGINE: "Nothing rests at the venue: our engine watches it, and must run for that",
    Holder.BOTH: "The venue holds a part of it, our engine the rest",
    Holder.NOBODY: "It counts again when trading resumes",
}


class ManualTrading(Acting):
    """What a person may order, change and cancel by hand."""

    # --- ordering ----------------------------------------------------------------------------------

    def account_to_trade(self, verb: Verb, words: Sequence[str], actor: Actor) -> str:
        """The account that an order in words is for. Raises `UserError`."""
        return self._slip(verb, words, actor)[1].account

    async def preview_order(self, verb: Verb, words: Sequence[str], actor: Actor, *, changed: str = "") -> OrderPreview:
        """What an order would cost and do now. Sends nothing. Raises `UserError` that says what to write instead."""
        slip, desk = self._slip(verb, words, actor)
        quote = _quote(desk, slip)
        wanted = self._wanted(slip, desk, quote)
        book = await self._book(desk, wanted.intent.instrument.symbol)
        quote = _quote(desk, slip)  # a book may take its time: everything else is of one moment
        wanted = self._wanted(slip, desk, quote)
        found = estimate(wanted.intent, quote, book)
        fee = await self._fee(desk, wanted, found)
        view = order_preview(self._facts(desk, wanted, quote, found, fee=fee, changed=changed))
        return view if view.code else _if_refused(view, desk.orders.refusal(slices_of(wanted.intent, desk)[-1]))

    def _slip(self, verb: Verb, words: Sequence[str], actor: Actor) -> tuple[Slip, Desk]:
        """The order that is meant and where; with several accounts its words name the one."""
        seen = self._seen(actor)
        slip = read_slip(verb, words)
        among = self._symbols(self._engine.floor.chosen(slip.account, seen))
        slip = replace(slip, symbol=spelt(slip.symbol, among) or slip.symbol)
        desk = self._desk_for(slip, seen)
        return slip if self._engine.floor.is_single else replace(slip, account=desk.account), desk

    @staticmethod
    def _symbols(desks: Iterable[Desk]) -> set[str]:
        """Everything that is traded on one of these desks."""
        return {symbol for desk in desks for symbol in desk.portfolio.instruments}

    def _seen(self, actor: Actor) -> tuple[str, ...]:
        return tuple(name for name in self._engine.floor.names if actor.sees(name))

    def _facts(
        self, desk: Desk, wanted: Wanted, quote: Quote | None, found: Estimate, *, fee: Decimal | None, changed: str
    ) -> Facts:
        view = desk.view()
        guard = self._pipeline_of(desk).protection.guard(MANUAL, wanted.intent.instrument.symbol)
        view = with_room(view, wanted.intent)
        risk = what_if(wanted.intent, view, desk.gate)
        slices = slices_of(wanted.intent, desk)
        if len(slices) > 1:  # what is judged is what is sent; what it comes to is what all of it comes to
            risk = replace(risk, denied=what_if(slices[-1], view, desk.gate).denied)
        return Facts(wanted, desk, view, quote, found, fee, risk, guard, changed)

    async def place_order(self, verb: Verb, words: Sequence[str], shown: str, actor: Actor) -> Placed:
        """Place what was shown, if it is still so; else show it anew. `words` are those of the preview.

        Looking again and sending are one turn of the pipeline: nothing comes between. Raises `UserError`.
        """
        slip, desk = self._slip(verb, words, actor)
        said = f"{verb} {' '.join(words)}"
        async with self._pipeline_of(desk).turn() as hand:
            quote = _quote(desk, slip)
            wanted = self._wanted(slip, desk, quote)
            changed = self._changed(shown, Seen.now(wanted, desk, quote))
            role = entry_role(self._engine.ids.nonce()) if slip.exits is not None else ""
            slices = slices_of(replace(wanted.intent, role=role), desk)
            verdict: Verdict | None = desk.gate.review(slices[-1], with_room(desk.view(), slices[-1]))
            sent = None
            if not changed and not isinstance(verdict, Denied):
                trail = Noted(self._engine.audit, actor, "manual order", said)
                sent = await hand.send(slices, slip.exits, trail)
                verdict = sent.denied
        if sent is not None and sent.orders:
            return await self._sent(actor, said, sent)
        why = changed or (f"{verdict.reason}." if isinstance(verdict, Denied) else "")
        await self._engine.audit.record(actor, "manual order", f"{said}: {why}", "not sent")
        return Placed(preview=await self.preview_order(verb, words, actor, changed=why))

    async def _sent(self, actor: Actor, said: str, sent: Sent) -> Placed:
        """Written down, order by order."""
        for each in sent.orders:
            await self._engine.audit.record(actor, "manual order", f"{said}: {each.id}", each.state.value)
        return Placed(order=sent.orders[0].id, told=sent.told)

    def _changed(self, shown: str, now: Seen) -> str:
        try:
            then = Seen.read(shown)
        except (ValueError, ArithmeticError, LookupError):
            return "This confirmation cannot be read any more."
        return changes_since(then, now, self._engine.settings.manual.price_tolerance_percent)

    def _wanted(self, slip: Slip, desk: Desk, quote: Quote | None) -> Wanted:
        return wanted_of(slip, desk, quote, self._engine.trading_clock.now())

    async def _book(self, desk: Desk, symbol: str) -> OrderBook | None:
        """The venue's order book; None where it has none, or does not answer in time: then the quote must do."""
        if not desk.broker.capabilities.order_book:
            return None
        settings = self._engine.settings.manual
        try:
            async with asyncio.timeout(settings.book_seconds):
                return await desk.broker.get_orderbook(symbol, settings.book_levels)
        except (BrokerError, TimeoutError):
            return None

    async def _fee(self, desk: Desk, wanted: Wanted, found: Estimate) -> Decimal | None:
        if found.average is None:
            return None
        intent = wanted.intent
        rests = intent.type is OrderType.LIMIT and found.basis is Basis.OWN
        liquidity = Liquidity.MAKER if rests else Liquidity.TAKER
        try:
            return await desk.broker.estimate_fee(intent.instrument, intent.quantity, found.average, liquidity)
        except BrokerError:
            return None

    # --- where -------------------------------------------------------------------------------------

    def _desk_for(self, slip: Slip, seen: Collection[str] | None) -> Desk:
        """The account that is named, the only one that has it, or for a close that holds it. Raises `UserError`."""
        desks = self._engine.floor.chosen(slip.account, seen)
        if len(desks) > 1:
            desks = tuple(desk for desk in desks if slip.symbol in desk.portfolio.instruments)
            if not desks:
                raise UnknownName("symbol", slip.symbol, self._symbols(self._engine.floor.chosen("", seen)))
        if slip.verb is Verb.CLOSE and len(desks) > 1:
            desks = tuple(desk for desk in desks if self._holds(desk, slip)) or desks
        if len(desks) > 1:
            raise SeveralAccounts([desk.account for desk in desks])
        return desks[0]

    @staticmethod
    def _holds(desk: Desk, slip: Slip) -> bool:
        holders = holders_of(desk, slip.symbol)
        return slip.strategy in holders if slip.strategy else bool(holders)

    def _pipeline_of(self, desk: Desk) -> Pipeline:
        return self._engine.floor.pipeline(desk.account)

    async def tradables(self, actor: Actor) -> tuple[Tradable, ...]:
        """Every symbol that can be traded, what is held first."""
        desks = self._engine.floor.chosen("", self._seen(actor))
        symbols = sorted(self._symbols(desks))
        known = {symbol: [desk for desk in desks if symbol in desk.portfolio.instruments] for symbol in symbols}
        rows = [self._tradable(symbol, where) for symbol, where in known.items() if where]
        return tuple(sorted(rows, key=lambda row: (not row.held, row.symbol)))

    def _tradable(self, symbol: str, desks: Sequence[Desk]) -> Tradable:
        quote = desks[0].market.quotes.get(symbol)
        thing = desks[0].portfolio.instruments[symbol]
        held: dict[str, Decimal] = {}
        for desk in desks:
            for name, quantity in holders_of(desk, symbol).items():
                held[name] = held.get(name, ZERO) + quantity
        price = None if quote is None else quote.last
        return Tradable(symbol, price, thing.lot, thing.tick, held, tuple(desk.account for desk in desks))

    # --- changing ----------------------------------------------------------------------------------

    def account_of_open_order(self, word: str, actor: Actor) -> str:
        """The account of an open order. Raises `UnknownName`."""
        return self._open_order(word, actor)[0].account

    def _open_order(self, word: str, actor: Actor) -> tuple[Desk, LiveOrder]:
        """The open order with that id, or whose id ends so. Raises `UnknownName`."""
        desks = self._engine.floor.chosen("", self._seen(actor))
        every = [(desk, order) for desk in desks for order in desk.orders.open_orders]
        found = [(desk, order) for desk, order in every if order.id == word]
        if not found and len(word) >= _SHORTEST_END:
            found = [(desk, order) for desk, order in every if order.id.endswith(word)]
        if len(found) != 1:
            raise UnknownName("open order", word[:40], [order.id for _, order in every])
        return found[0]

    async def preview_change(self, word: str, field: str, value: str, actor: Actor) -> ChangePreview:
        """What a change of an order by hand would be, and what the gate says of it. Raises `UserError`."""
        desk, order, wanted = self._change(word, field, value, actor)
        verdict = judge(desk, order, wanted, self._engine.trading_clock.now())
        code, reason = (verdict.code, verdict.reason) if isinstance(verdict, Denied) else ("", "")
        return ChangePreview(order.id, desk.account, order.what, str(order.terms), str(wanted), code, reason)

    def _change(self, word: str, field: str, value: str, actor: Actor) -> tuple[Desk, LiveOrder, Terms]:
        if field not in FIELDS:
            raise UserError(f"What is to change: {', '.join(FIELDS)}?")
        desk, order = self._open_order(word, actor)
        return desk, order, wanted_terms(desk, order, field, value)

    async def modify_order(self, word: str, field: str, value: str, actor: Actor) -> ActionResult:
        """Change the price, the quantity or the trigger of an order by hand. Raises `UserError`.

        The venue changes it natively, or it is refused with the reason; it is never cancelled and placed anew.
        """
        desk = self._open_order(word, actor)[0]
        async with self._pipeline_of(desk).turn():
            desk, order, wanted = self._change(word, field, value, actor)
            said = f"{order.what}: {field} {value}"
            verdict = judge(desk, order, wanted, self._engine.trading_clock.now())
            if isinstance(verdict, Denied):
                text = f"{said}: {verdict.code}: {verdict.reason}. Not changed."
                return await self._failed(actor, "modify order", text)
            try:
                state = await self._send_change(desk, order, wanted, verdict, actor)
            except BrokerError as error:
                return await self._failed(actor, "modify order", f"{said}: {error}")
        settled = state is not OrderState.MODIFYING
        text = f"{said}: {'changed' if settled else 'asked for; the venue has not said yes yet'}."
        return await self._done(actor, "modify order", f"{order.id} {said}", True, text, "")

    @staticmethod
    async def _send_change(desk: Desk, order: LiveOrder, wanted: Terms, approved: Approved, actor: Actor) -> OrderState:
        old = order.terms
        return await desk.orders.modify(
            order.id,
            quantity=_new(wanted.quantity, old.quantity),
            limit_price=_new(wanted.limit_price, old.limit_price),
            stop_price=_new(wanted.stop_price, old.stop_price),
            reason=f"by {actor.name}",
            approved=approved,
        )

    # --- cancelling --------------------------------------------------------------------------------

    async def preview_cancel(self, what: str, actor: Actor) -> CancelPreview:
        """The open orders that `all`, a symbol, or an order's id mean; "" lists all. Raises `UnknownName`.

        Protective exits are changed by `/exits`, and not cancelled.
        """
        chosen = self._to_cancel(what or "all", actor)
        rows = tuple((order.id, _in_words(order)) for _, order in chosen)
        return CancelPreview(what, rows, tuple(dict.fromkeys(desk.account for desk, _ in chosen)))

    def _to_cancel(self, what: str, actor: Actor) -> list[tuple[Desk, LiveOrder]]:
        desks = self._engine.floor.chosen("", self._seen(actor))
        every = [(desk, order) for desk in desks for order in desk.orders.open_orders if not order.is_resting_exit]
        if what.lower() == "all":
            return every
        ordered = {order.symbol for _, order in every}
        symbol = spelt(what, self._symbols(desks) | ordered)
        if symbol is not None:
            return [(desk, order) for desk, order in every if order.symbol == symbol]
        return [self._open_order(what, actor)]

    async def cancel_orders(self, what: str, actor: Actor) -> ActionResult:
        """Cancel one order, those of a symbol, or all; a line for each. It waits for no turn: it must never be late."""
        chosen = self._to_cancel(what, actor)
        if not chosen:
            where = "" if what.lower() == "all" else f" in {what[:40]}"
            return await self._failed(actor, "cancel order", f"No order is open{where}.")
        lines = tuple(await asyncio.gather(*(_cancel(desk, order, actor) for desk, order in chosen)))
        ok = bool(lines) and not any(line.startswith("🔴") for line in lines)
        detail = f"{what[:40]}: {'; '.join(lines)}"
        await self._engine.audit.record(actor, "cancel order", detail, "ok" if ok else "partly")
        count = f"{len(lines)} order{'s' if len(lines) != 1 else ''}"
        return ActionResult(ok, f"Asked to cancel {count}." if ok else "Not everything is cancelled.", lines)

    # --- exits -------------------------------------------------------------------------------------

    async def exits_of(self, strategy: str, symbol: str, actor: Actor, account: str = "") -> ExitsView:
        """How one position is protected now. Raises `UserError`."""
        desk, owner, name = self._position(strategy, symbol, actor, account)
        lot = desk.portfolio.lot(owner, name)
        guard = self._pipeline_of(desk).protection.guard(owner, name)
        quote = desk.market.quotes.get(name)
        return ExitsView(
            desk.account,
            owner,
            name,
            lot.quantity,
            lot.average_price,
            None if quote is None else quote.last,
            None if guard is None or guard.spec is None else exit_row(guard),
        )

    def _position(self, strategy: str, symbol: str, actor: Actor, account: str) -> tuple[Desk, str, str]:
        """Where, whose and what. Raises `UserError` unless exactly one position is meant."""
        desks = self._engine.floor.chosen(account, self._seen(actor))
        known = self._symbols(desks)
        if (name := spelt(symbol, known)) is None:
            raise UnknownName("symbol", symbol, known)
        found = [(desk, owner) for desk in desks for owner in holders_of(desk, name)]
        if strategy:
            found = [(desk, owner) for desk, owner in found if owner == strategy]
        if not found:
            raise UserError(f"{strategy or 'Nobody'} holds {'no ' if strategy else ''}{name}.")
        if len(found) > 1 and len({owner for _, owner in found}) == 1:
            raise SeveralAccounts([desk.account for desk, _ in found])
        if len(found) > 1:
            owners = ", ".join(dict.fromkeys(owner for _, owner in found))
            raise UserError(f"Whose {name}: {owners}? Write /exits NAME {name} stop … target …")
        return found[0][0], found[0][1], name

    async def set_exits(
        self, strategy: str, symbol: str, words: Sequence[str], actor: Actor, account: str = ""
    ) -> ActionResult:
        """Protect a position until it is flat: `stop 95 target 110`, or `none`. Raises `UserError`."""
        desk, owner, name = self._position(strategy, symbol, actor, account)
        spec = self._checked_exits(desk, owner, name, words)
        try:
            guard = await self._pipeline_of(desk).protect(owner, name, spec)
        except LookupError as nothing:
            return await self._failed(actor, "protect", f"{nothing}.")
        text = f"{owner} in {name}: {spec or 'no exits'}, until it is flat."
        held = "" if guard is None or spec is None else f" {_HELD[guard.holder]}."
        return await self._done(actor, "protect", text, True, text + held, "")

    @staticmethod
    def _checked_exits(desk: Desk, owner: str, name: str, words: Sequence[str]) -> ExitSpec | None:
        """The exits that the words say, if none of them would close at once. Raises `UserError`."""
        spec = read_exits(words)
        quote = desk.market.quotes.get(name)
        held = desk.portfolio.lot(owner, name).quantity
        if spec is not None and quote is not None:
            check_levels(spec, 1 if held > 0 else -1, quote.last)
        return spec


def _if_refused(view: OrderPreview, refused: Rejected | None) -> OrderPreview:
    """What the venue has no words for need not be confirmed first."""
    if refused is None:
        return view
    why = refused.reason[:1].upper() + refused.reason[1:]
    return replace(view, code=refused.code, objection=why, largest=ZERO, largest_words=())


def _quote(desk: Desk, slip: Slip) -> Quote | None:
    """The price at the account's own venue."""
    quotes = desk.market.quotes
    return next((quotes[each] for each in quotes if each.upper() == slip.symbol.upper()), None)


async def _cancel(desk: Desk, order: LiveOrder, actor: Actor) -> str:
    """A line with what came of it, by what the order is for."""
    what, line = _in_words(order), await desk.orders.cancel_told(order.id, f"by {actor.name}")
    return line.replace(order.id, what)


def _in_words(order: LiveOrder) -> str:
    """`sell 0.01 BTC/USDT stop 48,000 limit 47,900`: of several in one symbol it is to be seen which."""
    request, terms = order.request, order.terms
    said = [order.what]
    if request.type.has_stop or request.type.is_trailing:
        said.append({"take_profit_limit": "take profit", "stop_limit": "stop"}.get(request.type, request.type.value))
    said += [f"{terms.stop_price.normalize():,f}"] if terms.stop_price is not None else []
    said += [f"limit {terms.limit_price.normalize():,f}"] if terms.limit_price is not None else []
    return " ".join(said).replace("_", " ") if len(said) > 1 else f"{order.what} {request.type.value}"


def _new(wanted: Decimal | None, known: Decimal | None) -> Decimal | None:
    """A term that changes; None leaves it."""
    return None if wanted == known else wanted
