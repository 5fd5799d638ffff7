"""Balances, positions, restarts, streams and market data."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from brokers.errors import NotSupported, Rejected
from brokers.instrument import Instrument, Settlement
from brokers.order import OrderReport, Side, VenueOrderState
from tests.contract.harness import Account, Listener
from tests.contract.test_orders import assert_exact


def cost(reports: Sequence[OrderReport], instrument: Instrument) -> Decimal:
    """Money that the fills of `reports` took, fees included; on margin only the fees."""
    paid = Decimal(0)
    for fill in (fill for report in reports for fill in report.fills):
        assert fill.fee is not None
        is_paid_in_full = instrument.settlement is Settlement.FULL
        paid += fill.signed_quantity * fill.price if is_paid_in_full else 0
        paid += fill.fee if fill.fee_currency == instrument.currency else 0
    return paid


def in_kind(reports: Sequence[OrderReport], instrument: Instrument) -> Decimal:
    """Units that the fees of `reports` took, where a venue takes them out of what was bought."""
    fills = (fill for report in reports for fill in report.fills if fill.fee_currency == instrument.base)
    return sum((fill.fee or Decimal(0) for fill in fills), Decimal(0))


async def test_a_fresh_account_is_flat_and_has_its_cash(account: Account) -> None:
    info = await account.broker.get_account_info()
    balance = info.balances[account.harness.instrument.currency]
    assert (balance.total, balance.locked, balance.free) == (account.harness.cash, 0, account.harness.cash)
    assert dict(info.positions) == {}
    assert info.open_orders == ()
    assert info.account
    assert info.simulated is account.broker.capabilities.simulated
    assert info.at.tzinfo is not None


async def test_balances_and_positions_agree_with_the_fills(account: Account) -> None:
    instrument = account.harness.instrument
    symbol, currency = instrument.symbol, instrument.currency
    reports = [await account.filled(lots=3), await account.filled(Side.SELL, lots=1), await account.filled()]
    position = await account.broker.get_position(symbol)
    assert position.quantity == account.lot * 3 - in_kind(reports, instrument)
    assert position.average_price > 0
    await the_money_is(account, currency, reports)
    assert [p.symbol for p in await account.broker.get_positions()] == [symbol]
    left = instrument.floor_quantity(position.quantity)
    reports.append(await account.filled(Side.SELL, quantity=left))
    assert (await account.broker.get_position(symbol)).quantity == position.quantity - left
    if position.quantity == left:  # fees in kind leave crumbs that no order can sell
        assert list(await account.broker.get_positions()) == []
    await the_money_is(account, currency, reports)
    assert_exact(position)


async def the_money_is(account: Account, currency: str, reports: Sequence[OrderReport]) -> None:
    """The balance is what the fills have left; on margin the profits of what was closed come to it."""
    instrument, total = account.harness.instrument, (await account.broker.get_balance(currency)).total
    paid = cost(reports, instrument)
    if instrument.settlement is Settlement.FULL:
        assert total == account.harness.cash - paid
    else:
        spread = instrument.tick * 2 * sum(report.filled for report in reports)
        assert abs(total - (account.harness.cash - paid)) <= spread


async def test_an_open_buy_locks_money_and_a_cancel_frees_it(account: Account) -> None:
    currency = account.harness.instrument.currency
    order = await account.place(limit=-50)
    info = await account.broker.get_account_info()
    balance = info.balances[currency]
    assert balance.total == account.harness.cash == balance.free + balance.locked
    worth = account.harness.instrument.notional(account.lot, account.ticks(-50))
    assert balance.locked >= worth / account.harness.leverage
    assert [report.client_order_id for report in info.open_orders] == [order.client_order_id]
    await account.broker.cancel_order(order.client_order_id)
    assert (await account.broker.get_balance(currency)).locked == 0


async def test_an_unknown_currency_or_symbol_is_empty_in_the_account(account: Account) -> None:
    assert (await account.broker.get_balance("XXX")).total == 0
    assert (await account.broker.get_position("NOPE")).quantity == 0


async def test_a_restart_keeps_orders_fills_balances_and_positions(account: Account) -> None:
    filled = await account.filled(lots=2)
    working = await account.place(limit=-50)
    cancelled = await account.place(limit=-51)
    await account.broker.cancel_order(cancelled.client_order_id)
    ids = [order.client_order_id for order in (filled, working, cancelled)]
    before = [await account.find(order) for order in ids]
    info = await account.broker.get_account_info()
    await account.restart()
    assert [await account.find(order) for order in ids] == before
    after = await account.broker.get_account_info()
    assert (dict(after.balances), dict(after.positions)) == (dict(info.balances), dict(info.positions))
    assert after.open_orders == info.open_orders
    taken = filled if account.harness.remembers_ids else working
    with pytest.raises(Rejected) as caught:
        await account.place(oid=taken.client_order_id, limit=-60)
    assert caught.value.code == "DUPLICATE_ORDER"
    await account.harness.move(account.ticks(-80))
    assert (await account.find(working.client_order_id)).state is VenueOrderState.FILLED


async def test_what_ended_and_what_traded_can_be_asked_for_since_a_time(account: Account) -> None:
    filled = await account.filled(lots=2)
    await account.harness.move(account.ticks(1))
    cancelled = await account.place(limit=-50)
    await account.broker.cancel_order(cancelled.client_order_id)
    working = await account.place(limit=-51)
    closed = await account.broker.get_closed_orders(filled.at)
    assert [order.client_order_id for order in closed] == [filled.client_order_id, cancelled.client_order_id]
    assert closed[0].fills == (await account.find(filled.client_order_id)).fills
    assert working.client_order_id not in {order.client_order_id for order in closed}
    assert tuple(await account.broker.get_fills(filled.at)) == filled.fills
    later = closed[-1].at
    assert [o.client_order_id for o in await account.broker.get_closed_orders(later)] == [cancelled.client_order_id]
    assert list(await account.broker.get_fills(later)) == []
    assert {fill.venue_order_id for fill in filled.fills} == {filled.venue_order_id}
    assert_exact(list(closed))


async def test_nothing_came_or_went_without_a_trade(account: Account) -> None:
    opened = (await account.broker.get_quote(account.harness.instrument.symbol)).at
    await account.filled()
    if account.broker.capabilities.cash_flows:
        assert list(await account.broker.get_cash_flows(opened)) == []
    else:
        with pytest.raises(NotSupported):
            await account.broker.get_cash_flows(opened)


async def test_the_account_tells_its_equity_or_not_at_all(account: Account) -> None:
    info = await account.broker.get_account_info()
    assert info.equity in (None, account.harness.cash)
    assert_exact([info.equity, info.initial_margin, info.maintenance_margin])


async def test_every_reader_hears_of_every_fill_once(account: Account) -> None:
    listeners = [Listener(account.broker.reports()) for _ in range(2)]
    await asyncio.sleep(0)
    order = await account.filled(lots=2)
    for listener in listeners:
        heard = await listener.until(lambda reports: any(r.state is VenueOrderState.FILLED for r in reports))
        fills = [fill for report in heard for fill in report.fills]
        assert tuple(fills) == order.fills
        assert heard[-1].filled == order.quantity
        assert_exact(heard)
        await listener.stop()


async def test_a_cancel_is_heard_in_the_stream(account: Account) -> None:
    listener = Listener(account.broker.reports())
    await asyncio.sleep(0)
    order = await account.place(limit=-50)
    await account.broker.cancel_order(order.client_order_id)
    heard = await listener.until(lambda reports: any(r.state is VenueOrderState.CANCELLED for r in reports))
    assert heard[-1].client_order_id == order.client_order_id
    await listener.stop()


async def test_nothing_is_replayed_to_a_late_reader(account: Account) -> None:
    await account.filled(oid="early")
    listener = Listener(account.broker.reports())
    await asyncio.sleep(0)
    await account.filled(oid="late")
    heard = await listener.until(len)
    assert {report.client_order_id for report in heard} == {"late"}
    await listener.stop()


@pytest.mark.parametrize("kind", ["reports", "quotes"])
async def test_a_stream_that_is_closed_gives_nothing_more(account: Account, kind: str) -> None:
    broker = account.broker
    stream = broker.reports() if kind == "reports" else broker.quotes([account.harness.instrument.symbol])
    await stream.aclose()
    await account.filled()
    await asyncio.wait_for(broker.settled(), 5)
    assert [item async for item in stream] == []


async def test_quotes_come_as_they_happen(account: Account) -> None:
    symbol = account.harness.instrument.symbol
    listener = Listener(account.broker.quotes([symbol]))
    await asyncio.sleep(0)
    await account.harness.move(account.ticks(7))
    await account.harness.move(account.ticks(9))
    heard = await listener.until(lambda quotes: any(quote.last == account.ticks(9) for quote in quotes))
    assert {quote.symbol for quote in heard} == {symbol}
    assert all(one.at <= two.at for one, two in pairwise(heard))
    assert_exact(heard)
    await listener.stop()


async def test_the_quote_is_the_latest(account: Account) -> None:
    await account.harness.move(account.ticks(20))
    quote = await account.broker.get_quote(account.harness.instrument.symbol)
    assert quote.bid < quote.ask
    assert quote.bid <= account.ticks(20) <= quote.ask
    assert_exact(quote)


async def test_an_unknown_symbol_has_no_market(account: Account) -> None:
    for query in (account.broker.get_quote, account.broker.get_orderbook):
        with pytest.raises(Rejected):
            await query("NOPE-NOPE")


async def test_an_order_book_is_sorted_and_no_deeper_than_asked(account: Account) -> None:
    symbol = account.harness.instrument.symbol
    if not account.broker.capabilities.order_book:
        with pytest.raises(NotSupported):
            await account.broker.get_orderbook(symbol)
        return
    book = await account.broker.get_orderbook(symbol, depth=1)
    assert len(book.bids) == len(book.asks) == 1
    assert book.bids[0].price < book.asks[0].price
    deep = await account.broker.get_orderbook(symbol)
    assert all(one.price > two.price for one, two in pairwise(deep.bids))
    assert all(one.price < two.price for one, two in pairwise(deep.asks))
    assert_exact(deep)


async def test_bars_are_complete_and_oldest_first(account: Account) -> None:
    symbol = account.harness.instrument.symbol
    until = (await account.broker.get_quote(symbol)).at + timedelta(seconds=1)
    if not account.broker.capabilities.bars:
        with pytest.raises(NotSupported):
            await account.broker.get_bars(symbol, until=until, count=3)
        return
    bars = await account.broker.get_bars(symbol, until=until, count=3)
    assert 0 < len(bars) <= 3
    assert all(one.at < two.at for one, two in pairwise(bars))
    assert bars[-1].at <= until
    assert_exact(list(bars))


async def test_instruments_are_listed_once_with_their_rules(account: Account) -> None:
    listed = await account.broker.get_instruments()
    symbols = [instrument.symbol for instrument in listed]
    assert len(set(symbols)) == len(symbols)
    assert account.harness.instrument in listed
    assert_exact(list(listed))
