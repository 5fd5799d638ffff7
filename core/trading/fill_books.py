"""Writes fills into rows, ledger and outbox: new ones, late fees, corrections, busts. On a page of the books."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from brokers.instrument import Instrument
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
from core.trading.ledger import FillFacts, fee_posting


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
        await order_store.insert_fill(self._account, fill, facts, stamp, corrects=fill.corrects)
        await allocations.put(facts, fill.at)
        await page.post_trade(facts, fill.at)
        await self._alerts.add(alert or alert_of_fill(fill, facts))
        return _recorded(fill, facts)

    async def pay(self, page: Page, instrument: Instrument, fill: Fill, known: KnownFill) -> None:
        """A fee that is told after its fill."""
        ref = self._ref(fill.symbol, known.stored_as)
        facts = fee_facts(instrument, fill, await self._parts(ref), self._account, ref)
        await order_store.put_fee(self._account, known.stored_as, fill, facts)
        await page.post(fee_posting(facts), fill.at)

    async def correct(
        self, page: Page, instrument: Instrument, old: KnownFill, correction: Correction, stamp: Stamp, what: str
    ) -> None:
        """The venue was wrong about a fill: the right one takes its place, and a person hears of it."""
        fill, symbol = correction.fill, instrument.symbol
        old_ref = self._ref(symbol, old.stored_as)
        new_ref = self._ref(symbol, correction.stored_as)
        facts = corrected_facts(instrument, fill, await self._parts(old_ref), self._account, new_ref)
        await order_store.void_fill(self._account, symbol, old.stored_as, correction.stored_as)
        corrects = correction.old if correction.is_silent else fill.corrects  # it may name a link that we missed
        await order_store.insert_fill(
            self._account, fill, facts, stamp, stored_as=correction.stored_as, corrects=corrects
        )
        await page.replace_trade(old_ref, facts, fill.at)
        await self._alerts.add(alert_of_correction(what, old, correction))

    async def bust(self, page: Page, symbol: str, old: KnownFill, at: datetime, what: str) -> None:
        """The venue has declared a fill void."""
        await order_store.void_fill(self._account, symbol, old.stored_as)
        await page.replace_trade(self._ref(symbol, old.stored_as), None, at)
        await self._alerts.add(alert_of_bust(what, old))

    async def _parts(self, ref: str) -> dict[str, Decimal]:
        return {row.strategy: row.quantity for row in await allocations.parts_of(self._account, ref)}

    def _ref(self, symbol: str, stored_as: str) -> str:
        return fill_ref(self._account, symbol, stored_as)


def _recorded(fill: Fill, facts: FillFacts) -> FillRecorded:
    """The event of a fill that is in the books."""
    parts = {part.strategy: part.quantity for part in facts.allocations}
    return FillRecorded(fill.at, fill.symbol, fill.side, fill.quantity, fill.price, fill.client_order_id, parts)
