"""The guided way to an order: one question a screen, each answer a button that carries all that was said so far.

Nothing is kept in memory: a button holds the words of the order, and the last of them is the preview.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from bot import html
from bot.command import Call
from bot.figures import clip, price, quantity
from bot.framing import framed, grid
from bot.html import Html
from bot.screen import Button, Nav, Rows, Screen
from core.trading.by_hand.numbers import plain
from core.trading.by_hand.slip import Verb
from core.views import Tradable

PAGE = 12
_SIDES = {Verb.BUY: "🔵 Buy", Verb.SELL: "🟠 Sell", Verb.CLOSE: "✖ Close"}
_STEPS = (Decimal(0), Decimal("0.25"), Decimal("0.5"), Decimal(1), Decimal(2), Decimal(5))
_EXITS = (
    ("🛡 Stop 2 %", ("stop", "2%")),
    ("🛡 Stop 5 %", ("stop", "5%")),
    ("🛡 2 % / 🎯 4 %", ("stop", "2%", "target", "4%")),
    ("🛡 5 % / 🎯 10 %", ("stop", "5%", "target", "10%")),
    ("🛡 Trail 3 %", ("trail", "3%")),
    ("🛡 Trail 8 %", ("trail", "8%")),
)
_TIMES = (("Day", "day"), ("Till cancelled", "gtc"), ("Immediate or cancel", "ioc"), ("Fill or kill", "fok"))


def choose_side(call: Call) -> Screen:
    """Buy, sell, or close."""
    sides = (Nav("🔵 Buy", "buy"), Nav("🟠 Sell", "sell"))
    more = (Nav("✖ Close a position", "close"), Nav("🧾 Open orders", "orders"))
    body = html.lines(
        "What do you want to do? Nothing is sent before you have seen what it costs and confirmed it.",
        html.text("In one line: ", html.code("/buy AAPL 10 limit 98.5 with stop 95")),
        html.text("All the words: ", "/help buy"),
    )
    return framed(call, ("Trade",), body, here=("trade",), buttons=(sides, more))


def choose_symbol(call: Call, verb: Verb, rows: Sequence[Tradable], page: int) -> Screen:
    """What, those that are held first."""
    pages = max(1, -(-len(rows) // PAGE))
    page = min(max(page, 1), pages)
    shown = rows[(page - 1) * PAGE : page * PAGE]
    buttons = [Nav(_symbol_label(row), verb.value, (row.symbol,)) for row in shown]
    steps = [(f"◂ {page - 1}", page - 1)] * (page > 1) + [(f"{page + 1} ▸", page + 1)] * (page < pages)
    pager = tuple(Nav(label, "trade", (verb.value, str(number))) for label, number in steps)
    text = "Which one? What is held comes first." if rows else "Nothing can be traded: the market has no symbols."
    here = ("trade", verb.value, str(page))
    trail = ("Trade", _SIDES[verb])
    return framed(call, trail, text, here=here, back=Nav("Trade", "trade"), buttons=(*grid(buttons, 2), pager))


def _symbol_label(row: Tradable) -> str:
    held = sum(row.held.values(), Decimal(0))
    return f"{clip(row.symbol, 14)} {price(row.price)}" + (f" · {quantity(held)} held" if row.held else "")


def choose_size(call: Call, verb: Verb, row: Tradable, rest: tuple[str, ...] = ()) -> Screen:
    """How much: shares of equity, or of what is held by hand; `rest` is what has been said of the order already."""
    shares = [Nav(f"{share}% of equity", verb.value, (row.symbol, f"{share}%", *rest)) for share in (1, 2, 5, 10)]
    own = row.held.get("manual", Decimal(0))
    closes = own * (1 if verb is Verb.SELL else -1) > 0
    parts = [
        Nav(f"{label} ({quantity(abs(own) * share / 100)})", verb.value, (row.symbol, word, *rest))
        for label, word, share in (("Half", "half", 50), ("All", "all", 100))
    ]
    held = ", ".join(f"{name} {quantity(units)}" for name, units in row.held.items()) or "nobody"
    said = f" {' '.join(rest)}" if rest else ""
    body = html.lines(
        html.text(html.bold(row.symbol), f" {price(row.price)} · held by {held}"),
        html.text(f"How much{f' ({said.strip()})' if said else ''}? Or write it:"),
        html.text(html.code(f"/{verb.value} {row.symbol} {_units(row)}{said}"), " (units)"),
        html.text(html.code(f"/{verb.value} {row.symbol} $5000{said}"), " (worth)"),
    )
    return framed(
        call,
        ("Trade", _SIDES[verb], row.symbol),
        body,
        here=(verb.value, row.symbol, *rest),
        back=Nav("Symbols", verb.value),
        buttons=(*(grid(parts) if closes else ()), *grid(shares)),
    )


def _units(row: Tradable) -> str:
    """A size that fits what is traded, as an example: 10 shares, or 0.01 of a coin."""
    return "10" if row.lot >= 1 or row.price is None else plain(max(row.lot, _about(row.price)))


def _about(price: Decimal) -> Decimal:
    """Units worth some hundreds, in one digit."""
    return Decimal(1).scaleb((Decimal(500) / price).adjusted()) if price > 0 else Decimal(10)


# --- changing one thing of an order ----------------------------------------------------------------


def choose_type(call: Call, verb: Verb, words: tuple[str, ...], bare: tuple[str, ...]) -> Screen:
    """Market, limit, stop, take-profit or trailing; `bare` are the words without a price."""
    kinds = (
        ("At market", ""),
        ("Limit…", "limit"),
        ("Stop…", "stop"),
        ("Take profit…", "take"),
        ("Trailing…", "trail"),
    )
    buttons = [
        Nav(label, "step", ("price", kind, verb.value, *bare)) if kind else Nav(label, verb.value, bare)
        for label, kind in kinds
    ]
    what = "A limit waits for a better price; a stop for a worse one; a take profit and a trailing stop follow it."
    return _step(call, verb, words, "Type", what, grid(buttons))


def choose_price(call: Call, verb: Verb, words: tuple[str, ...], kind: str, row: Tradable) -> Screen:
    """Prices near the market, on the side where the type makes sense."""
    back = words
    if kind == "trail":
        buttons: list[Button] = [
            Nav(f"{share} %", verb.value, _with_price(words, kind, f"{share}%")) for share in ("1", "2", "3", "5", "8")
        ]
    else:
        buttons = [
            Nav(
                f"{price(at)} ({f'{plain(away)} %' if away else 'now'})",
                verb.value,
                _with_price(words, kind, plain(at)),
            )
            for away, at in _prices(verb, kind, row)
        ]
    typed = html.text("Another price: ", html.code(f"/{verb.value} {' '.join(_with_price(words, kind, '98.5'))}"))
    said = f"{row.symbol} is at {price(row.price)}." if row.price is not None else "There is no price yet: write one."
    return _step(call, verb, back, kind.capitalize(), html.lines(said, typed), grid(buttons))


def _prices(verb: Verb, kind: str, row: Tradable) -> Iterator[tuple[Decimal, Decimal]]:
    """(distance in %, price): a limit or take profit below the market for a buy, a stop above it."""
    if row.price is None:
        return
    side = 1 if verb is Verb.BUY else -1
    direction = side if kind == "stop" else -side
    seen = set()
    for away in _STEPS if kind == "limit" else _STEPS[1:]:
        raw = row.price * (1 + direction * away / 100)
        at = (raw / row.tick).to_integral_value(ROUND_HALF_EVEN) * row.tick
        if at > 0 and at not in seen:
            seen.add(at)
            yield direction * away, at


def _with_price(words: tuple[str, ...], kind: str, at: str) -> tuple[str, ...]:
    """The price goes behind the size: whatever follows stays."""
    return (*words[:2], kind, at, *words[2:])


def choose_exits(call: Call, verb: Verb, words: tuple[str, ...], bare: tuple[str, ...]) -> Screen:
    """How what it opens is protected; `bare` are the words without exits."""
    buttons = [Nav(label, verb.value, _with_exits(bare, spec)) for label, spec in _EXITS]
    typed = html.code(f"/{verb.value} {' '.join(_with_exits(bare, ('stop', '95', 'target', '110')))}")
    body = html.lines(
        "What protects it? In % of the entry price; the venue holds as much of it as it can.",
        html.text("At a price: ", typed),
    )
    return _step(call, verb, words, "Exits", body, (*grid(buttons), (Nav("No exits", verb.value, bare),)))


def _with_exits(bare: tuple[str, ...], spec: tuple[str, ...]) -> tuple[str, ...]:
    place = bare.index("in") if "in" in bare[2:] else len(bare)
    return (*bare[:place], "with", *spec, *bare[place:])


def choose_time(call: Call, verb: Verb, words: tuple[str, ...], bare: tuple[str, ...]) -> Screen:
    """How long it lives; `bare` are the words without that."""
    buttons = [Nav(label, verb.value, (*bare[:2], word, *bare[2:])) for label, word in _TIMES]
    body = html.text(
        "Until a date: ", html.code(f"/{verb.value} {' '.join((*bare[:2], 'gtd', '2026-12-31', *bare[2:]))}")
    )
    return _step(call, verb, words, "How long", body, grid(buttons))


def _step(call: Call, verb: Verb, words: tuple[str, ...], title: str, body: Html | str, buttons: Rows) -> Screen:
    back = Nav("Preview", verb.value, words)
    here = (call.command.name, *call.args)
    return framed(call, ("Trade", _SIDES[verb], words[0], title), body, here=here, back=back, buttons=buttons)


# --- whose ----------------------------------------------------------------------------------------


def choose_position(call: Call, rows: Sequence[Tradable]) -> Screen:
    """Which position to close."""
    held = [(row, name, units) for row in rows for name, units in row.held.items()]
    buttons = [
        Nav(f"{clip(row.symbol, 18)} {quantity(units)} · {clip(name, 16)}", "close", (row.symbol, name))
        for row, name, units in held[:40]
    ]
    text = "Which position?" if held else "Nothing is held: there is nothing to close. /trade opens something."
    return framed(
        call, ("Trade", "✖ Close"), text, here=("close",), back=Nav("Trade", "trade"), buttons=grid(buttons, 1)
    )
