"""Whether a stream of reports is deaf is found out by answers, and not by how long they took."""

from brokers.ccxt.streams.ear import Ear

A, B = ("", "a"), ("", "b")


class _Time:
    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _ear(grace: float = 3.0) -> tuple[Ear, _Time]:
    time = _Time()
    return Ear(grace, time), time


def test_what_an_answer_told_must_be_told_by_the_stream_too():
    """Within the grace; said once."""
    ear, time = _ear()
    ear.expect([A, B])
    time.now = 102
    ear.heard(B)
    assert ear.overdue() == []
    time.now = 103.1
    assert ear.overdue() == [A]
    assert ear.overdue() == []


def test_the_stream_may_be_a_little_earlier_than_the_answer():
    """Answers lag behind."""
    ear, time = _ear()
    ear.heard(A)
    time.now = 102.9
    ear.expect([A])
    time.now = 200
    assert ear.overdue() == []


def test_what_was_told_long_before_is_no_excuse():
    """It has nothing to do with what an answer tells now."""
    ear, time = _ear()
    ear.heard(A)
    time.now = 110
    ear.expect([A])
    time.now = 113.1
    assert ear.overdue() == [A]


def test_a_second_answer_gives_no_second_grace():
    """The first one counts."""
    ear, time = _ear()
    ear.expect([A])
    time.now = 102
    ear.expect([A])
    time.now = 103.1
    assert ear.overdue() == [A]
