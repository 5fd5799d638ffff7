"""What the yes to a question is bound to: the question adds a token of what it has shown, and the yes does just that.

The token travels as one more argument of the command, with a sign that no name and no number begins with.
"""

from __future__ import annotations

from collections.abc import Sequence

_SIGN = "="


def bound(token: str) -> str:
    """The argument that binds a yes to what `token` stands for."""
    return _SIGN + token


def token_of(args: Sequence[str]) -> str:
    """What the yes is bound to; empty for a command that was typed."""
    return next((each for each in args if each.startswith(_SIGN)), "").removeprefix(_SIGN)


def typed(args: Sequence[str]) -> tuple[str, ...]:
    """The arguments without the one that binds: what a person has typed or chosen."""
    return tuple(each for each in args if not each.startswith(_SIGN))
