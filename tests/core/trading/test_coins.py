"""Accounts at real venues: coins that were there, come and go, are not traded here; and wallets that round."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.account import AccountInfo, Balance, CashFlow, FlowKind, Position
from brokers.errors import Unavailable
from brokers.instrument import AssetClass, Instrument
from brokers.market import Quote
from core.store.models import AlertRow, LedgerTransaction
from core.trading.inspection import verify
from core.trading.ledger import EXTERNAL
from core.trading.live_order import MANUAL
from risk.intent import Origin
from tests.core.trading.stage import Stage, Strategies, dec

BTC = Instrument("BTC/USD", "USD", AssetClass.CRYPTO, lot=Decimal("0.00001"), tick=Decimal("0.01"), base="BTC")
STEP = dec("1e-8")


class Venue:
    """What the account has there, instead of what the paper venue says."""

    def __init__(self, **coins: object) -> None:
        self.coins = {name: dec(amount) for name, amount in coins.items()}
        self.price: Decimal | None = dec(10_000)
        self.steps: dict[str, Decimal] = {}
        self.traded = {"BTC": "BTC/USD"}

    def account(self, info: AccountInfo) -> AccountInfo:
        money = {name: Balance(name, amount) for name, amount in self.coins.items() if name not in self.traded}
        held = {
            symbol: Position(symbol, self.coins[coin], self.price or dec(0), self.price)
            for coin, symbol in self.traded.items()
            if self.coins.get(coin)
        }
        return replace(info, balances=money, positions=held, steps=self.steps)


@pytest.fixture
async def opened(tmp_path: Path) -> Any:
    stages: list[Stage] = []

    async def make(venue: Venue) -> Stage:
        stage = await Stage.open(tmp_path, strategies=Strategies("alpha"), instruments=(BTC,), simulated=False)
        stages.append(stage)
        stage.broker.bend_account = venue.account
        return stage

    yield make
    for stage in stages:
        await stage.close()


# --- opening ---------------------------------------------------------------------------------------


async def test_coins_that_were_there_are_taken_over_at_their_mark(opened: Any) -> None:
    """They are MANUAL's, nobody's profit, and the money is the rest."""
    stage = await opened(Venue(USD=500, BTC="0.3"))
    await stage.start()
    lot = stage.desk.portfolio.lot(MANUAL, "BTC/USD")
    assert (lot.quantity, lot.cost, lot.realised) == (dec("0.3"), 3_000, 0)
    assert stage.desk.portfolio.equity == stage.desk.portfolio.deposits == 3_500
    assert stage.desk.reconciled


async def test_books_are_not_opened_while_nobody_knows_a_price(opened: Any) -> None:
    """Half an opening would be drift for ever: it is tried again, and whole then."""
    venue = Venue(USD=500, BTC="0.3")
    venue.price = None
    stage = await opened(venue)
    with pytest.raises(Unavailable, match="no price of BTC/USD yet"):
        await stage.start()
    assert not stage.desk.portfolio.balances
    venue.price = dec(9_000)
    await stage.desk.reconcile()
    assert stage.desk.portfolio.equity == 500 + 2_700


# --- what is not traded here -----------------------------------------------------------------------


async def test_an_airdropped_coin_does_not_hide_the_equity(opened: Any) -> None:
    """It is money without a rate: left out, and told once; with a rate it counts."""
    venue = Venue(USD=500, SHIB=1_000_000)
    stage = await opened(venue)
    await stage.start()
    assert stage.desk.portfolio.equity == stage.desk.portfolio.deposits == 500
    assert stage.desk.portfolio.cash_by_currency["SHIB"] == 1_000_000
    await stage.desk.reconcile()
    alert = await AlertRow.get(kind="uncounted")
    assert alert.title == "Not counted: 1,000,000 SHIB"
    stage.desk.portfolio.rates.fix({"SHIB": dec("0.00001")})
    assert stage.desk.portfolio.equity == stage.desk.portfolio.deposits == 510


async def test_hundreds_of_coins_are_one_alert(opened: Any) -> None:
    """A testnet gives some of every coin there is: nobody gets a message for each."""
    stage = await opened(Venue(USD=500, **{f"C{number:03}": number + 1 for number in range(300)}))
    await stage.start()
    await stage.desk.reconcile()
    alert = await AlertRow.get(kind="uncounted")
    assert alert.title == "Not counted: 300 coins"
    assert alert.body.startswith("1 C000, 2 C001, 3 C002, 4 C003, 5 C004, 6 C005, 7 C006, 8 C007 and 292 more.\n")


async def test_a_debt_without_a_rate_does_hide_it(opened: Any) -> None:
    """What we owe must not be overlooked."""
    stage = await opened(Venue(USD=500, SHIB=-1_000))
    await stage.start()
    assert stage.desk.portfolio.equity is None


async def test_a_coin_that_is_traded_from_now_on_becomes_a_position(opened: Any) -> None:
    """Its pair has come into the market since the books were opened."""
    venue = Venue(USD=500, BTC="0.3")
    venue.traded = {}
    stage = await opened(venue)
    await stage.start()
    assert stage.desk.portfolio.cash_by_currency["BTC"] == dec("0.3")
    venue.traded = {"BTC": "BTC/USD"}
    assert await stage.desk.reconcile() == []
    assert stage.desk.portfolio.lot(MANUAL, "BTC/USD").quantity == dec("0.3")
    assert not stage.desk.portfolio.cash_by_currency["BTC"]
    assert await stage.desk.reconcile() == []
    assert (await verify("main", "USD", {"BTC/USD": BTC})).is_true


# --- what comes and goes ---------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "result"), [(FlowKind.DEPOSIT, 0), (FlowKind.INTEREST, 1_000)])
async def test_coins_that_come_are_a_position_at_their_mark(opened: Any, kind: FlowKind, result: int) -> None:
    """A deposit is nobody's profit; interest is. Told twice, they count once."""
    venue = Venue(USD=500, BTC="0.3")
    stage = await opened(venue)
    await stage.start()
    await stage.tick(10_000, "BTC/USD")
    flow = CashFlow("f1", kind, "BTC", dec("0.1"), stage.market_clock.now())
    venue.coins["BTC"] += dec("0.1")
    for _ in range(2):
        await tell(stage, flow)
        assert await stage.desk.reconcile() == []
    assert stage.desk.portfolio.lot(MANUAL, "BTC/USD").quantity == dec("0.4")
    assert stage.desk.portfolio.equity == 4_500
    assert stage.desk.portfolio.equity - stage.desk.portfolio.deposits == result
    assert (await verify("main", "USD", {"BTC/USD": BTC})).is_true


async def test_coins_that_go_are_taken_from_whoever_holds_them(opened: Any) -> None:
    """MANUAL first; what a strategy lost is its own to see."""
    venue = Venue(USD=500, BTC="0.3")
    stage = await opened(venue)
    await stage.start()
    await stage.tick(12_000, "BTC/USD")
    flow = CashFlow("f1", FlowKind.WITHDRAWAL, "BTC", dec("-0.2"), stage.market_clock.now())
    venue.coins["BTC"] -= dec("0.2")
    await tell(stage, flow)
    assert await stage.desk.reconcile() == []
    lot = stage.desk.portfolio.lot(MANUAL, "BTC/USD")
    assert (lot.quantity, lot.realised) == (dec("0.1"), dec("0.2") * 2_000)
    assert stage.desk.portfolio.equity == 500 + 1_200


async def test_coins_that_went_while_it_was_off_are_booked_at_the_venues_price(opened: Any) -> None:
    """After a start nobody knows a price yet: it is asked for, once, and until there is one nothing is booked."""
    venue = Venue(USD=500, BTC="0.3")
    stage = await opened(venue)
    await stage.start()
    await stage.deafen()
    await stage.paper.disconnect()
    stage.build()
    await stage.paper.connect()
    venue.coins["BTC"] -= dec("0.2")
    stage.broker.bend_account = venue.account
    stage.market_clock.advance(1)
    await tell(stage, CashFlow("f1", FlowKind.WITHDRAWAL, "BTC", dec("-0.2"), stage.market_clock.now()))
    asked = quoted(stage, 12_000)
    with pytest.raises(Unavailable):
        await stage.start()
    assert not await LedgerTransaction.filter(kind="withdrawal").exists()
    assert await stage.desk.reconcile() == []
    assert await stage.desk.reconcile() == []
    lot = stage.desk.portfolio.lot(MANUAL, "BTC/USD")
    assert (lot.quantity, lot.realised) == (dec("0.1"), dec("0.2") * 2_000)
    assert not stage.desk.portfolio.cash_by_currency.get("BTC")
    stage.desk.portfolio.marks.clear()
    await stage.desk.reconcile()  # it is booked: nothing depends on a price any more
    assert asked == ["BTC/USD"] * 2


def quoted(stage: Stage, price: int) -> list[str]:
    """The venue has a price, but not at the first try; the list of what it was asked for."""
    asked: list[str] = []

    async def quote(symbol: str) -> Quote:
        asked.append(symbol)
        if len(asked) == 1:
            raise Unavailable("no price yet")
        return Quote(symbol, dec(price), dec(price), dec(price), stage.market_clock.now())

    stage.broker.get_quote = quote  # type: ignore[attr-defined]
    return asked


async def test_coins_that_somebody_took_away_are_not_bought_back(opened: Any) -> None:
    """A strategy that held them keeps to what is left, over a restart too; deposits change nothing for it."""
    venue = Venue(USD=100_000)
    stage = await opened(venue)
    await stage.start()
    await stage.tick(10_000, "BTC/USD")
    stage.strategies.want("alpha", 1.0, "BTC/USD")
    stage.strategies.instances["alpha"].units = 1
    await stage.round(10_000, "BTC/USD")
    assert stage.held("alpha", "BTC/USD") == 1
    for number, amount in enumerate(("-0.4", "0.3", "-0.5"), 1):
        await tell(stage, CashFlow(f"f{number}", FlowKind.WITHDRAWAL, "BTC", dec(amount), stage.market_clock.now()))
        await stage.desk._recovery._external.catch_up()
        await stage.round(10_000, "BTC/USD")
    assert stage.held("alpha", "BTC/USD") == dec("0.4")
    await stage.crash_and_restart()
    await stage.tick(10_000, "BTC/USD")
    await stage.round(10_000, "BTC/USD")
    assert stage.held("alpha", "BTC/USD") == dec("0.4")
    assert len(await stage.orders()) == 1


@pytest.mark.parametrize(
    ("kind", "currency", "amount", "title", "body"),
    [
        (FlowKind.DEPOSIT, "USD", "1250.5", "Deposit: 1,250.5 USD", "no profit and no loss"),
        (FlowKind.WITHDRAWAL, "USD", "-100", "Withdrawal: 100 USD", "no profit and no loss"),
        (FlowKind.DEPOSIT, "USD", "-100", "Deposit taken back: 100 USD", ""),
        (FlowKind.WITHDRAWAL, "USD", "100", "Withdrawal taken back: 100 USD", ""),
        (FlowKind.OTHER, "USD", "7", "Money came without a trade: 7 USD", "counts as a result"),
        (FlowKind.DEPOSIT, "BTC", "0.1", "Deposit: 0.1 BTC", "position of manual now, at 10,000: 1,000 USD."),
        (FlowKind.WITHDRAWAL, "BTC", "-0.1", "Withdrawal: 0.1 BTC", "taken from manual, at 10,000: 1,000 USD."),
        (FlowKind.DEPOSIT, "DOGE", "12", "Deposit: 12 DOGE", "no profit"),
        (FlowKind.FUNDING, "USD", "-3", "", ""),
        (FlowKind.FEE, "USD", "-3", "", ""),
    ],
)
async def test_money_that_comes_and_goes_is_told_with_its_amount(
    opened: Any, kind: FlowKind, currency: str, amount: str, title: str, body: str
) -> None:
    """Once, as the venue calls it; results stand in the reports."""
    venue = Venue(USD=5_000, BTC="0.3")
    stage = await opened(venue)
    await stage.start()
    await stage.tick(10_000, "BTC/USD")
    venue.coins[currency] = venue.coins.get(currency, dec(0)) + dec(amount)
    for _ in range(2):
        await tell(stage, CashFlow("f1", kind, currency, dec(amount), stage.market_clock.now()))
        assert await stage.desk.reconcile() == []
    assert await stage.told("external") == ([title] if title else [])
    if title:
        assert body in (await AlertRow.get(kind="external")).body


async def test_a_deposit_that_is_told_hours_late_is_found_before_anybody_is_restricted(opened: Any) -> None:
    """It carries the time at which it was sent, which the usual look does not go back to."""
    venue = Venue(USD=500, BTC="0.3")
    stage = await opened(venue)
    await stage.start()
    await stage.tick(10_000, "BTC/USD")
    sent = stage.market_clock.now()
    stage.market_clock.advance(7_200)
    stage.wall.advance(7_200)
    await tell(stage, CashFlow("later", FlowKind.DEPOSIT, "USD", dec(1), stage.market_clock.now()))
    venue.coins["USD"] += 1
    assert await stage.desk.reconcile() == []
    asked = await tell(stage, CashFlow("f1", FlowKind.DEPOSIT, "USD", dec(100), sent))
    assert await stage.desk.reconcile() == []
    venue.coins["USD"] += 100
    assert await stage.desk.reconcile() == []
    assert await stage.told("external") == ["Deposit: 1 USD", "Deposit: 100 USD"]
    venue.coins["USD"] += 9  # nothing explains it: the long look is not repeated with every comparison
    count = len(asked)
    await stage.desk.reconcile()
    await stage.desk.reconcile()
    assert len(asked) == count + 2
    stage.wall.advance(301)
    await stage.desk.reconcile()
    assert len(asked) == count + 4
    assert "(9 more there)" in (await AlertRow.filter(kind="drift").first()).body  # type: ignore[union-attr]


async def tell(stage: Stage, flow: CashFlow) -> list[object]:
    """The venue tells this flow, to who looks back as far; the list of how far that was."""
    asked: list[object] = []

    async def flows(since: Any) -> list[CashFlow]:
        asked.append(since)
        return [flow] if flow.at >= since else []

    stage.broker.get_cash_flows = flows  # type: ignore[method-assign]
    stage.broker.capabilities = replace(stage.broker.capabilities, cash_flows=True)
    return asked


# --- rounding --------------------------------------------------------------------------------------


async def test_what_a_wallet_rounds_is_booked_and_is_no_drift(opened: Any) -> None:
    """Within a step for each posting; with a balance of its own, and a posting that balances."""
    venue = Venue(USD=500)
    venue.steps = {"USD": STEP}
    stage = await opened(venue)
    await stage.start()
    venue.coins["USD"] += STEP
    assert await stage.desk.reconcile() == []
    assert stage.desk.portfolio.cash == 500 + STEP
    assert stage.desk.portfolio.balances[f"other/main/{EXTERNAL}/rounding", "USD"] == -STEP
    assert await LedgerTransaction.filter(kind="rounding").count() == 1
    assert await stage.desk.reconcile() == []
    assert await LedgerTransaction.filter(kind="rounding").count() == 1
    assert (await verify("main", "USD", {"BTC/USD": BTC})).is_true


async def test_more_than_rounding_is_drift(opened: Any) -> None:
    """And so is any difference where the venue says nothing of rounding."""
    venue = Venue(USD=500)
    venue.steps = {"USD": STEP}
    stage = await opened(venue)
    await stage.start()
    venue.coins["USD"] += 5 * STEP
    assert [each.what for each in await stage.desk.reconcile()] == ["USD"]
    venue.coins["USD"] = dec(500) + STEP
    venue.steps = {}
    assert [each.what for each in await stage.desk.reconcile()] == ["USD"]


async def test_rounding_that_only_goes_one_way_is_drift_in_the_end(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step at a time, again and again (a thousand times; ten here): somebody must look."""
    monkeypatch.setattr("core.trading.rounding._MOST_IN_ALL", 10)
    venue = Venue(USD=500)
    venue.steps = {"USD": STEP}
    stage = await opened(venue)
    await stage.start()
    drifts: list[Any] = []
    for _ in range(11):
        venue.coins["USD"] -= STEP
        drifts = await stage.desk.reconcile()
        if drifts:
            break
    assert [each.ours - each.theirs for each in drifts] == [STEP]
    assert stage.desk.portfolio.cash == 500 - 10 * STEP


# --- a market where nothing can be sold short ------------------------------------------------------


async def _wish(stage: Stage, wishes: list[tuple[str, float]]) -> None:
    """Every wish is acted on; nobody ever goes below nothing, and the person's coins stay where they are."""
    for name, exposure in wishes:
        stage.strategies.want(name, exposure)
        await stage.round(100)
        await stage.tick(100)
        assert stage.held(MANUAL) == 5
        for each in ("alpha", "beta"):
            assert stage.held(each) == (3 if stage.strategies.get(each).exposures.get("ACME", 0.0) > 0 else 0)
    await stage.check()


def test_no_strategy_sells_what_it_has_not() -> None:
    """On a spot market a wish to be short is a wish to be flat: it sells nobody else's coins."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:

        async def begin() -> Stage:
            stage = await Stage.open(Path(folder), strategies=Strategies("alpha", "beta"), shorting=False, leverage=1)
            for each in stage.strategies.instances.values():
                each.units = 3
            await stage.start()
            await stage.tick(100)
            await stage.submit(5, parts={MANUAL: dec(5)}, origin=Origin.MANUAL)
            await stage.tick(100)
            return stage

        stage = runner.run(begin())
        wish = st.tuples(st.sampled_from(["alpha", "beta"]), st.sampled_from([1.0, 0.0, -1.0]))

        @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(wish, min_size=1, max_size=5))
        def play(wishes: list[tuple[str, float]]) -> None:
            runner.run(_wish(stage, wishes))

        try:
            play()
        finally:
            runner.run(stage.close())


async def test_why_a_wish_to_be_short_is_not_met_is_said(tmp_path: Path) -> None:
    """The goal has the reason; nothing is sent, and nothing is refused with every bar."""
    stage = await Stage.open(tmp_path, strategies=Strategies("alpha"), shorting=False)
    await stage.start()
    stage.strategies.want("alpha", -1.0)
    for _ in range(3):
        await stage.round(100)
    goal = stage.pipeline._goals["alpha", "ACME"]
    assert (goal.quantity, goal.reason) == (0, "flat: nothing can be sold short here (a reason)")
    assert stage.broker.count("place") == 0
    await stage.close()
