"""What every channel but Telegram says: one line of title, plain lines, and numbers by which a repeat is known."""

from __future__ import annotations

import hashlib

from core.alerts.channel import Message, Severity

SIGNS = {Severity.INFO: "🔹", Severity.WARNING: "🟡", Severity.CRITICAL: "🔴"}
_LONGEST_TITLE = 200
_LONGEST_LINE = 500
_MOST_LINES = 60
_MOST_NUMBERS = 12


def clean(text: str, longest: int) -> str:
    """One line of what can be encoded and shown: no control characters, no line ends, no half characters."""
    encodable = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(each if each.isprintable() else " " for each in encodable)[:longest].strip()


def title_of(message: Message) -> str:
    """The title as one line, with a count if it stands for several."""
    count = f" x{len(message.ids)}" if len(message.ids) > 1 else ""
    return clean(message.title, _LONGEST_TITLE) + count


def lines_of(message: Message) -> tuple[str, ...]:
    """The lines that are not empty, as many as a person reads."""
    shown = [found for line in message.lines if (found := clean(line, _LONGEST_LINE))]
    more = len(shown) - _MOST_LINES
    return (*shown[:_MOST_LINES], f"… and {more} more: /alerts in chat") if more > 0 else tuple(shown)


def numbers_of(message: Message) -> str:
    """`#17`, or `#17-#21`; nothing for a test."""
    if not message.ids:
        return "test"
    return f"#{message.ids[0]}" if len(message.ids) == 1 else f"#{message.ids[0]}-#{message.ids[-1]}"


def footer_of(message: Message) -> str:
    """The last line: numbers and the time."""
    return f"{numbers_of(message)} · {message.severity.value} · {message.at:%Y-%m-%d %H:%M} UTC · Quarterdeck"


def key_of(message: Message) -> str:
    """The same for the same message sent again, another for each step of its escalation: `17-0`."""
    numbers = ".".join(map(str, message.ids)) or f"test.{message.at:%Y%m%dT%H%M%S%f}"
    if len(message.ids) > _MOST_NUMBERS:
        digest = hashlib.sha256(numbers.encode()).hexdigest()[:16]
        numbers = f"{message.ids[0]}.{message.ids[-1]}.{digest}"
    return f"{numbers}-{message.step}"
