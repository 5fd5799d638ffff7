"""News of fills: whatever comes, in whatever order and how often, each execution counts once and at its last figures."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from brokers.order import ClientOrderId, Fill, Liquidity, OrderReport, Side, VenueOrderState
from core.trading.fill_news import FillNews, KnownFill, Trust, is_complete, is_whole, news_of
from tests.core.trading.stage import START


def fill(name: str, units: int = 1, price: int = 100, corrects: str = "") -> Fill:
    one = Decimal(units), Decimal(price), Decimal(0)
    return Fill(name, ClientOrderId("o"), "ACME", Side.BUY, *one, "USD", Liquidity.TAKER, START, corrects)


def report(*fills: Fill, busted: tuple[str, ...] = ()) -> OrderReport:
    state = VenueOrderState.PARTIALLY_FILLED
    return OrderReport(
        ClientOrderId("o"), "v", "ACME", Side.BUY, Decimal(100), state, START, fills=fills, busted=busted
    )


class Ledger:
    """What the books make of the news, and nothing else of the order manager."""

    def __init__(self) -> None:
        self.known: dict[str, KnownFill] = {}
        self.void: set[str] = set()
        self.names: set[str] = set()

    def hear(self, said: OrderReport, trust: Trust = Trust.CAREFUL) -> FillNews:
        news = news_of(self.known, self.void, said, trust=trust)
        for each in news.busted:
            self.known[each] = replace(self.known[each], counts=False)
        for change in news.corrected:
            assert self.known[change.old].counts
            self.known[change.old] = replace(self.known[change.old], counts=False)
            self._add(change.fill, change.stored_as)
        for each in news.fresh:
            self._add(each, each.fill_id)
        self.void |= news.void
        return news

    def ask_about(self, news: FillNews) -> None:
        if news.is_broken:
            assert is_whole(self.known, self.void, LIVE, news)
            self.hear(LIVE, Trust.WHOLE)

    def _add(self, each: Fill, stored_as: str) -> None:
        assert stored_as not in self.names, "a row is written once"
        self.names.add(stored_as)
        self.known[each.fill_id] = KnownFill.of(each, stored_as)

    @property
    def counts(self) -> dict[str, tuple[Decimal, Decimal]]:
        return {name: (each.quantity, each.price) for name, each in self.known.items() if each.counts}


def test_a_correction_replaces() -> None:
    books = Ledger()
    books.hear(report(fill("x.01", 5)))
    books.hear(report(fill("x.01", 5), fill("x.02", 4, corrects="x.01")))
    assert books.counts == {"x.02": (4, 100)}


def test_the_same_id_with_another_price_is_a_correction_too() -> None:
    books = Ledger()
    for price in (100, 101, 101, 102):
        books.hear(report(fill("x", 5, price)))
    assert books.counts == {"x": (5, 102)}
    assert books.names == {"x", "x~2", "x~3"}


def test_a_bust_takes_it_out_for_good() -> None:
    books = Ledger()
    books.hear(report(fill("x", 5)))
    books.hear(report(busted=("x",)))
    books.hear(report(fill("x", 5)))
    assert books.counts == {}


VERSIONS = [fill("x.01", 5), fill("x.02", 4, 101, "x.01"), fill("x.03", 3, 102, "x.02"), fill("y", 2)]


@given(st.lists(st.lists(st.sampled_from(VERSIONS), max_size=4), max_size=8))
def test_any_order_and_any_repetition_ends_the_same(said: list[list[Fill]]) -> None:
    """Once everything was told, however jumbled it was before, the last version of each counts."""
    books = Ledger()
    for each in said:
        books.hear(report(*each))
    books.hear(report(*VERSIONS))
    assert books.counts == {"x.03": (3, 102), "y": (2, 100)}


LIVE = replace(report(VERSIONS[2], VERSIONS[3]), filled=Decimal(5))


@given(st.permutations(VERSIONS).flatmap(lambda all_: st.integers(1, 4).map(lambda most: all_[:most])), st.booleans())
def test_one_after_the_other_never_doubles(said: list[Fill], busted: bool) -> None:
    """Whatever is missed: two versions of one fill never count together, and the venue's list settles it."""
    books = Ledger()
    for each in said:
        books.ask_about(books.hear(report(each)))
        assert sum(name.startswith("x") for name in books.counts) <= 1
    books.ask_about(books.hear(LIVE))
    if busted:
        books.hear(report(busted=("x.03",)))
    assert books.counts == ({"y": (2, 100)} if busted else {"x.03": (3, 102), "y": (2, 100)})


def test_a_list_that_does_not_add_up_is_not_whole() -> None:
    assert is_complete(LIVE)
    assert not is_complete(replace(LIVE, filled=Decimal(6)))
    assert not is_complete(report())


def test_a_list_that_does_not_know_of_the_break_is_not_whole() -> None:
    books = Ledger()
    books.hear(report(fill("x.01", 5)))
    news = books.hear(report(fill("x.03", 3, corrects="x.02")))
    assert [each.fill_id for each in news.held] == ["x.03"]
    assert not is_whole(books.known, books.void, replace(report(fill("y", 5)), filled=Decimal(5)), news)
    assert not is_whole(books.known, books.void, replace(LIVE, filled=Decimal(6)), news)
    assert is_whole(books.known, books.void, LIVE, news)


def test_where_nobody_can_be_asked_only_corrections_are_held_back() -> None:
    books = Ledger()
    books.hear(report(fill("x.03", 3, corrects="x.02")))
    assert books.hear(report(fill("y")), Trust.CAREFUL).held
    assert not books.hear(report(fill("z.05", corrects="z.04")), Trust.ALONE).fresh
    books.hear(report(fill("y")), Trust.ALONE)
    assert set(books.counts) == {"x.03", "y"}


def test_each_correction_takes_the_place_of_the_fill_that_is_named_like_it() -> None:
    books = Ledger()
    books.hear(report(fill("ab.01"), fill("cd.01")))
    answer = replace(report(fill("cd.03", 2, corrects="cd.02"), fill("ab.03", 3, corrects="ab.02")), filled=Decimal(5))
    news = books.hear(answer, Trust.WHOLE)
    assert {(each.old, each.fill.fill_id) for each in news.corrected} == {("ab.01", "ab.03"), ("cd.01", "cd.03")}
    assert set(books.counts) == {"ab.03", "cd.03"}
