"""The circuit breaker under a clock that is moved by hand."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from brokers.health import Breaker
from brokers.resilience.breaker import CircuitBreaker, Patience
from tests.brokers.resilience.by_hand import HandClock

PATIENCE = Patience(in_a_row=3, newest=10, part=0.5, first=2, longest=16)


def opened() -> tuple[CircuitBreaker, HandClock]:
    clock = HandClock()
    breaker = CircuitBreaker(clock, PATIENCE)
    for _ in range(3):
        assert breaker.permit()
        breaker.failed()
    return breaker, clock


def test_it_opens_after_failures_in_a_row_and_tries_one_call_at_a_time() -> None:
    """And closes with the first that is answered."""
    breaker, clock = opened()
    assert breaker.state is Breaker.OPEN
    assert not breaker.permit()
    clock.pass_(2)
    assert breaker.permit()
    assert breaker.state is Breaker.TRIAL
    assert not breaker.permit(), "one at a time"
    breaker.succeeded()
    assert breaker.state is Breaker.CLOSED
    assert breaker.permit()
    assert breaker.opened == 1


def test_the_wait_doubles_with_each_trial_that_fails_up_to_the_longest() -> None:
    """2, 4, 8, 16, 16 s."""
    breaker, clock = opened()
    waits = []
    for _ in range(5):
        waits.append(breaker.seconds_left)
        clock.pass_(breaker.seconds_left)
        assert breaker.permit()
        breaker.failed()
    assert waits == [2, 4, 8, 16, 16]


def test_every_second_call_failing_is_enough() -> None:
    """No three in a row, but half of the newest ten."""
    breaker = CircuitBreaker(HandClock(), PATIENCE)
    for number in range(10):
        assert breaker.permit()
        (breaker.failed if number % 2 else breaker.succeeded)()
    assert breaker.state is Breaker.OPEN


def test_urgent_calls_always_pass_and_an_answer_to_one_closes_it() -> None:
    """Cancels are tried whatever happens; while they fail, the others wait for longer."""
    breaker, _ = opened()
    for _ in range(3):
        assert breaker.permit(urgent=True)
        assert not breaker.permit()
        breaker.failed()
    assert breaker.seconds_left == 16
    assert breaker.permit(urgent=True)
    breaker.succeeded()
    assert breaker.permit()


def test_after_it_has_closed_old_failures_are_forgotten() -> None:
    """One more failure does not open it again."""
    breaker, clock = opened()
    clock.pass_(2)
    assert breaker.permit()
    breaker.succeeded()
    breaker.failed()
    assert breaker.state is Breaker.CLOSED


def test_what_was_on_its_way_when_it_opened_does_not_lengthen_the_wait() -> None:
    """Ten calls that fail at once are one outage."""
    breaker, _ = opened()
    for _ in range(10):
        breaker.failed()
    assert breaker.seconds_left == 2
    breaker.succeeded()
    assert breaker.state is Breaker.CLOSED, "an answer is an answer"


def test_a_trial_that_nobody_hears_of_again_does_not_block_the_next() -> None:
    """Its task was cancelled, say."""
    breaker, clock = opened()
    clock.pass_(2)
    assert breaker.permit()
    clock.pass_(2)
    assert breaker.permit()


def test_a_trial_that_was_never_sent_leaves_its_turn_to_the_next() -> None:
    """Refused by the limits, say."""
    breaker, clock = opened()
    clock.pass_(2)
    assert breaker.permit()
    breaker.withdrawn()
    assert breaker.permit()


class Machine(RuleBasedStateMachine):
    """Any calls in any order."""

    @initialize()
    def begin(self) -> None:
        self.clock = HandClock()
        self.breaker = CircuitBreaker(self.clock, PATIENCE)
        self.on_their_way = 0
        self.trials_since: list[float] = []

    @rule(seconds=st.floats(min_value=0, max_value=30))
    def time_passes(self, seconds: float) -> None:
        self.clock.pass_(seconds)

    @rule()
    def call(self) -> None:
        closed = self.breaker.state is Breaker.CLOSED
        left = self.breaker.seconds_left
        permitted = self.breaker.permit()
        assert permitted == (closed or left == 0)
        if permitted and not closed:
            assert self.breaker.state is Breaker.TRIAL
            assert self.breaker.seconds_left > 0, "no second trial at the same moment"
        self.on_their_way += permitted

    @rule()
    def outage(self) -> None:
        for _ in range(3):
            self.breaker.failed()
        assert self.breaker.state is not Breaker.CLOSED

    @rule()
    def cancel(self) -> None:
        assert self.breaker.permit(urgent=True), "a cancel always passes"
        self.on_their_way += 1

    @precondition(lambda self: self.on_their_way)
    @rule(ending=st.sampled_from(["succeeded", "failed", "withdrawn"]))
    def end(self, ending: str) -> None:
        self.on_their_way -= 1
        getattr(self.breaker, ending)()
        if ending == "succeeded":
            assert self.breaker.state is Breaker.CLOSED

    @invariant()
    def it_is_never_shut_for_longer_than_the_longest(self) -> None:
        assert self.breaker.seconds_left <= PATIENCE.longest + 1e-9, "but for the last digits of a float"


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.lists(st.booleans(), max_size=60))
def test_it_opens_exactly_when_it_should(answers: list[bool]) -> None:
    """Counted by hand, from the start until it opens."""
    breaker = CircuitBreaker(HandClock(), PATIENCE)
    for number, ok in enumerate(answers, 1):
        (breaker.succeeded if ok else breaker.failed)()
        seen = answers[:number]
        row = seen[-3:] == [False] * 3
        half = number >= 10 and not ok and seen[-10:].count(False) >= 5
        assert (breaker.state is Breaker.OPEN) == (row or half)
        if breaker.state is Breaker.OPEN:
            break
