"""How a request ended, and what is shown for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.screen import Screen


class Outcome(StrEnum):
    """How a request ended, as the inbox remembers it."""

    DONE = "done"
    EXPIRED = "expired"
    REFUSED = "refused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Answer:
    """What to show. Without a screen only the toast is shown; `fresh` asks for a new message.

    `private` goes to the person's own chat, wherever they asked.
    """

    outcome: Outcome
    screen: Screen | None = None
    toast: str = ""
    alert: bool = False
    fresh: bool = False
    private: Screen | None = None

    @classmethod
    def nothing(cls) -> Answer:
        """No answer at all."""
        return cls(Outcome.DONE)

    @classmethod
    def of(cls, screen: Screen, outcome: Outcome = Outcome.DONE) -> Answer:
        """An answer that shows `screen` and its toast."""
        return cls(outcome, screen, screen.toast, screen.alert)
