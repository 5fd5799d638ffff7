"""Booking an adjustment through the service: shown, bound, booked once, told, compared again; and all that goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.account import AccountInfo, Position
from brokers.adapters.paper import PaperTradingBroker
from brokers.errors import Unavailable
from core.access.roles import Actor, Role
from core.engine import Engine
from core.errors import UnknownName, UserError
from core.store.models import AlertRow, AuditLine, LedgerTransaction
from core.trading.adjusting import Adjustments
from core.trading.adjustment import Treatment, Wish
from core.trading.ledger import EXTERNAL, deposit
from core.trading.order_manager import OrderManager
from core.trading.profit import profit_of
from core.trading.reconcile import Drift
from core.trading.scopes import Scope, ScopeKind
from core.trading.states import OrderState
from risk.view import TradingState
from tests.core.test_floor import House, house, settings, verified_again

CAPITAL, RESULT = Wish(), Wish(Treatment.RESULT)
MAIN = Scope(ScopeKind.ACCOUNT, "main")
ADA, BO = Actor("1", "Ada", Role.ADMIN), Actor("2", "Bo", Role.ADMIN)


class Bent(PaperTradingBroker):
    """A venue in which something happens behind our back: cash and units more than our trades explain."""

    cash = Decimal(0)
    units = Decimal(0)
    failures = 0
    looks = 0

    async def get_account_info(self) -> AccountInfo:
        self.looks += 1
        if self.failures:
            self.failures -= 1
            raise Unavailable("the line is down")
        info = await super().get_account_info()
        usd, positions = info.balances["USD"], dict(info.positions)
        held = positions.get("AAPL", Position("AAPL", Decimal(0), Decimal(1)))
        positions["AAPL"] = replace(held, quantity=held.quantity + self.units)
        return replace(
            info,
            balances={**info.balances, "USD": replace(usd, total=usd.total + self.cash)},
            positions={symbol: each for symbol, each in positions.items() if each.quantity},
        )


def bend(engine: Engine) -> None:
    broker: Any = engine.floor.desk("main").broker
    broker.__class__ = Bent


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[House]:
    """alpha holds some AAPL in main."""
    async with house(settings(tmp_path), bend) as made:
        for _ in range(60):
            await made.days(1)
            if made.desk("main").portfolio.lot("alpha", "AAPL").quantity:
                break
        yield made
        violations = [each for desk in made.engine.floor for each in await desk.inspection.look_at_all()]
        assert violations == []


def venue(there: House) -> Bent:
    broker = there.desk("main").broker
    assert isinstance(broker, Bent)
    return broker


async def differs(there: House, *, cash: object = 0, units: object = 0) -> None:
    venue(there).cash, venue(there).units = Decimal(str(cash)), Decimal(str(units))
    await there.engine.reconcile("main")


async def booked() -> int:
    return await LedgerTransaction.filter(kind="adjustment").count()


async def test_money_that_was_moved_is_booked_and_trading_goes_on(there: House) -> None:
    """Shown to the cent, booked as capital, told, audited; books and venue agree; a person resumes, and it trades."""
    await differs(there, cash="-1234.56")
    desk = there.desk("main")
    assert there.state("main") is TradingState.REDUCING
    assert not (await there.service.resume(ADA, MAIN)).ok
    before = (desk.portfolio.equity, desk.portfolio.deposits, profit_of(desk.portfolio, "alpha"), desk.baselines)
    view = await there.service.adjust_preview(ADA, "main")
    (row,) = view.rows
    assert (row.what, row.is_cash, row.theirs - row.ours, row.value) == ("USD", True, *[Decimal("-1234.56")] * 2)
    assert (view.worth, view.moves, view.unpriced) == (Decimal("-1234.56"), (), ())
    done = await there.service.adjust(ADA, "main", CAPITAL, "moved to the bank", view.token)
    assert done.result.ok
    assert done.view is None
    assert done.result.lines == ("Still REDUCING: main, until somebody resumes.",)
    assert desk.reconciled
    assert before[0] is not None
    assert before[1] is not None
    assert before[3] is not None
    assert (desk.portfolio.equity, desk.portfolio.deposits) == (before[0] + view.worth, before[1] + view.worth)
    assert profit_of(desk.portfolio, "alpha") == before[2]
    assert profit_of(desk.portfolio, EXTERNAL).net == 0
    assert desk.baselines is not None
    share = before[3].day_start_equity / before[0]  # a loss stays the same share of equity
    assert abs(desk.baselines.day_start_equity / (before[0] + view.worth) - share) < Decimal("1e-15")
    alert = await AlertRow.get(kind="adjustment")
    assert alert.title == "main: Adjustment booked: -1,234.56 USD"
    assert "By Ada: moved to the bank" in alert.body
    assert alert.account == "main"
    line = await AuditLine.get(action="adjust", outcome="ok")
    assert "Ada" in line.actor
    assert line.detail.startswith("main, as capital (moved to the bank): USD: ")
    assert "[adjustment:main:" in line.detail
    assert there.state("main") is TradingState.REDUCING
    assert (await there.service.resume(ADA, MAIN)).ok
    assert there.state("main") is TradingState.ACTIVE
    assert (await there.service.adjust_preview(ADA, "main")).rows == ()


async def test_units_that_are_missing_are_taken_and_not_bought_back(there: House) -> None:
    """From who holds them, at the mark: no strategy gains or loses; what it wished shrinks with it."""
    desk = there.desk("main")
    held, profit = desk.portfolio.lot("alpha", "AAPL").quantity, profit_of(desk.portfolio, "alpha").net
    await differs(there, units=-3)
    assert desk.state_for((), "AAPL") is TradingState.REDUCING
    view = await there.service.adjust_preview(ADA, "main")
    (move,) = view.moves
    assert (move.holder, move.units, move.price) == ("alpha", -3, desk.portfolio.marks["AAPL"])
    assert view.others == ()  # nobody else holds any
    assert view.worth == -3 * move.price
    await there.service.adjust(ADA, "main", CAPITAL, "lent", view.token)
    assert desk.portfolio.lot("alpha", "AAPL").quantity == held - 3
    assert profit_of(desk.portfolio, "alpha").net == profit
    assert (await there.service.resume(ADA, MAIN)).ok
    goals = there.engine.floor.pipeline("main")._goals
    goals._follow()
    assert goals._goals["alpha", "AAPL"].quantity == held - 3


async def test_a_result_counts_as_one(there: House) -> None:
    """It is external's, in reports and in limits of loss: the baselines stay."""
    await differs(there, cash=-50)
    desk = there.desk("main")
    baselines, deposits = desk.baselines, desk.portfolio.deposits
    view = await there.service.adjust_preview(ADA, "main", RESULT)
    await there.service.adjust(ADA, "main", RESULT, "nobody knows", view.token)
    assert profit_of(desk.portfolio, EXTERNAL).income == -50
    assert (desk.baselines, desk.portfolio.deposits) == (baselines, deposits)


async def test_units_that_came_are_nobodys(there: House) -> None:
    """External has them, as if somebody had traded there; only who names external closes them."""
    await differs(there, units=7, cash=3)
    view = await there.service.adjust_preview(ADA, "main")
    assert [(each.holder, each.units) for each in view.moves] == [(EXTERNAL, 7)]
    await there.service.adjust(ADA, "main", CAPITAL, "sent in", view.token)
    desk = there.desk("main")
    assert desk.portfolio.lot(EXTERNAL, "AAPL").quantity == 7
    assert EXTERNAL not in desk.closing().get("AAPL", {})
    assert profit_of(desk.portfolio, EXTERNAL).net == 0


async def test_who_gives_can_be_chosen(there: House) -> None:
    """Nobody's units go first; who else could give is named, and the yes to one of them is no yes to another."""
    await differs(there, units=7)
    view = await there.service.adjust_preview(ADA, "main")
    await there.service.adjust(ADA, "main", CAPITAL, "came", view.token)
    await differs(there, units=4)
    usual, chosen = [await there.service.adjust_preview(ADA, "main", Wish(first=name)) for name in ("", "alpha")]
    assert [(each.holder, each.units) for each in usual.moves] == [(EXTERNAL, -3)]
    assert [(each.holder, each.units) for each in chosen.moves] == [("alpha", -3)]
    assert (usual.others, chosen.others) == (("alpha",), (EXTERNAL,))
    assert not (await there.service.adjust(ADA, "main", CAPITAL, "x", chosen.token)).result.ok
    assert (await there.service.adjust(ADA, "main", Wish(first="alpha"), "x", chosen.token)).result.ok
    assert there.desk("main").portfolio.lot(EXTERNAL, "AAPL").quantity == 7


# --- bound to what was shown -----------------------------------------------------------------------


async def test_what_has_changed_since_is_shown_and_not_booked(there: House) -> None:
    """The venue moves between the question and the yes."""
    await differs(there, cash=-10)
    view = await there.service.adjust_preview(ADA, "main")
    venue(there).cash = Decimal(-11)
    done = await there.service.adjust(ADA, "main", CAPITAL, "x", view.token)
    assert not done.result.ok
    assert done.view is not None
    assert done.view.rows[0].value == -11
    venue(there).cash = Decimal(0)
    done = await there.service.adjust(ADA, "main", CAPITAL, "x", view.token)
    assert "agrees with its venue by now" in done.result.message
    assert await booked() == 0


async def test_the_yes_is_to_one_treatment_and_to_whose_units_go(there: House) -> None:
    """A token of another question books nothing."""
    await differs(there, cash=-10, units=-1)
    view = await there.service.adjust_preview(ADA, "main")
    assert not (await there.service.adjust(ADA, "main", RESULT, "x", view.token)).result.ok
    assert await booked() == 0


async def test_pressed_twice_it_is_booked_once(there: House) -> None:
    """One after the other, and both at once, by two people."""
    await differs(there, cash=-10)
    view = await there.service.adjust_preview(ADA, "main")
    done = await asyncio.gather(
        *(there.service.adjust(each, "main", CAPITAL, "x", view.token) for each in (ADA, BO, ADA))
    )
    assert sorted(each.result.ok for each in done) == [False, False, True]
    assert {each.result.message for each in done if not each.result.ok} == {"Just this is booked already in main."}
    again = await there.service.adjust(BO, "main", CAPITAL, "x", view.token)
    assert again.result.message == "Just this is booked already in main."
    assert await booked() == 1
    assert await AlertRow.filter(kind="adjustment").count() == 1


async def test_two_admins_who_see_it_differently_do_not_both_book(there: House) -> None:
    """The second finds nothing any more."""
    await differs(there, cash=-10)
    capital, result = [
        await there.service.adjust_preview(each, "main", wish) for each, wish in ((ADA, CAPITAL), (BO, RESULT))
    ]
    done = await asyncio.gather(
        there.service.adjust(ADA, "main", CAPITAL, "x", capital.token),
        there.service.adjust(BO, "main", RESULT, "x", result.token),
    )
    assert sorted(each.result.ok for each in done) == [False, True]
    assert await booked() == 1


async def test_the_same_difference_a_second_time_is_another_one(there: House) -> None:
    """Out, back, and out again: each is booked."""
    for number in range(3):
        await differs(there, cash=0 if number % 2 else -10)
        venue(there).cash = Decimal(0 if number % 2 else -10)
        view = await there.service.adjust_preview(ADA, "main")
        assert (await there.service.adjust(ADA, "main", CAPITAL, "x", view.token)).result.ok, number
    assert await booked() == 3


async def paid_in(there: House, name: str) -> None:
    """Our side changes: somebody's deposit is booked."""
    desk = there.desk("main")
    async with desk._books.lock, desk._books.page() as page:
        await page.post(deposit("main", "USD", Decimal(5), name), there.engine.trading_clock.now())


async def test_books_that_change_between_comparison_and_look(there: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue's word is older than they are: nothing can be said."""
    await differs(there, cash=-10)
    reconcile = there.engine.reconcile

    async def and_pay_in(account: str = "") -> list[Drift]:
        found = await reconcile(account)
        await paid_in(there, "a deposit")
        return found

    monkeypatch.setattr(there.engine, "reconcile", and_pay_in)
    with pytest.raises(UserError, match="It changes while we look"):
        await there.service.adjust_preview(ADA, "main")


async def test_books_that_change_between_look_and_booking(there: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something was booked while we looked: the difference would be booked wrongly."""
    await differs(there, cash=-10)
    view = await there.service.adjust_preview(ADA, "main")
    book, times = Adjustments.book, iter(range(9))

    async def pay_in_and_book(self: Adjustments, *args: Any) -> None:
        await paid_in(there, f"deposit {next(times)}")
        await book(self, *args)

    monkeypatch.setattr(Adjustments, "book", pay_in_and_book)
    done = await there.service.adjust(ADA, "main", CAPITAL, "x", view.token)
    assert not done.result.ok
    assert done.view is not None
    assert done.view.worth == -15
    assert await booked() == 0


# --- why not ---------------------------------------------------------------------------------------


async def test_without_a_difference_there_is_nothing_to_book(there: House) -> None:
    """And who names an account that there is not, or that they do not see, is told so."""
    assert (await there.service.adjust_preview(ADA, "main")).rows == ()
    assert there.service.accounts_to_adjust(ADA) == ("fund", "main")
    await differs(there, cash=1)
    assert there.service.accounts_to_adjust(ADA) == ("main",)
    blind = Actor("3", "Cy", Role.ADMIN, {"main": None})
    assert there.service.accounts_to_adjust(blind) == ("fund",)
    with pytest.raises(UnknownName):
        there.service.accounts_to_adjust(blind, "main")
    with pytest.raises(UnknownName):
        await there.service.adjust_preview(blind, "main")


@pytest.mark.parametrize("number", [0, 1])
async def test_a_query_that_fails_books_nothing(there: House, number: int) -> None:
    """The first look of the comparison, or the one after the past was asked for; what was told before counts no more."""
    await differs(there, cash=-10)
    view = await there.service.adjust_preview(ADA, "main")
    start = venue(there).looks

    async def fail_at(self: Bent) -> AccountInfo:
        if self.looks - start >= number:
            raise Unavailable("the line is down")
        return await Bent.get_account_info(self)

    venue(there).__class__ = type("Failing", (Bent,), {"get_account_info": fail_at})
    with pytest.raises(UserError, match=r"could not be asked \(.*the line is down\). Nothing was booked"):
        await there.service.adjust(ADA, "main", CAPITAL, "x", view.token)
    assert await booked() == 0
    if number == 0:
        with pytest.raises(UserError, match="have not been compared"):
            await there.desk("main").adjustments.look()


async def test_a_query_that_fails_afterwards_is_said(there: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is booked all the same."""
    await differs(there, cash=-10)
    view = await there.service.adjust_preview(ADA, "main")
    book = Adjustments.book

    async def book_and_break(self: Adjustments, *args: Any) -> None:
        await book(self, *args)
        venue(there).failures = 9

    monkeypatch.setattr(Adjustments, "book", book_and_break)
    done = await there.service.adjust(ADA, "main", CAPITAL, "x", view.token)
    assert done.result.ok
    assert "could not be asked again yet" in done.result.lines[0]
    assert await booked() == 1


@pytest.mark.parametrize(
    ("state", "said"),
    [(OrderState.UNCERTAIN, "1 order is in doubt"), (OrderState.SUBMITTING, "1 order is on the way")],
)
async def test_orders_that_may_be_the_reason_come_first(
    there: House, monkeypatch: pytest.MonkeyPatch, state: OrderState, said: str
) -> None:
    """In doubt, or on the way: also if it was sent after the question."""
    await differs(there, cash=-10)
    view = await there.service.adjust_preview(ADA, "main")

    class Order:
        pass

    order: Any = Order()
    order.state = state
    monkeypatch.setattr(OrderManager, "open_orders", property(lambda _: (order,)))
    with pytest.raises(UserError, match=said):
        await there.desk("main").adjustments.look()
    with pytest.raises(UserError, match=said):
        await there.desk("main").adjustments.book(None, CAPITAL, None, None)  # type: ignore[arg-type]
    monkeypatch.undo()
    assert (await there.service.adjust(ADA, "main", CAPITAL, "x", view.token)).result.ok


async def test_what_trades_freely_is_not_adjusted(there: House) -> None:
    """Somebody has made it ACTIVE by other means."""
    await differs(there, cash=-10)
    switch = there.engine.switch
    await switch.relax("account:main", switch.settings["account:main"], "test")
    with pytest.raises(UserError, match="USD is ACTIVE"):
        await there.desk("main").adjustments.look()


async def test_without_a_connection_nothing_is_compared(there: House) -> None:
    await differs(there, cash=-10)
    await venue(there).disconnect()
    with pytest.raises(UserError, match="not connected"):
        await there.service.adjust_preview(ADA, "main")
    await venue(there).connect()


async def test_money_that_nobody_can_value_is_no_result(there: House) -> None:
    """As capital it can be booked, in its own unit; it is left out of the sum, and said to be."""
    broker = venue(there)

    async def more(self: Bent) -> AccountInfo:
        info = await Bent.get_account_info(self)
        usd = info.balances["USD"]
        return replace(
            info, balances={**info.balances, "XYZ": replace(usd, currency="XYZ", total=Decimal(5), locked=Decimal(0))}
        )

    broker.__class__ = type("Airdrop", (Bent,), {"get_account_info": more})
    await there.engine.reconcile("main")
    view = await there.service.adjust_preview(ADA, "main")
    assert (view.worth, view.unpriced, view.rows[0].value) == (0, ("XYZ",), None)
    with pytest.raises(UserError, match="Nobody knows what XYZ is worth"):
        await there.service.adjust_preview(ADA, "main", RESULT)
    assert (await there.service.adjust(ADA, "main", CAPITAL, "an airdrop", view.token)).result.ok
    assert there.desk("main").portfolio.cash_by_currency["XYZ"] == 5


# --- crashes ---------------------------------------------------------------------------------------


class Died(BaseException):
    """As if the process had ended there."""


@pytest.mark.parametrize("where", ["before", "inside", "after"])
async def test_a_crash_loses_nothing_and_books_nothing_twice(tmp_path: Path, where: str) -> None:
    """Before the commit nothing is booked, after it all of it; pressed again after the restart, it is there once."""
    given = settings(tmp_path)
    async with house(given, bend) as there:
        await there.days(5)
        await differs(there, cash="-77.7", units=2)
        token = (await there.service.adjust_preview(ADA, "main")).token
        desk, write, book = there.desk("main"), Adjustments._write, Adjustments.book
        adjustments: Any = desk.adjustments

        async def die_inside(*args: Any) -> Any:
            await write(adjustments, *args)
            raise Died

        async def die_after(*args: Any) -> Any:
            if where == "after":
                await book(adjustments, *args)
            raise Died

        if where == "inside":
            adjustments._write = die_inside
        else:
            adjustments.book = die_after
        with pytest.raises(Died):
            await there.service.adjust(ADA, "main", CAPITAL, "x", token)
    async with house(given, bend) as there:
        await differs(there, cash="-77.7", units=2)
        assert await booked() == await AlertRow.filter(kind="adjustment").count() == (where == "after")
        assert await AuditLine.filter(action="adjust", outcome="ok").count() == (where == "after")
        done = await there.service.adjust(BO, "main", CAPITAL, "x", token)
        assert done.result.ok is (where != "after")
        assert await booked() == 1
        assert await there.engine.reconcile("main") == []
        assert there.desk("main").portfolio.lot(EXTERNAL, "AAPL").quantity == 2
    assert (await verified_again(given)).problems == ()
