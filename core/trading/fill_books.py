"""Writes fills into rows, ledger and outbox: new ones, late fees, corrections, busts. On a page of the books."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from brokers.instrument import Instrument
from brokers.money import ZERO
from brokers.order import Fill
from core.alerts.outbox import Alert, Alerts
from core.events import FillRecorded
from core.store import allocations
from core.store import orders as order_store
from core.store.orders import Stamp
from core.trading.books import Page
from core.trading.fill_news import Correction, KnownFill
from core.trading.fills import (
    alert_of_bust,
    alert_of_correction,
    alert_of_fill,
    corrected_facts,
    facts_in,
    fee_facts,
    fill_ref,
)
from core.trading.in_kind import holding_of, paid_in_kind, spending_of
from core.trading.ledger import EXACT, FillFacts, fee_posting, sale_ref


class FillBooks:
    """The fills of one account. Every method writes on the page that it is given, nothing is remembered."""

    def __init__(self, account: str, alerts: Alerts) -> None:
        self._account = account
        self._alerts = alerts

    async def add(
        self,
        page: Page,
        instrument: Instrument,
        fill: Fill,
        parts: Mapping[str, Decimal],
        stamp: Stamp,
        alert: Alert | None = None,
    ) -> FillRecorded:
        """A new fill that is shared in `parts`; `alert` instead of the usual push."""
        facts = facts_in(instrument, fill, parts, self._account, self._ref(fill.symbol, fill.fill_id))
        facts, sale = self._paid(page, instrument, fill, facts)
        await order_store.insert_fill(self._account, fill, facts, stamp, corrects=fill.corrects)
        for each in (facts, sale):
            if each is not None:
                await page.post_trade(each, fill.at)
        await self._alerts.add(alert or alert_of_fill(fill, facts))
        return _recorded(fill, parts)

    async def pay(self, page: Page, instrument: Instrument, fill: Fill, known: KnownFill) -> None:
        """A fee that is told after its fill."""
        ref = self._ref(fill.symbol, known.stored_as)
        facts = fee_facts(instrument, fill, await self._parts(ref), self._account, ref)
        facts, sale = self._paid(page, instrument, fill, facts, booked=True)
        if any(part.spent for part in facts.allocations):
            await page.pay_out_of_holding(facts, fill.at)
        else:
            await page.post(fee_posting(facts), fill.at)
        await order_store.put_fee(self._account, known.stored_as, fill, facts)
        if sale is not None:
            await page.post_trade(sale, fill.at)

    async def correct(
        self, page: Page, instrument: Instrument, old: KnownFill, correction: Correction, stamp: Stamp, what: str
    ) -> None:
        """The venue was wrong about a fill: the right one takes its place, and a person hears of it."""
        fill, symbol = correction.fill, instrument.symbol
        old_ref = self._ref(symbol, old.stored_as)
        new_ref = self._ref(symbol, correction.stored_as)
        facts = corrected_facts(instrument, fill, await self._parts(old_ref), self._account, new_ref)
        facts, sale = self._paid(page, instrument, fill, facts, booked=True)
        await order_store.void_fill(self._account, symbol, old.stored_as, correction.stored_as)
        corrects = correction.old if correction.is_silent else fill.corrects  # it may name a link that we missed
        await order_store.insert_fill(
            self._account, fill, facts, stamp, stored_as=correction.stored_as, corrects=corrects
        )
        await page.replace_trade(old_ref, facts, fill.at)
        await self._replace_sale(page, old_ref, sale, fill.at)
        await self._alerts.add(alert_of_correction(what, old, correction))

    async def bust(self, page: Page, symbol: str, old: KnownFill, at: datetime, what: str) -> None:
        """The venue has declared a fill void."""
        await order_store.void_fill(self._account, symbol, old.stored_as)
        await page.replace_trade(self._ref(symbol, old.stored_as), None, at)
        await self._replace_sale(page, self._ref(symbol, old.stored_as), None, at)
        await self._alerts.add(alert_of_bust(what, old))

    # --- fees out of holdings ----------------------------------------------------------------------

    def _paid(
        self, page: Page, instrument: Instrument, fill: Fill, facts: FillFacts, *, booked: bool = False
    ) -> tuple[FillFacts, FillFacts | None]:
        """The facts with the fee as it was paid, and the sale that it makes in another instrument.

        `booked`: what is held is already as it is after the fill.
        """
        holding = holding_of(fill.fee_currency, instrument, page.portfolio) if fill.fee else None
        if holding is None or not fill.fee:
            return facts, None
        held = page.held(holding.symbol)
        if holding.symbol == facts.symbol and not booked:
            held = _with(held, facts)
        return paid_in_kind(facts, fill.fee, spending_of(fill, holding, page.portfolio, held))

    async def _replace_sale(self, page: Page, old_ref: str, sale: FillFacts | None, at: datetime) -> None:
        """The sale that paid the old fill's fee gives way to that of the new one; either may be nothing."""
        if await allocations.parts_of(self._account, sale_ref(old_ref)):
            await page.replace_trade(sale_ref(old_ref), sale, at)
        elif sale is not None:
            await page.post_trade(sale, at)

    async def _parts(self, ref: str) -> dict[str, Decimal]:
        """Each strategy's part of a fill, with what it gave for the fee."""
        rows = await allocations.parts_of(self._account, ref)
        parts = {row.strategy: EXACT.add(row.quantity, row.spent or ZERO) for row in rows}
        return {name: part for name, part in parts.items() if part}

    def _ref(self, symbol: str, stored_as: str) -> str:
        return fill_ref(self._account, symbol, stored_as)


def _with(held: Mapping[str, Decimal], facts: FillFacts) -> dict[str, Decimal]:
    """What everyone holds after a fill."""
    after = dict(held)
    for part in facts.allocations:
        after[part.strategy] = EXACT.add(after.get(part.strategy, ZERO), part.quantity)
    return after


def _recorded(fill: Fill, parts: Mapping[str, Decimal]) -> FillRecorded:
    """The event of a fill that is in the books."""
    return FillRecorded(fill.at, fill.symbol, fill.side, fill.quantity, fill.price, fill.client_order_id, dict(parts))
