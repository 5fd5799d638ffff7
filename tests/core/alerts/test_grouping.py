"""Which alerts become one message, and how it reads."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from core.alerts.channel import Severity
from core.alerts.grouping import LARGEST_GROUP, grouped, message_of, plain_message_of
from core.store.alerts import Pending
from tests.core.conftest import NOW


def pending(
    number: int, kind: str = "fill", severity: Severity = Severity.INFO, title: str = "", body: str = ""
) -> Pending:
    return Pending(number, number, "1", kind, severity, title or f"t{number}", body, "", NOW, NOW)


ANY = st.lists(
    st.builds(lambda k, s: (k, s), st.sampled_from(["fill", "denied", "halt", "order"]), st.sampled_from(Severity)),
    max_size=40,
)


@given(ANY)
def test_nothing_is_lost_doubled_or_mixed(given_: list[tuple[str, Severity]]) -> None:
    """Every delivery is in one group; groups are of one kind and severity, ordered, bounded."""
    waiting = [pending(n, kind, severity) for n, (kind, severity) in enumerate(given_)]
    groups = grouped(waiting)
    assert sorted(each.alert_id for group in groups for each in group) == list(range(len(waiting)))
    ranks = [group[0].severity.rank for group in groups]
    assert ranks == sorted(ranks, reverse=True)
    for group in groups:
        assert len({(each.kind, each.severity) for each in group}) == 1
        assert len(group) <= LARGEST_GROUP
        assert len(group) == 1 or (group[0].kind != "halt" and group[0].severity is not Severity.CRITICAL)


def test_a_group_reads_as_a_plural_without_a_count() -> None:
    """The channel adds how many."""
    fills = [pending(n, title="Bought 1 AAPL at 5", body="trend") for n in (1, 2)]
    message = message_of(fills)
    assert (message.title, message.lines, message.ids) == ("Fills", ("Bought 1 AAPL at 5 · trend",) * 2, (1, 2))
    refused = [pending(n, "order", Severity.WARNING, f"Order refused: BUY {n} IBM", "trend: no cash") for n in (3, 4)]
    assert message_of(refused).title == "News of orders"
    assert message_of(refused).lines[0] == "Order refused: BUY 3 IBM · trend: no cash"
    assert message_of([pending(1, "denied"), pending(2, "denied")]).title == "Orders denied by risk"


def test_alone_reports_and_suspects_stay_alone() -> None:
    """A report to attach would be lost in a group; a suspect would poison it again."""
    report = replace(pending(2), attachment="day")
    assert [len(group) for group in grouped([pending(1), report, pending(3)])] == [1, 1, 1]
    assert [len(group) for group in grouped([pending(1), pending(2), pending(3)], alone={2})] == [1, 1, 1]
    assert message_of([report]).attachment == "day"
    for barely in (True, False):
        plain = plain_message_of([report], barely=barely)
        assert (plain.attachment, plain.plain) == ("", True)
