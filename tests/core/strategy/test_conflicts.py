"""Several strategies, one instrument."""

from hypothesis import given
from hypothesis import strategies as st

from core.strategy.conflicts import Policy, Wish, resolve

WISHES = st.lists(
    st.builds(Wish, st.text("abcdef", min_size=1, max_size=3), st.floats(-1, 1), st.integers(1, 3)),
    unique_by=lambda wish: wish.strategy,
    max_size=5,
)


@given(WISHES, st.sampled_from(Policy))
def test_nobody_gets_more_or_other_than_wanted(wishes: list[Wish], policy: Policy) -> None:
    """Everyone has an answer, and it is the wish or nothing."""
    target = resolve("AAPL", wishes, policy)
    assert {wish.strategy for wish in wishes} == set(target.exposures)
    assert all(target.exposures[wish.strategy] in (wish.exposure, 0.0) for wish in wishes)


@given(WISHES)
def test_net_gives_all_priority_gives_one_veto_never_opposites(wishes: list[Wish]) -> None:
    """The three policies in a sentence each."""
    given = {policy: resolve("X", wishes, policy).exposures for policy in Policy}
    assert given[Policy.NET] == {wish.strategy: wish.exposure for wish in wishes}
    assert sum(each != 0 for each in given[Policy.PRIORITY].values()) == min(1, sum(w.exposure != 0 for w in wishes))
    assert len({each > 0 for each in given[Policy.VETO].values() if each}) < 2


def test_priority_then_name_decides() -> None:
    """Equal priorities are settled the same way every time."""
    wishes = [Wish("b", 1.0, 2), Wish("c", -1.0, 1), Wish("a", 0.5, 1), Wish("z", 0.0, 1)]
    assert resolve("X", wishes, Policy.PRIORITY).exposures == {"b": 0.0, "c": 0.0, "a": 0.5, "z": 0.0}
