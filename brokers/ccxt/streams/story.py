"""Turns what a venue pushes about orders and trades into reports to believe, and says what must be asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from brokers.ccxt.calls import KnownOrders, Raw
from brokers.ccxt.dialect import Dialect
from brokers.ccxt.parsing import Reader, Unreadable
from brokers.ccxt.streams.tap import Message
from brokers.ccxt.streams.tracker import Key, Tracker, key_of, our_id
from brokers.ccxt.streams.wire import Standing, event_name
from brokers.order import ClientOrderId, Fill, OrderReport, VenueOrderState
from brokers.port import ModifyBy

log = structlog.get_logger(__name__)

_WORDS = 500  # as many values of a message are looked at for names of orders


@dataclass(slots=True)
class News:
    """What one message has told: reports to pass on, orders to ask for, and of whom it spoke."""

    reports: list[OrderReport] = field(default_factory=list)
    looks: set[ClientOrderId] = field(default_factory=set)
    spoken_of: set[Key] = field(default_factory=set)


class Story:
    """Reads messages. An event that makes no sense is no report: its order is asked for, or all open ones."""

    def __init__(self, dialect: Dialect[Any], reader: Reader, known: KnownOrders, tracker: Tracker) -> None:
        self._dialect = dialect
        self._wire = dialect.wire
        self._reader = reader
        self._known = known
        self._tracker = tracker

    def hear(self, message: Message) -> News:
        """What is new in a message."""
        news = News()
        orders = [order for raw in message.orders if (order := self._wire.order(raw)) is not None]
        fills = self._fills(orders, message, news)
        for raw in orders:
            self._order(raw, fills.pop(_place(raw, "id"), []), news, message)
        for lone in fills.values():
            for fill in lone:
                self._fill(fill, news)
        if message.error or not (message.orders or message.trades):
            self._wonder(message, news)
        return news

    def _fills(self, orders: Iterable[Raw], message: Message, news: News) -> dict[Key, list[Fill]]:
        fills: dict[Key, list[Fill]] = {}
        told = [trade for raw in message.trades if (trade := self._wire.execution(raw)) is not None]
        for raw in (*told, *[each for order in orders for each in self._wire.executions_in(order)]):
            try:
                fills.setdefault(_place(raw, "order"), []).append(self._reader.fill(raw))
            except Unreadable as error:
                self._puzzle(message, news, str(error))
        return fills

    def _order(self, raw: Raw, fills: list[Fill], news: News, message: Message) -> None:
        standing = self._wire.standing(raw.get("info") or {})
        if standing is not None and (keys := self._tracker.mentioned([str(raw.get("id") or "")])):
            for key in keys:
                self._stands(key, raw, standing, fills, news)
            return
        try:
            report = self._reader.report(raw)
        except Unreadable as error:
            if not self._refer(raw, news):
                self._puzzle(message, news, str(error))
            return
        ours = report.client_order_id
        self._own(raw, report)
        news.spoken_of.add(key_of(report))
        if ours and self._is_in_motion(raw, report):
            news.looks.add(ours)
            return
        whole = replace(report, fills=tuple(replace(fill, client_order_id=ours) for fill in fills))
        self._tell(self._tracker.take(whole), news)

    def _stands(self, key: Key, raw: Raw, standing: Standing, fills: list[Fill], news: News) -> None:
        """An order that we know, and what has become of it."""
        track = self._tracker.find(key)
        ours = our_id(key) or self._known.owner(*key)
        news.spoken_of |= {key, ("", ours)} if ours else {key}
        is_another = bool(ours and (key != ("", ours) or self._is_replaced(ours)))
        if ours and (is_another or self._wire.needs_look(raw.get("info") or {})):
            news.looks.add(ours)
        if track is None or is_another:
            return
        known = track.report
        owned = tuple(replace(fill, client_order_id=known.client_order_id) for fill in fills)
        filled = known.filled if standing.filled is None else standing.filled
        now = replace(known, state=standing.state, filled=filled, at=standing.at or known.at, fills=owned)
        self._tell(self._tracker.take(now), news)

    def _refer(self, raw: Raw, news: News) -> bool:
        """An event that tells too little on purpose: whose order it is about, that one is asked for."""
        info = raw.get("info") or {}
        if not self._wire.needs_look(info) and self._wire.standing(info) is None:
            return False
        ident, wire = str(raw.get("id") or ""), self._dialect.wire_of(raw)
        keys = set(self._tracker.mentioned([ident]))
        if wire and (order := self._dialect.our_id(wire)) and self._known.get(order) is not None:
            keys.add(("", order))
        news.spoken_of |= keys
        news.looks.update(ours for key in keys if (ours := our_id(key)))
        return True

    def _own(self, raw: Raw, report: OrderReport) -> None:
        """Remember whose order the venue's ids name, also that of the one that it turns into."""
        if report.client_order_id:
            child = self._wire.becomes(raw.get("info") or {})
            for ident in filter(None, (report.venue_order_id, child)):
                self._known.own(report.symbol, ident, report.client_order_id)

    def _is_in_motion(self, raw: Raw, report: OrderReport) -> bool:
        """Whether it is one of several orders at the venue that are one of ours, so only an answer tells it whole."""
        known = self._known.get(report.client_order_id)
        if known is None and report.state is VenueOrderState.CANCELLED:
            return self._dialect.capabilities.modify_by is ModifyBy.REPLACE  # it may be one half of a change
        if known is not None and (known.changing or known.revision):
            return True
        wire = self._dialect.wire_of(raw)
        return self._wire.needs_look(raw.get("info") or {}) or bool(wire and self._dialect.revision(wire))

    def _fill(self, fill: Fill, news: News) -> None:
        """A fill that came alone: the order is known from before, or must be asked for."""
        track = self._tracker.of(fill.symbol, fill.venue_order_id)
        ours = fill.client_order_id if track is None else track.report.client_order_id or fill.client_order_id
        if track is not None and track.report.client_order_id == ours and not self._is_replaced(ours):
            news.spoken_of.add(key_of(track.report))
            self._tell(self._tracker.take_fill(fill, key_of(track.report)), news)
        elif ours:
            news.spoken_of.add(("", ours))
            news.looks.add(ours)

    def _is_replaced(self, order: ClientOrderId) -> bool:
        known = self._known.get(order) if order else None
        return known is not None and bool(known.changing or known.revision)

    def _tell(self, report: OrderReport | None, news: News) -> None:
        if report is not None:
            news.reports.append(report)

    # --- what nobody understands -------------------------------------------------------------------

    def _puzzle(self, message: Message, news: News, error: str) -> None:
        log.warning("an event of the venue makes no sense", name=event_name(message.raw), error=error)
        self._look_at(message, news, everything=True)

    def _wonder(self, message: Message, news: News) -> None:
        """Nothing was found in it, or it could not be read; perhaps it names an order of ours all the same."""
        self._look_at(message, news, everything=bool(message.error))

    def _look_at(self, message: Message, news: News, *, everything: bool) -> None:
        named = self._tracker.mentioned(_words(message.raw))
        keys = named or (list(self._tracker.open()) if everything else [])
        news.looks.update(ours for key in keys if (ours := our_id(key)))


def _place(raw: Raw, name: str) -> Key:
    return str(raw.get("symbol") or ""), str(raw.get(name) or "")


def _words(message: Any) -> Iterator[str]:
    """The plain values anywhere in a message, the first few hundred."""
    waiting, seen = [message], 0
    while waiting and seen < _WORDS:
        item = waiting.pop()
        seen += 1
        if isinstance(item, Mapping):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
        elif isinstance(item, str | int) and not isinstance(item, bool):
            yield str(item)
