"""The tour: every command that /help lists and every button that the menu leads to, as the admin."""

import csv
import io
import re
import time
from decimal import Decimal

import pytest

from tests.journeys.person import FAULTS, Message, Person, buttons, find, is_push, labels, said

ARGUMENTS = {
    "cancel": "qd0000", "job": "equity run", "parameters": "trend-aapl", "pause": "trend-msft", "run": "trend-msft",
    "stop": "breakout-ibm", "strategy": "trend-aapl", "help": "halt", "live": "off", "order": "qd0000", "look": "qd0000",
    "decide": "qd0000 absent",
    "ack": "999", "addreport": "day daily 18:00", "alert": "1", "approve": "99", "buy": "AAPL 10", "chart": "AAPL",
    "close": "IBM", "decline": "99", "exits": "breakout-ibm IBM", "invite": "Zoe viewer", "limit": "nosuch 1",
    "maintenance": "30m test", "modify": "qd0000 price 1", "mute": "drift 2h test", "remove": "Nobody",
    "role": "Nobody viewer", "sell": "AAPL 10", "snooze": "999 15m", "timezone": "UTC", "unlock": "Nobody", "unmute": "99",
}  # fmt: skip
EXPECTED = {
    "adjust": "agrees with its venue",
    "brokers": r"paper",
    "failback": r"(?i)own account",
    "golive": r"(?i)real money|simulated|no account|paper",
    "alerts": "fill|Bought|Sold", "audit": "start", "balance": r"Ledger +Venue", "cancel": "no open order",
    "decide": "There is no order", "look": "There is no order", "order": "There is no order",
    "fills": r"\d+ fills", "flatten": "Flatten all positions", "halt": "HALTED", "health": "connected",
    "help": "/halt", "job": "equity", "limits": "MAX_ORDER_VALUE", "live": "rests", "menu": "Menu",
    "orders": "No open orders", "parameters": "fast = 15", "pause": "trend-msft", "performance": "total return",
    "pnl": "By strategy", "positions": "AAPL", "report": "P&L", "resume": "Resume trading",
    "risk": "Limits in use", "run": "trend-msft", "schedule": "risk-sweep", "status": "Cash", "stop": "breakout-ibm",
    "strategies": "reversion-ibm", "strategy": "Trend following",
    "ack": "There is no alert #999", "addreport": "18:00", "alert": "#1", "approvals": "Nothing waits",
    "approve": "There is no request 99", "buy": "Buy 10 AAPL at market", "chart": "We hold +6,031",
    "close": "Close|Sell", "decline": "There is no request 99", "exits": "IBM", "exposure": "% invested",
    "invite": "Invite Zoe", "limit": "no limit called", "maintenance": "maintenance of everything until",
    "modify": "no open order", "more": "Where to", "mute": "kind drift until", "mutes": "maintenance of everything",
    "remove": "no person called", "role": "no person called", "scopes": "halts at once", "sell": "Sell 10 AAPL at market",
    "snooze": "There is no alert #999", "testalert": "tests were accepted", "timezone": "UTC",
    "trade": "What do you want to do", "unlock": "no person called", "unmute": "number 99", "users": "Tess Trader: trader",
}  # fmt: skip
_NAMES = r"\b((trend|reversion|breakout)-)?(aapl|ibm|msft|fb|goog|AAPL|IBM|MSFT|FB|GOOG)\b"
PNG = b"\x89PNG\r\n\x1a\n"


def sane(message: Message) -> str:
    """The text of an answer, which must be one that a person can use."""
    text = said(message)
    assert text, f"an answer without words: {message}"
    assert not [word for word in FAULTS if word in text], text
    assert not re.search(r"\bNone\b|\bnan\b|Decimal\(|<[a-z]+ object", text), text
    assert not re.search(r"\d\.\d{9,}", text), f"a figure with far too many digits: {text}"
    assert all(len(label) <= 40 for label in labels(message)), labels(message)
    return text


def commands_of_help(person: Person) -> list[str]:
    return re.findall(r"/([a-z_]+)", said(person.say("/help")).partition("More: press")[0])


def test_help_lists_what_this_journey_knows(calm):
    """A new command needs a line here."""
    assert set(commands_of_help(calm.admin)) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_command_answers(calm, name):
    """Each command of /help answers with what it promises."""
    text = f"/{name} {ARGUMENTS.get(name, '')}".strip()
    answer = calm.admin.say(text)
    assert re.search(EXPECTED[name], sane(answer)), said(answer)


def test_trading_can_go_on_after_the_tour_of_commands(calm):
    """/halt above was real: resume asks, and one press later trading goes on."""
    question = calm.admin.say("/resume")
    assert "Halted" in said(calm.admin.say("/status"))
    assert "Trading has resumed" in said(calm.admin.press(question, "Yes, resume"))
    assert "Halted" not in said(calm.admin.say("/status"))


def test_the_menu_edits_itself(calm):
    """Every place is reached in the same message, and 🏠 leads back from each."""
    menu = calm.admin.say("/menu")
    home = said(menu).splitlines()[0]
    places = [each for each in buttons(menu) if each["data"].startswith("n1|") and "Refresh" not in each["text"]]
    assert len(places) >= 12
    for place in places:
        shown = calm.admin.press(menu, place["text"])
        sane(shown)
        if shown["photo_url"]:
            continue  # a picture cannot take a text's place
        assert shown["message_id"] == menu["message_id"], place["text"]
        assert said(shown).startswith("🏠 ▸ "), said(shown)
        menu = calm.admin.press(shown, "🏠")
        assert menu["message_id"] == shown["message_id"]
        assert said(menu).splitlines()[0] == home


def test_back_leads_one_step_back(calm):
    """Menu, strategies, a card, its parameters, and all the way back."""
    admin, menu = calm.admin, calm.admin.say("/menu")
    list_ = admin.press(menu, "Strategies")
    card = admin.press(list_, "trend-aapl")
    parameters = admin.press(card, "Parameters")
    assert "fast = 15" in said(parameters)
    assert said(admin.press(parameters, "◂ trend-aapl")).splitlines()[0] == said(card).splitlines()[0]
    back = admin.press(card, "◂ Strategies")
    assert said(back).splitlines()[0] == said(list_).splitlines()[0]
    assert {each["message_id"] for each in (menu, list_, card, parameters, back)} == {menu["message_id"]}


def kind(words: str) -> str:
    """What tells screens and buttons apart: of those that differ only by a name or a number, one is enough."""
    plain = re.sub(r"\d[\d,.]*", "0", re.sub(_NAMES, "NAME", words))
    return (
        "|".join(plain.split("|")[:4]) if plain.split("|")[1:2] in (["step"], ["buy"], ["sell"], ["close"]) else plain
    )


@pytest.mark.timeout(280)
def test_every_button_leads_somewhere(calm):
    """From the menu through every screen: no button is dead, none breaks anything."""
    admin = calm.admin
    seen: set[str] = {"n1|menu", "p1|menu"}
    acts: dict[tuple[str, str], tuple[str, str]] = {}
    screens: list[tuple[str, Message]] = [("/menu", admin.say("/menu"))]
    while screens:
        typed, screen = screens.pop()
        text = sane(screen)
        for button in buttons(screen):
            data, label = button["data"], button["text"]
            if data.startswith(("a1|", "h1|")):
                acts.setdefault((kind(text.splitlines()[0]), kind(label)), (typed, label))
            elif kind(data) not in seen and "Refresh" not in label:
                seen.add(kind(data))
                # A picture stays as it is; a text has become the screen that was pressed last.
                parent = screen if screen["photo_url"] else admin.say(typed)
                shown = admin.press_data(parent, data)
                sane(shown)
                screens.append(("/" + data.split("|", 1)[1].replace("|", " "), shown))
        assert len(seen) < 400, "the tour does not end"
    assert len(seen) > 40
    assert {"🛑 Halt everything", "⏹ Stop", "⏸ Pause", "🧹 Flatten all…"} <= {label for _, label in acts}
    for typed, label in sorted(acts.values(), key=lambda act: "Halt" in act[1] or "🛑" in act[1]):
        do(admin, typed, label)
    assert "Resume" in said(question := admin.say("/resume"))
    assert "resumed" in said(admin.press(question, "Yes, resume"))


def untimed(text: str) -> str:
    """A screen without the stamp of when it was drawn."""
    return text.partition("as of ")[0]


def do(admin: Person, typed: str, label: str) -> None:
    """Open a screen and press one of its action buttons, if it is still there."""
    screen = admin.say(typed)
    if label not in labels(screen):
        return  # an earlier action has changed the screen
    answer = admin.press(screen, label)
    text = sane(answer)
    assert (untimed(text), labels(answer)) != (untimed(said(screen)), labels(screen)), f"{label} did nothing visible"
    if any("No, leave it" in each for each in labels(answer)):
        assert "Menu" in said(admin.press(answer, "No, leave it"))


def test_refresh_is_answered_even_if_nothing_changed(calm):
    """Telegram refuses an unchanged edit; the person must not notice."""
    menu = calm.admin.say("/menu")
    for _ in range(3):
        assert not calm.admin.toast(menu, "Refresh")["show_alert"]
    assert "Menu" in said(calm.admin.look(menu["message_id"]))


def test_performance_has_a_picture(calm):
    """A real PNG under the figures."""
    answer = calm.admin.say("/performance")
    assert calm.admin.download(answer["photo_url"]).startswith(PNG)
    assert answer["photo_width"] >= 800
    assert "SIMULATED" in said(answer)


def test_report_has_a_picture_and_the_fills(calm):
    """The CSV is the same as /fills shows, line by line."""
    document, answer = calm.admin.replies("/report")
    assert calm.admin.download(answer["photo_url"]).startswith(PNG)
    assert document["document_name"].endswith(".csv")
    rows = list(csv.DictReader(io.StringIO(calm.admin.download(document["document_url"]).decode())))
    by_fill: dict[str, tuple] = {}
    for row in rows:
        sign = 1 if row["side"] == "buy" else -1
        old = by_fill.get(row["fill"], (row["time_utc"][:16].replace("T", " "), row["symbol"], Decimal(0), ""))
        by_fill[row["fill"]] = (old[0], old[1], old[2] + sign * Decimal(row["quantity"]), Decimal(row["price"]))
    assert [one for one in by_fill.values() if one[2]] == list(reversed(shown_fills(calm.admin)))


def shown_fills(person: Person) -> list[tuple[str, str, Decimal, Decimal]]:
    """All pages of /fills: (minute, symbol, signed quantity, price), newest first."""
    found = []
    screen = person.say("/fills")
    total = int(re.search(r"(\d+) fills", said(screen))[1])
    for number in range(1, 50):
        for side, quantity, symbol, price, at in re.findall(
            r"(Buy|Sell) ([\d,]+) (\w+) @ ([\d.,]+)\n(\d{4}-\d\d-\d\d \d\d:\d\d)", said(screen)
        ):
            sign = 1 if side == "Buy" else -1
            found.append((at, symbol, sign * Decimal(quantity.replace(",", "")), Decimal(price.replace(",", ""))))
        if not any(label == f"{number + 1} ▸" for label in labels(screen)):
            break
        screen = person.press(screen, f"{number + 1} ▸")
    assert len(found) == total
    return found


def test_a_live_message_keeps_itself_current(calm):
    """/live is pinned and follows a halt without being asked."""
    admin = calm.admin
    live = admin.say("/live")
    after = admin.seq()
    for _ in range(400):  # it is pinned a moment after it was sent
        pinned = admin.http.get("/sandbox/events", params={"chat_id": admin.id}).json()["pinned"]
        if pinned == [live["message_id"]]:
            break
        time.sleep(0.05)
    assert pinned == [live["message_id"]], "one at a time: an older one that no longer changes must not stay up there"
    admin.say("/halt live test")
    admin.wait(lambda one: one["kind"] == "edit" and one["message"]["message_id"] == live["message_id"]
               and "Halted" in said(one["message"]), after)  # fmt: skip
    admin.say("/live off")
    admin.press(admin.say("/resume"), "Yes, resume")


def test_the_command_list_is_each_roles_own(calm):
    """What Telegram's / button offers is what the role may do."""
    chats = {chat["id"]: {each["command"] for each in chat["commands"]}
             for chat in calm.http.get("/sandbox/state").json()["chats"]}  # fmt: skip
    assert {"resume", "audit", "job", "halt"} <= chats[calm.admin.id]
    assert "halt" in chats[calm.trader.id]
    assert not {"resume", "audit", "job"} & chats[calm.trader.id]
    assert not {"halt", "pause", "flatten", "resume"} & chats[calm.viewer.id]
    assert find(calm.viewer.say("/menu"), "Status")
    assert not is_push(calm.viewer.say("/status"))
