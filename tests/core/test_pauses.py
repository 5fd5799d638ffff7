import gc
import weakref

import pytest

from core.pauses import rare_pauses


class Circle:
    """Refers to itself, so that only the collector finds it."""

    def __init__(self):
        self.me = self


def test_inside_what_was_there_is_left_alone_and_what_is_new_is_looked_at_less_often():
    """The objects of before are out of the collector's sight; new circles still go."""
    usual, frozen = gc.get_threshold(), gc.get_freeze_count()
    with rare_pauses():
        assert gc.get_threshold()[0] > 10 * usual[0]
        assert gc.get_threshold()[1:] == usual[1:]
        assert gc.get_freeze_count() > frozen
        new = weakref.ref(Circle())
        gc.collect()
        assert new() is None


def test_garbage_of_before_is_not_kept():
    """A circle that nobody needs any more is gone before all that is left is left alone."""
    old = weakref.ref(Circle())
    with rare_pauses():
        assert old() is None


def test_afterwards_all_is_as_before():
    """Whatever ends it."""
    usual = gc.get_threshold()
    with pytest.raises(RuntimeError), rare_pauses():
        raise RuntimeError
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() == 0
