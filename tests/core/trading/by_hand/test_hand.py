"""Trading by hand over a real desk: what is placed is what was shown, the gate is never passed by, doubts stay doubts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.errors import Rejected, Uncertain
from brokers.market import BookLevel, OrderBook, Quote
from brokers.order import OrderType, Side
from core.errors import UserError
from core.store.models import AuditLine, OrderRow, WantedExitsRow
from core.trading.by_hand.changes import judge
from core.trading.by_hand.estimate import Basis, estimate
from core.trading.by_hand.intents import Several
from core.trading.by_hand.slip import Verb
from core.trading.live_order import MANUAL
from core.trading.states import OrderState
from core.trading.switch import GLOBAL
from core.trading.terms import Terms
from risk.intent import Origin
from risk.limits import RiskLimits
from risk.view import TradingState
from tests.core.trading.by_hand.house import TESS, House, house
from tests.core.trading.exits_stage import at_venue
from tests.core.trading.stage import WIDE

D = Decimal


async def hold(one: House, name: str, units: int, price: object = 100) -> None:
    """A strategy comes to hold `units`."""
    one.stage.strategies.want(name, 1.0 if units > 0 else -1.0)
    one.stage.strategies.instances[name].units = abs(units)
    await one.stage.round(price)
    assert one.stage.held(name) == units


async def only_order() -> OrderRow:
    (row,) = await OrderRow.all()
    return row


# --- what is placed is what was shown --------------------------------------------------------------


async def test_a_market_order_by_hand(build) -> None:
    """Previewed, confirmed, placed once, in the manual position, and audited."""
    one = await house(build)
    preview = await one.say("buy ACME 10")
    assert (preview.quantity, preview.price, preview.held_after, preview.code) == (10, D("100.01"), 10, "")
    placed = await one.yes(preview)
    await one.stage.tick(100)
    row = await only_order()
    assert (row.client_order_id, row.origin, row.quantity, row.type) == (placed.order, "manual", 10, "market")
    assert one.stage.held(MANUAL) == 10
    assert (await AuditLine.all().order_by("-seq").first()).detail == f"buy ACME 10: {placed.order}"
    await one.stage.check()


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("buy ACME 10 @ 98.5 gtc", ("limit", D("98.5"), None, "gtc")),
        ("sell ACME 5 stop 90", ("stop", None, 90, "day")),
        ("buy ACME 5 stop 105 limit 106 gtc", ("stop_limit", 106, 105, "gtc")),
        ("sell ACME 5 take 110", ("take_profit", None, 110, "day")),
        ("sell ACME 5 trail 2%", ("trailing_stop", None, None, "day")),
    ],
)
async def test_every_type_goes_to_the_venue_as_shown(build, text, shape) -> None:
    """Type, prices and time in force, by the venue's own word."""
    one = await house(build)
    placed = await one.trade(text)
    (order,) = await at_venue(one.stage)
    assert order.client_order_id == placed.order
    assert (
        order.type.value,
        order.limit_price,
        order.stop_price if order.type.has_stop else None,
        order.time_in_force.value,
    ) == shape


async def test_sizes_become_units_before_they_are_confirmed(build) -> None:
    """Worth, share of equity, part of the position: the confirmation carries units."""
    one = await house(build)
    assert (await one.say("buy ACME $5000")).words == ("ACME", "49")
    assert (await one.say("buy ACME 2%")).words == ("ACME", "19")
    await one.trade("buy ACME 10")
    await one.stage.tick(100)
    assert (await one.say("sell ACME half")).words == ("ACME", "5")
    assert (await one.say("close ACME")).words == ("ACME", "10")
    with pytest.raises(UserError, match="less than one lot"):
        await one.say("buy ACME $50")
    with pytest.raises(UserError, match="Only 10"):
        await one.say("close ACME 11")


async def test_what_is_confirmed_is_what_was_shown_or_it_is_asked_again(build) -> None:
    """Beyond the tolerance, another position, another state: nothing is sent, and the new preview says why."""
    one = await house(build)
    preview = await one.say("buy ACME 10")
    await one.stage.tick("100.5")
    assert (await one.yes(preview)).order  # half a percent is within
    await one.stage.tick("100.5")
    preview = await one.say("buy ACME 4")
    await one.stage.tick(102)
    again = await one.yes(preview)
    assert not again.order
    assert "price has moved by 1.49 %" in again.preview.changed
    assert again.preview.price == D("102.01")
    await one.stage.switch.set(GLOBAL, TradingState.REDUCING, "test", "test")
    assert "REDUCING" in (await one.yes(again.preview)).preview.changed
    await one.stage.switch.set(GLOBAL, TradingState.ACTIVE, "", "test")
    await one.trade("sell ACME 3")
    await one.stage.tick(102)
    assert "The position was 10 and is 7 now." in (await one.yes(again.preview)).preview.changed
    assert await OrderRow.all().count() == 2


async def test_nonsense_in_place_of_what_was_seen_sends_nothing(build) -> None:
    """A confirmation that cannot be read asks again."""
    one = await house(build)
    for seen in ("", "100", "a/b/c/d", "100/0/0/NOWHERE", "NaN/0/0/ACTIVE", "100/0/0/ACTIVE/more"):
        assert not (await one.place_order(Verb.BUY, ["ACME", "1"], seen, TESS)).order
    assert await OrderRow.all().count() == 0


async def test_a_press_that_comes_twice_at_once_is_seen_by_the_duplicate_rule_and_the_position(build) -> None:
    """Tickets let one press through; should two come here all the same, the second finds another account."""
    one = await house(build, limits=WIDE.model_copy(update={"duplicate_orders": 2}))
    preview = await one.say("buy ACME 10")
    both = await asyncio.gather(one.yes(preview), one.yes(preview))
    assert sum(bool(each.order) for each in both) == 1


# --- the gate --------------------------------------------------------------------------------------


async def test_a_denial_shows_the_largest_size_and_sends_nothing(build) -> None:
    """The size offered passes when it is taken."""
    one = await house(build, limits=WIDE.model_copy(update={"max_order_value": D(750)}))
    preview = await one.say("buy ACME 10")
    assert (preview.code, preview.largest, preview.largest_words) == ("MAX_ORDER_VALUE", 7, ("ACME", "7"))
    assert not (await one.yes(preview)).order
    assert await OrderRow.all().count() == 0
    assert (await one.trade("buy ACME 7")).order


@pytest.mark.parametrize("origin", ["buy ACME 1", "sell ACME 1", "close ACME", "close ACME alpha half"])
async def test_halted_means_nothing_by_hand(build, origin) -> None:
    """Not even a close: a flatten is the way."""
    one = await house(build, "alpha")
    if origin.startswith("close"):
        await hold(one, "alpha", 10)
    await one.stage.switch.set(GLOBAL, TradingState.HALTED, "test", "test")
    before = await OrderRow.all().count()
    preview = await one.say(origin)
    assert (preview.code, preview.largest) == ("TRADING_STATE", 0)
    assert not (await one.yes(preview)).order
    assert await OrderRow.all().count() == before


async def test_reducing_lets_only_what_reduces_through(build) -> None:
    """A sell of what is held, no more, and no buy."""
    one = await house(build)
    await one.trade("buy ACME 10")
    await one.stage.tick(100)
    await one.stage.switch.set(GLOBAL, TradingState.REDUCING, "test", "test")
    assert (await one.say("buy ACME 1")).code == "TRADING_STATE"
    assert (await one.say("sell ACME 12")).largest == 10
    assert (await one.trade("sell ACME 10")).order


async def test_manual_trading_alone_can_be_halted(build) -> None:
    """By its own scope, as any strategy."""
    one = await house(build)
    await one.stage.switch.set("strategy:manual", TradingState.HALTED, "test", "test")
    assert (await one.say("buy ACME 1")).code == "TRADING_STATE"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["buy", "sell"]),
            st.integers(1, 60),
            st.sampled_from(["", "@ 99", "@ 101", "stop 104", "stop 96"]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_the_gate_is_asked_for_everything_that_is_sent(tmp_path_factory, wishes) -> None:
    """Whatever is wished, what leaves is what was shown, was judged, and the position limit holds."""

    async def run() -> None:
        from tests.core.trading.by_hand.house import FREE, Named
        from tests.core.trading.stage import Stage

        limits = RiskLimits.model_validate({**WIDE.model_dump(), "max_position_percent": 5, "max_order_value": 3000})
        stage = await Stage.open(
            tmp_path_factory.mktemp("gate"), strategies=Named(), limits=limits, checks_history=False, **FREE
        )
        try:
            await stage.start()
            await stage.tick(100)
            one = House(stage)
            seen = []
            review = stage.desk.gate.review
            stage.desk.gate.review = lambda intent, view: seen.append(intent) or review(intent, view)
            for verb, units, rest in wishes:
                try:
                    preview = await one.say(f"{verb} ACME {units} {rest}")
                except UserError:
                    continue
                placed = await one.yes(preview)
                assert bool(placed.order) == (not preview.code)
                await stage.tick(100)
                if placed.order:
                    row = await OrderRow.get(client_order_id=placed.order)
                    asked = seen[-1] if seen[-1].quantity == row.quantity else None
                    shown = (
                        preview.side,
                        preview.quantity,
                        preview.type,
                        preview.limit_price,
                        preview.stop_price,
                        preview.time_in_force,
                    )
                    sent = (row.side, row.quantity, row.type, row.limit_price, row.stop_price, row.time_in_force)
                    assert sent == shown
                    assert asked is not None
                    assert asked.origin is Origin.MANUAL
                assert abs(stage.desk.portfolio.quantity("ACME")) * 100 <= 5050
            await stage.check()
        finally:
            await stage.close()

    asyncio.run(run())


# --- the venue -------------------------------------------------------------------------------------


async def test_a_doubt_is_told_as_doubt_and_never_sent_again(build) -> None:
    """The outcome is unknown: it counts, it is asked for, and another try is a new question."""
    one = await house(build, simulated=False)
    preview = await one.say("buy ACME 10")
    one.stage.broker.plan("place", Uncertain("the line broke"))
    placed = await one.yes(preview)
    assert (await only_order()).state == OrderState.UNCERTAIN
    assert placed.order
    await one.stage.pipeline.keep()
    assert one.stage.broker.count("place") == 1
    assert "1 of your orders in ACME is open already." in (await one.say("buy ACME 10")).notes
    assert await one.stage.told("doubt") == ["Order in doubt: buy 10 ACME"]


@pytest.mark.parametrize("fault", ["no", "down"])
async def test_a_refusal_is_the_state_of_the_order(build, fault) -> None:
    """Nothing is held, nothing is tried again."""
    one = await house(build)
    preview = await one.say("buy ACME 10")
    one.stage.broker.plan("place", fault)
    await one.yes(preview)
    await one.stage.bar()
    assert (await only_order()).state in (OrderState.REJECTED, OrderState.NOT_SENT)


async def test_what_the_venue_does_not_offer_is_said_beforehand(build) -> None:
    """With what it does offer."""
    from tests.core.trading.exits_stage import without

    one = await house(build)
    without(one.stage, "post_only", "reduce_only", "shorting")
    for text, words in [
        ("buy ACME 1 @ 99 post", "post-only"),
        ("buy ACME 1 reduce", "reduce-only"),
        ("sell ACME 1", "sell short"),
    ]:
        with pytest.raises(UserError, match=words):
            await one.say(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("buy ACME 10 stop 95", "with stop 95"),
        ("sell ACME 10 stop 105", "with stop 105"),
        ("buy ACME 10 with stop 105", "lies below"),
        ("buy ACME 10 with target 90", "lies above"),
        ("sell ACME 10 with stop 95", "lies above"),
        ("buy NOPE 10", "There are: ACME"),
        ("buy ACMF 10", "Did you mean ACME"),
        ("close ACME", "Nobody holds"),
        ("buy ACME half", "hold no ACME"),
        ("buy ACME 10 gtd 2020-01-01", "is past"),
        ("buy ACME 10 post", "limit price"),
        ("buy ACME 10 stop 105 ioc", "cannot be"),
        ("buy BTC/USD $100", "no price"),
    ],
)
async def test_what_cannot_be_meant_is_asked_about(build, text, words) -> None:
    """A sentence with what to write, and nothing is sent."""
    one = await house(build)
    with pytest.raises(UserError, match=words):
        await one.say(text)


# --- figures ---------------------------------------------------------------------------------------


async def test_price_slippage_and_fee_are_those_of_the_fills(build) -> None:
    """On a book that stands still the estimate is what is paid, to the last digit."""
    one = await house(build, slippage={"model": "book"}, fees={"taker_bps": 2, "minimum": 1}, max_participation="1")
    book = OrderBook(
        "ACME",
        (BookLevel(D(100), D(10)),),
        tuple(BookLevel(D(101) + n, D(4)) for n in range(5)),
        one.stage.market_clock.now(),
    )
    await one.stage.tick("100.5", spread=1, book=book)
    preview = await one.say("buy ACME 10")
    assert (preview.basis, preview.price, preview.worst_price) == ("book", D("101.8"), 103)
    await one.yes(preview)
    await one.stage.tick("100.5", spread=1, book=book)
    fills = await one.stage.fills()
    paid = sum(each.quantity * each.price for each in fills)
    assert paid == preview.value == 1018
    assert sum(each.fee for each in fills) == preview.fee == 1
    assert preview.slippage_cost == paid - 10 * D("100.5")
    assert (await one.say("buy ACME 30")).basis == "shallow"


async def test_the_risk_after_is_the_risk_that_comes(build) -> None:
    """Gross, net and leverage, before and after."""
    one = await house(build)
    preview = await one.say("buy ACME 100")
    await one.yes(preview)
    await one.stage.tick(100)
    after = await one.say("buy ACME 1")
    assert preview.gross[0] == 0
    assert abs(preview.gross[1] - after.gross[0]) < D("0.001")
    assert after.gross[0] == after.net[0] == 10_000
    assert abs(after.leverage[0] - D("0.1")) < D("0.0001")


def test_without_a_book_the_quote_must_do(build) -> None:
    """And without a quote nothing is known."""
    from dataclasses import replace as changed

    from risk.intent import OrderIntent
    from tests.core.trading.stage import ACME, START

    intent = OrderIntent("main", ACME, Side.BUY, D(10), START)
    quote = Quote("ACME", D(99), D(101), D(100), START)
    assert estimate(intent, None, None).basis is Basis.NOTHING
    by_quote = estimate(intent, quote, None)
    assert (by_quote.basis, by_quote.average, by_quote.slippage) == (Basis.QUOTE, 101, 100)
    limit = changed(intent, type=OrderType.LIMIT, limit_price=D(98))
    assert estimate(limit, quote, None).basis is Basis.OWN


levels = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 30)), min_size=1, max_size=8)


@given(levels, st.integers(1, 200), st.sampled_from(Side))
def test_walking_a_book_costs_what_its_levels_cost(steps, units, side) -> None:
    """Never better than the touch, never worse than the last level, and exact while the book suffices."""
    from risk.intent import OrderIntent
    from tests.core.trading.stage import ACME, START

    price, made = D(1000), []
    for step, quantity in steps:
        price += step * side.sign
        made.append(BookLevel(price, D(quantity)))
    ladder = tuple(made)
    book = OrderBook("ACME", ladder if side is Side.SELL else (), ladder if side is Side.BUY else (), START)
    quote = Quote("ACME", D(999), D(1001), D(1000), START)
    found = estimate(OrderIntent("main", ACME, side, D(units), START), quote, book)
    left, cost = D(units), D(0)
    for level in ladder:
        taken = min(left, level.quantity)
        cost, left = cost + taken * level.price, left - taken
    if found.basis is Basis.BOOK:
        assert left == 0
        assert abs(found.average * units - cost) < D("1e-15")
    elif found.basis is Basis.SHALLOW:
        assert left == units - found.shown > 0
        assert abs(found.average * units - cost - left * found.worst) < D("1e-15")
    else:
        assert not any(level.quantity for level in ladder)


# --- closing ---------------------------------------------------------------------------------------


async def test_a_strategys_position_is_closed_in_part_and_stays_so(build) -> None:
    """It does not buy back what a person has closed, until it wishes something else."""
    one = await house(build, "alpha")
    await hold(one, "alpha", 10)
    preview = await one.say("close ACME alpha half")
    assert (preview.owner, preview.side, preview.quantity, preview.held_after) == ("alpha", Side.SELL, 5, 5)
    assert preview.reduce_only
    await one.yes(preview)
    await one.stage.tick(100)
    for _ in range(3):
        await one.stage.round(100)
    assert one.stage.held("alpha") == 5
    one.stage.strategies.want("alpha", 0.5)
    one.stage.strategies.instances["alpha"].units = 20
    await one.stage.round(100)
    assert one.stage.held("alpha") == 10
    await one.stage.check()


async def test_a_close_that_is_refused_leaves_the_strategy_as_it_was(build) -> None:
    """Its goal comes back: nothing is traded behind the person's back."""
    one = await house(build, "alpha")
    await hold(one, "alpha", 10)
    preview = await one.say("close ACME")
    one.stage.broker.plan("place", "no")
    await one.yes(preview)
    await one.stage.round(100)
    assert one.stage.held("alpha") == 10
    assert len(await one.stage.orders()) == 2


async def test_whose_is_asked_when_several_hold_it(build) -> None:
    """Nothing is guessed."""
    one = await house(build, "alpha")
    await hold(one, "alpha", 10)
    await one.trade("buy ACME 5")
    await one.stage.tick(100)
    with pytest.raises(Several) as several:
        await one.say("close ACME")
    assert several.value.holders == {"alpha": 10, "manual": 5}
    await one.trade("close ACME manual")
    await one.stage.tick(100)
    assert (one.stage.held(MANUAL), one.stage.held("alpha")) == (0, 10)
    with pytest.raises(UserError, match="at market only"):
        await one.say("close ACME alpha 5 @ 110")


# --- exits -----------------------------------------------------------------------------------------


async def test_a_bracket_protects_with_the_first_fill(build) -> None:
    """Stop and target rest at the venue at just these prices, and one closes the other."""
    one = await house(build)
    preview = await one.say("buy ACME 10 stop 95 target 110")
    assert preview.exits == "stop at 95, target at 110"
    await one.yes(preview)
    await one.stage.tick("100.3")
    await one.stage.pipeline.keep()
    resting = {
        (each.type.value, each.stop_price or each.limit_price, each.remaining) for each in await at_venue(one.stage)
    }
    assert resting == {("stop", D(95), D(10)), ("take_profit", D(110), D(10))}
    assert not await WantedExitsRow.all()
    await one.stage.tick("110.5")
    await one.stage.pipeline.keep()
    await one.stage.tick("110.5")
    await one.stage.pipeline.keep()
    assert one.stage.held(MANUAL) == 0
    assert not await at_venue(one.stage)
    await one.stage.check()


async def test_a_bracket_waits_for_its_entry_across_a_crash(build) -> None:
    """A limit entry fills after a restart: its exits are there with it."""
    one = await house(build)
    await one.trade("buy ACME 10 @ 98 gtc with stop 95 target 110")
    await one.stage.pipeline.keep()
    assert [each.type.value for each in await at_venue(one.stage)] == ["limit"]
    await one.stage.crash_and_restart()
    one.rewire()
    await one.stage.pipeline.load()
    await one.stage.tick("97.5")
    await one.stage.pipeline.keep()
    guard = one.stage.pipeline.protection.guard(MANUAL, "ACME")
    assert (guard.stop, guard.target, guard.quantity) == (95, 110, 10)
    assert not await WantedExitsRow.all()


async def test_exits_of_an_entry_that_never_fills_are_forgotten(build) -> None:
    """Cancelled: nothing is left of it."""
    one = await house(build)
    placed = await one.trade("buy ACME 10 @ 98 gtc with stop 95")
    assert await WantedExitsRow.all().count() == 1
    assert (await one.cancel_orders(placed.order, TESS)).ok
    await one.stage.pipeline.keep()
    assert not await WantedExitsRow.all()
    assert not one.stage.pipeline.hand.wishes.open


async def test_exits_by_hand_for_whoever_holds_it(build) -> None:
    """Set, shown, and taken away; a stop on the wrong side is refused."""
    one = await house(build, "alpha")
    await hold(one, "alpha", 10)
    assert (await one.exits_of("", "acme", TESS)).exits is None
    with pytest.raises(UserError, match="lies below"):
        await one.set_exits("alpha", "ACME", ["stop", "105"], TESS)
    assert (await one.set_exits("", "ACME", ["stop", "95", "target", "110"], TESS)).ok
    shown = (await one.exits_of("alpha", "ACME", TESS)).exits
    assert (shown.stop, shown.target) == (95, 110)
    assert (await one.set_exits("alpha", "ACME", ["none"], TESS)).ok
    assert (await one.exits_of("alpha", "ACME", TESS)).exits is None


# --- changing and cancelling -----------------------------------------------------------------------


async def test_a_change_is_native_and_dearer_ones_pass_the_gate(build) -> None:
    """The id stays; what the gate denies is not changed."""
    one = await house(build, limits=WIDE.model_copy(update={"max_order_value": D(1000)}))
    placed = await one.trade("buy ACME 10 @ 98 gtc")
    assert (await one.modify_order(placed.order, "price", "99", TESS)).ok
    (order,) = await at_venue(one.stage)
    assert (order.client_order_id, order.limit_price) == (placed.order, 99)
    denied = await one.modify_order(placed.order, "quantity", "11", TESS)
    assert not denied.ok
    assert "MAX_ORDER_VALUE" in denied.message
    assert (await at_venue(one.stage))[0].quantity == 10
    assert (await one.modify_order(placed.order[-6:], "quantity", "4", TESS)).ok
    assert (await at_venue(one.stage))[0].quantity == 4


async def test_a_change_is_judged_without_what_it_replaces(build) -> None:
    """Both together would be too much; they never fill both."""
    one = await house(build, limits=WIDE.model_copy(update={"max_position_percent": D(5)}))
    placed = await one.trade("buy ACME 40 @ 98 gtc")
    assert (await one.modify_order(placed.order, "price", "99", TESS)).ok
    assert not (await one.modify_order(placed.order, "quantity", "60", TESS)).ok


async def test_an_approval_is_for_one_order_on_one_set_of_terms(build) -> None:
    """Another order, other terms, a second use: refused."""
    one = await house(build)
    desk, at = one.stage.desk, one.stage.market_clock.now()
    first, second = [await one.trade(f"buy ACME {units} @ 98 gtc") for units in (10, 20)]
    order, other = desk.orders.open_order(first.order), desk.orders.open_order(second.order)

    def approved() -> Any:
        return judge(desk, order, Terms(D(12), D(99)), at)

    for chosen, change in (
        (other, {"quantity": D(22), "limit_price": D(99)}),
        (order, {"quantity": D(13), "limit_price": D(99)}),
    ):
        with pytest.raises(Rejected, match="NEEDS_APPROVAL"):
            await desk.orders.modify(chosen.id, **change, reason="test", approved=approved())
    used = approved()
    await desk.orders.modify(order.id, quantity=D(12), limit_price=D(99), reason="test", approved=used)
    with pytest.raises(ValueError, match="used before"):
        await desk.orders.modify(order.id, quantity=D(12), limit_price=D(99), reason="test", approved=used)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("stop", "90", "no trigger"), ("price", "x", "no price"), ("colour", "1", "What is to change")],
)
async def test_a_change_that_makes_no_sense(build, field, value, words) -> None:
    """Is refused with the reason."""
    one = await house(build)
    placed = await one.trade("buy ACME 10 @ 98 gtc")
    with pytest.raises(UserError, match=words):
        await one.modify_order(placed.order, field, value, TESS)


async def test_a_venue_that_changes_nothing_says_so(build) -> None:
    """By its capabilities."""
    from tests.core.trading.exits_stage import without

    one = await house(build)
    placed = await one.trade("buy ACME 10 @ 98 gtc")
    without(one.stage, "modify")
    with pytest.raises(UserError, match="cancel it"):
        await one.modify_order(placed.order, "price", "97", TESS)


async def test_a_venue_that_cannot_change_orders_of_this_type_says_so_before_the_question(build) -> None:
    """Binance changes plain limit orders of futures only: nobody is asked to confirm what it will refuse."""
    one = await house(build)
    placed = await one.trade("buy ACME 10 @ 98 gtc")
    able = one.stage.broker.capabilities
    one.stage.broker.capabilities = replace(able, unchangeable=frozenset({OrderType.LIMIT}))
    with pytest.raises(UserError, match="cannot change a limit order: cancel it"):
        await one.preview_change(placed.order, "price", "97", TESS)


async def test_cancelling_by_order_symbol_and_all(build) -> None:
    """Protective exits stay: the position stays, too."""
    one = await house(build)
    await one.stage.tick(50, "BTC/USD")
    await one.trade("buy ACME 10 stop 95 target 110")
    await one.stage.tick(100)
    await one.stage.pipeline.keep()
    first = await one.trade("buy ACME 1 @ 98 gtc")
    await one.trade("buy ACME 2 @ 97 gtc")
    await one.trade("buy BTC/USD 1 @ 40 gtc")
    assert [line for _, line in (await one.preview_cancel("all", TESS)).orders] == [
        "buy 1 ACME limit 98", "buy 2 ACME limit 97", "buy 1 BTC/USD limit 40",
    ]  # fmt: skip
    assert (await one.cancel_orders(first.order, TESS)).ok
    assert (await one.cancel_orders("acme", TESS)).lines == ("buy 2 ACME limit 97: cancelled",)
    assert (await one.cancel_orders("all", TESS)).ok
    assert not (await one.cancel_orders("all", TESS)).ok
    assert {each.type.value for each in await at_venue(one.stage)} == {"stop", "take_profit"}


async def test_a_cancel_in_doubt_is_not_told_as_done(build) -> None:
    """It may still be open."""
    one = await house(build)
    placed = await one.trade("buy ACME 10 @ 98 gtc")
    one.stage.broker.plan("cancel", "never")
    result = await one.cancel_orders(placed.order, TESS)
    assert not result.ok
    assert result.lines[0].startswith("🔴")
