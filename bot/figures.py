"""Numbers, times and tables as a person reads them on a phone."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal

from bot.html import EMPTY, Html, clean, pre

WIDTH = 34  # characters of monospace that fit a phone
UNKNOWN = "n/a"
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_CENT, _SMALLEST = Decimal("0.01"), Decimal("0.00000001")
_LARGE = 1000
_PRICE_PLACES = 8
_NEAR = timedelta(days=2)


def money(amount: Decimal | None, currency: str = "USD") -> str:
    """`$1,234.50`, `-$3.00`, `12.00 CHF`; n/a when not known."""
    if amount is None:
        return UNKNOWN
    digits = f"{abs(_rounded(amount)):,.2f}"
    sign = "-" if _rounded(amount) < 0 else ""
    symbol = _SYMBOLS.get(currency)
    return f"{sign}{symbol}{digits}" if symbol else f"{sign}{digits} {currency}"


def rough_money(amount: Decimal | None, currency: str = "USD") -> str:
    """As `money`, but large amounts of a currency that is spelled out are without cents: `51,426 USDT`."""
    if amount is None or currency in _SYMBOLS or abs(amount) < _LARGE:
        return money(amount, currency)
    return f"{amount:,.0f} {currency}"


def balance(amount: Decimal | None, currency: str) -> str:
    """Money beside the name of its currency: `$12.00`, `179,919.00`; a little of a coin has its places: `0.00123`."""
    if amount is None or currency in _SYMBOLS:
        return money(amount, currency)
    if abs(amount) >= _LARGE or amount == _rounded(amount):
        return f"{_rounded(amount):,.2f}"
    return quantity(amount.quantize(_SMALLEST, ROUND_HALF_EVEN))


def fee(amount: Decimal, currency: str) -> str:
    """A fee; one in a coin has all its places: `0.00012 BTC`."""
    is_coin = currency not in _SYMBOLS and amount != _rounded(amount)
    return f"{quantity(amount)} {currency}" if is_coin else money(amount, currency)


def signed_money(amount: Decimal | None, currency: str = "USD") -> str:
    """Money with its sign always shown: `+$12.00`."""
    plus = "+" if amount is not None and _rounded(amount) > 0 else ""
    return plus + money(amount, currency)


def percent(fraction: float | None, places: int = 1) -> str:
    """0.0512 as `5.1%`."""
    return UNKNOWN if fraction is None else f"{fraction * 100:.{places}f}%"


def signed_percent(fraction: float | None, places: int = 2) -> str:
    """0.0512 as `+5.12%`."""
    if fraction is None:
        return UNKNOWN
    shown = f"{fraction * 100:+.{places}f}%"
    return shown[1:] if not shown.strip("+-0.%") else shown


def ratio(value: float | None) -> str:
    """A plain figure with two places."""
    return UNKNOWN if value is None else f"{value:,.2f}"


def quantity(units: Decimal) -> str:
    """Units without trailing zeros: `1,250`, `0.015`, `-3`."""
    plain = f"{units:,f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def price(value: Decimal | None) -> str:
    """A price with at least two places and no more than it needs, an average with six digits."""
    if value is None:
        return UNKNOWN
    if -value.as_tuple().exponent > _PRICE_PLACES:  # type: ignore[operator]  # finite, so a number
        value = value.quantize(Decimal(1).scaleb(min(-2, value.adjusted() - 5)), ROUND_HALF_EVEN)
    shown = quantity(value)
    decimals = len(shown.partition(".")[2])
    return f"{value:,.2f}" if decimals < 2 else shown


def number_of(count: int, one: str, many: str = "") -> str:
    """`1 order`, `3 orders`, `no orders`."""
    return f"{count:,} {one}" if count == 1 else f"{count or 'no':{',' if count else ''}} {many or one + 's'}"


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago (or ahead) a moment is: `12 s ago`, `in 5 min`."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    size = span(timedelta(seconds=abs(seconds)))
    return f"{size} ago" if seconds >= 0 else f"in {size}"


def when(moment: datetime | None, now: datetime, zone: tzinfo) -> str:
    """An age for what is near; a date for what is not, as a replay's market time."""
    if moment is None or abs(now - moment) < _NEAR:
        return age(moment, now)
    return market_day(moment, zone)


def span(length: timedelta) -> str:
    """A length of time in its largest fitting unit: `12 s`, `5 min`, `3 h`, `4 d`."""
    seconds = int(length.total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def clock_time(moment: datetime, zone: tzinfo) -> str:
    """`14:03:22` in the reader's zone."""
    return f"{moment.astimezone(zone):%H:%M:%S}"


def second_time(moment: datetime, zone: tzinfo) -> str:
    """`2000-09-29 16:00:05` in the reader's zone, for what happens every few seconds."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def next_time(moment: datetime, now: datetime, zone: tzinfo) -> str:
    """When something comes: `14:03:22` within a day, `Mon 23 Nov, 08:00` after that."""
    local = moment.astimezone(zone)
    return f"{local:%H:%M:%S}" if moment - now < timedelta(days=1) else f"{local:%a %d %b, %H:%M}"


def market_day(moment: datetime, zone: tzinfo) -> str:
    """A moment of market time; only the date when it is a day's first instant."""
    local = moment.astimezone(zone)
    return f"{local:%Y-%m-%d}" if (local.hour, local.minute) == (0, 0) else f"{local:%Y-%m-%d %H:%M}"


def until(moment: datetime, zone: tzinfo) -> str:
    """How long something is good: `until 2026-12-31 15:00`; a day's first instant is the end of the day before."""
    local = moment.astimezone(zone)
    if (local.hour, local.minute) == (0, 0):
        return f"to the end of {local - timedelta(days=1):%Y-%m-%d}"
    return f"until {local:%Y-%m-%d %H:%M}"


def bar(fraction: float | None, cells: int = 8) -> str:
    """How full something is: `▓▓▓░░░░░`."""
    if fraction is None:
        return "?" * cells
    full = max(0, min(cells, round(fraction * cells)))
    return "▓" * full + "░" * (cells - full)


def width(shown: str) -> int:
    """Columns that a text takes in monospace; wide East Asian characters take two."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in shown
    )


def clip(shown: str, columns: int) -> str:
    """`shown` cut to at most `columns`, with an ellipsis if something is missing."""
    shown = clean(shown).replace("\n", " ")
    if width(shown) <= columns:
        return shown
    while shown and width(shown) > columns - 1:
        shown = shown[:-1]
    return shown + "…"


def table(rows: Iterable[Sequence[str]], *, head: Sequence[str] = (), total: int = WIDTH) -> Html:
    """Aligned columns in a monospace block: the first to the left and clipped, the others to the right."""
    cells = [*([head] if head else []), *rows]
    if not cells:
        return EMPTY
    rest = [max(width(row[place]) for row in cells) for place in range(1, len(cells[0]))]
    first = min(max(width(clean(row[0])) for row in cells), max(4, total - sum(rest) - len(rest)))
    return pre(_line(row, first, rest).rstrip() for row in cells)


def _line(row: Sequence[str], first: int, rest: Sequence[int]) -> str:
    name = clip(row[0], first)
    others = (" " + " " * (room - width(cell)) + clean(cell) for cell, room in zip(row[1:], rest, strict=True))
    return name + " " * (first - width(name)) + "".join(others)


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_EVEN) if amount.is_finite() else amount
