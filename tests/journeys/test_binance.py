"""A trader with a phone and a testnet account at Binance: what they saw, word for word, and what was true at the venue.

The program is `quarterdeck run` in a process of its own, on settings as its owner writes them. Binance is a process,
too, and its journal is the oracle; Telegram goes on when the program dies.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from tests.journeys.outside import House
from tests.journeys.person import PATIENCE, Message, Person, labels, said
from tests.journeys.sandbox import ADMIN, quarterdeck

pytestmark = pytest.mark.timeout(280)

SETTINGS = {
    "users": [{"id": ADMIN, "name": "Ada Admin", "role": "admin"}],
    "security": {"totp": "optional", "orders_per_10_seconds": 100, "looks_per_minute": 600, "commands_per_minute": 600},
    "market": {"source": "live", "symbols": ["BTC/USDT", "ETH/USDT"], "feeds": [{"account": "main"}]},
    "accounts": {
        "main": {
            "broker": {"adapter": "binance", "market": "spot", "mode": "testnet"},
            "limits": {"max_order_value_percent": 5, "max_position_percent": 60},
        }
    },
    "strategies": [
        {
            "name": "breakout-btc",
            "kind": "breakout",
            "symbols": ["BTC/USDT"],
            "parameters": {"entry": 20, "exit": 10},
            "sizing": {"method": "fixed_fractional", "percent": 2},
            "start": False,
        }
    ],
}
_SHAPES = (
    (r"qd[0-9A-Z]{20,}", "ID"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "DATE"),
    (r"\d\d:\d\d:\d\d", "TIME"),
    (r"\d\d:\d\d(?= UTC)", "TIME"),
    (r"\d+(\.\d+)? m?s\b", "SPAN"),
    (r"#\d+(-#\d+)?", "#N"),
    (r"\n\nas of TIME\Z", ""),
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("binance") / "house", SETTINGS) as made:
        made.start()
        yield made
        if made.program is not None:
            made.stop()
        assert "Traceback" not in made.log()
        verified = quarterdeck("verify", "--config", str(made.folder))
        assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.fixture
def ada(house: House) -> Person:
    return house.person(ADMIN)


@pytest.fixture(autouse=True)
def prices(house: House) -> None:
    """Every chapter begins early in a minute, with prices of now."""
    house.time.pass_to(10, house.venue)
    quote(house, "50000")


def quote(house: House, bitcoin: str) -> None:
    house.venue.move("3000", "ETHUSDT")
    house.venue.move(bitcoin)


def seen(message: Message) -> str:
    """What is on the phone, without what differs from day to day."""
    text = said(message)
    for pattern, shape in _SHAPES:
        text = re.sub(pattern, shape, text)
    return text


def until(true: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def screen(person: Person, text: str, words: str) -> str:
    """Ask again until the answer has these words."""
    found = ""

    def has() -> bool:
        nonlocal found
        found = seen(person.say(text))
        return words in found

    try:
        until(has)
    except AssertionError:
        raise AssertionError(f"{text} never says {words!r}: {found}") from None
    return found


def preview(person: Person, words: str, bid: str = "50,000.00") -> Message:
    """An order by hand before it is sent, as soon as the price of now has come."""
    deadline = time.monotonic() + PATIENCE
    while not re.search(rf"Bid +{bid}[^✅]+✅ The gate would let it pass", said(found := person.say(words))):
        assert time.monotonic() < deadline, said(found)
    return found


def order(person: Person, words: str) -> Message:
    """By hand: the preview, the yes, the card."""
    question = preview(person, words, "3,000.00" if "ETH" in words else "50,000.00")
    return person.press(question, next(each for each in labels(question) if "✅" in each))


def becomes(person: Person, message: Message, words: str) -> str:
    """What a message has edited itself to."""
    until(lambda: words in said(person.look(message["message_id"])))
    return seen(person.look(message["message_id"]))


def told(person: Person, words: str, after: int) -> list[str]:
    """The alerts with these words."""
    return [seen(each) for each in person.pushes(after) if words in said(each)]


def test_the_first_start_says_whose_money_it_is_and_what_was_there(house: House, ada: Person) -> None:
    """Connected in testnet mode; coins that were there are taken over, what has no rate is told once."""
    assert screen(ada, "/brokers", "quotes: heard").startswith(
        "🏠 ▸ More ▸ Brokers · TESTNET\n\n🟢 main · binance · testnet\ncalls"
    )
    assert seen(ada.wait_for_push("The books are open")) == (
        "🔹 The books are open: +1 BTC/USDT, +10 ETH/USDT, 100,000 USDT, 10 BNB\n"
        "That is what the venue has. Positions that were there belong to manual: strategies leave them alone, /flatten "
        "closes them, too.\n"
        "#N · DATE UTC"
    )
    assert seen(ada.wait_for_push("Not counted")) == (
        "🟡 Not counted: 10 BNB\n"
        "Nothing says what it is worth, so it is not part of equity. If it shall be, give a rate in the account's fx "
        "setting, or trade it.\n"
        "#N · DATE UTC"
    )
    assert seen(ada.say("/status")) == (
        "🏠 ▸ Status · TESTNET\n\n🧪 TESTNET · main\n🟢 Trading\n\n180,000.00 USDT · today 0.00 USDT (0.00%)\n"
        "Cash        100,000.00 USDT\nInvested              44.4%\nBelow peak             0.0%\n"
        "Positions                 2\nOpen orders               0\n⏹ 1 stopped\n\n🕰 live from main"
    )
    assert seen(ada.say("/balance")) == (
        "🏠 ▸ More ▸ Balance · TESTNET\n\nAccount main\n         Ledger      Venue\n"
        "USDT 100,000.00 100,000.00\nBNB       10.00      10.00"
    )


def test_a_strategy_buys_and_its_fill_is_told(house: House, ada: Person) -> None:
    """Started from chat; a bar ends above the channel, it buys, and fee and holding are the venue's to the last digit."""
    house.time.pass_to(50, house.venue)
    quote(house, "50300")
    assert seen(ada.say("/run breakout-btc")) == "✅ breakout-btc is running."
    after = ada.seq()
    quote(house, "51000")
    house.time.pass_to(59.5, house.venue)
    quote(house, "51010")
    push = ada.wait_for_push("Bought", after)
    (done,) = house.venue.journal("execution")
    quantity, fee = Decimal(done["quantity"]), Decimal(done["fee"])
    assert seen(push) == f"🔹 Bought {quantity} BTC/USDT at 51,010.01\nbreakout-btc\n#N · DATE UTC"
    assert done["fee_asset"] == "BTC"
    assert f"🔵 Buy {quantity} BTC/USDT @ 51,010.01\nDATE · fee {fee:f} BTC · breakout-btc" in seen(ada.say("/fills"))
    positions = seen(ada.say("/positions"))
    assert f"breakout-btc {quantity - fee:f}, manual 1\n" in positions
    assert f"{house.venue.holds('BTC').normalize():f} @ " in positions
    assert "🟢 Running" in seen(ada.say("/strategy breakout-btc"))
    assert len(house.venue.journal("accepted")) == 1
    stopped = seen(ada.press(ada.say("/stop breakout-btc"), "Yes"))
    assert stopped == "✅ breakout-btc is stopped. Its positions stay; /flatten breakout-btc closes them."


def test_a_resting_order_by_hand_fills_by_stream(house: House, ada: Person) -> None:
    """Previewed, confirmed, resting; its fill comes by stream alone, and nobody asks for it."""
    question = preview(ada, "/buy BTC/USDT 0.00123 limit 49900 gtc")
    assert "\n".join(seen(question).splitlines()[2:11]) == (
        "🔵 Buy 0.00123 BTC/USDT limit 49,900.00\ngood till cancelled\n🧪 TESTNET · main · for manual\n\n"
        "Bid    50,000.00\nAsk    50,000.01\nPrice  49,900.00\nValue 61.38 USDT\nFee    0.06 USDT"
    )
    card = ada.press(question, "✅ Buy 0.00123 BTC/USDT")
    assert "working, 0 of 0.00123 filled" in seen(card)
    questions = len(house.venue.journal("request", route="GET /api/v3/order"))
    after = ada.seq()
    quote(house, "49800")
    assert seen(ada.wait_for_push("Bought", after)) == "🔹 Bought 0.00123 BTC/USDT at 49,900\nmanual\n#N · DATE UTC"
    assert "Fills\n0.00123 @ 49,900.00, fee 0.00000123 BTC\n" in becomes(ada, card, "filled, 0.00123 of 0.00123")
    assert len(house.venue.journal("request", route="GET /api/v3/order")) == questions


def test_a_fill_that_the_stream_missed_is_told_once(house: House, ada: Person) -> None:
    """The venue breaks the stream and fills the order before we are back: found by asking, told once, booked once."""
    card = order(ada, "/buy BTC/USDT 0.02 limit 49500 gtc")
    after = ada.seq()
    house.venue.tell("drop", site="ws-api")
    quote(house, "49450")
    assert seen(ada.wait_for_push("Bought", after)) == "🔹 Bought 0.02 BTC/USDT at 49,500\nmanual\n#N · DATE UTC"
    assert "Fills\n0.02 @ 49,500.00, fee 0.00002 BTC\n" in becomes(ada, card, "filled, 0.02 of 0.02")
    brokers = screen(ada, "/brokers", "opened anew 1x")
    assert brokers.startswith("🏠 ▸ More ▸ Brokers · TESTNET\n\n🟢 main · binance · testnet\n")
    assert len(told(ada, "Bought", after)) == 1
    assert f"{house.venue.holds('BTC').normalize():f} @ " in seen(ada.say("/positions"))
    assert "0.00002 BTC" in seen(ada.say("/fills")).split("\n\n")[2]


def test_shut_out_by_the_venue(house: House, ada: Person) -> None:
    """418: people see until when; nothing is sent meanwhile; a cancel and a kill are made good by themselves after it."""
    began = time.monotonic()
    order(ada, "/buy BTC/USDT 0.02 limit 49000 gtc")
    card = order(ada, "/buy ETH/USDT 0.1 limit 2950 gtc")
    asked = len(house.venue.journal("request"))
    # Long enough for all that is said meanwhile, also on a machine with much else to do.
    seconds = round(min(max(8.0, 5 * (time.monotonic() - began)), 30.0))
    house.venue.tell("stop", site="api", seconds=seconds, status=418)
    after = ada.seq()
    refused = order(ada, "/buy BTC/USDT 0.01 limit 49600 gtc")
    assert "not sent, 0 of 0.01 filled" in seen(refused)
    # whoever asked first has heard it from the venue itself
    assert re.search("the venue wants no requests until TIME UTC|Way too much request weight used", seen(refused))
    assert "▫️ main: the venue has shut us out until TIME UTC" in seen(ada.say("/buy BTC/USDT 0.01 limit 49600 gtc"))
    assert "\n⛔ main: the venue has shut us out until TIME UTC\n" in seen(ada.say("/status"))
    assert "🟠 main · binance · testnet\n⛔ Shut out by the venue until TIME (in SPAN)" in seen(ada.say("/brokers"))
    assert "🔴 broker main: the venue has shut us out until TIME UTC\n" in seen(ada.say("/health"))
    job = seen(ada.say("/job reconcile run"))
    assert "Job reconcile: not now: the venue wants no requests until TIME UTC" in job
    assert seen(ada.say("/cancel ETH/USDT")) == (
        "⚠️ Not everything is cancelled.\n"
        "• 🔴 buy 0.1 ETH/USDT limit 2,950: the venue wants no requests until TIME UTC: there were too many"
    )
    assert "cancelling, 0 of 0.1 filled" in becomes(ada, card, "cancelling")
    halted = ada.say("/halt the venue is angry")
    assert becomes(ada, halted, "HALTED") == (
        "⚠️ Trading is HALTED. KILL INCOMPLETE: main. It is tried again until nothing is open there.\n"
        "• 🔴 main: KILL INCOMPLETE (2 may still be open; open orders cannot be listed: the venue wants no requests "
        "until TIME UTC: there were too many)\n"
        "• 🔴 Buy 0.02 BTC/USDT at 49,000: may still be open\n"
        "• 🔴 Buy 0.1 ETH/USDT at 2,950: may still be open\n"
        f"• Positions still open, their stops cancelled: {house.venue.holds('BTC').normalize():+f} BTC/USDT, "
        "+10 ETH/USDT; /flatten closes them, also while halted."
    )
    shut = ada.wait_for_push("the venue has shut us out", after)
    assert "2 orders of ours are open there; what rests at the venue works on, but cannot be changed" in seen(shut)
    assert len(house.venue.journal("request")) - asked <= 3, "it asked on although it was shut out"
    incomplete = ada.wait_for_push("KILL INCOMPLETE", after)
    assert "☑️ Over since TIME UTC: main: the venue takes requests again" in becomes(ada, shut, "Over since")
    assert "☑️ Over since TIME UTC: no orders are open any more" in becomes(ada, incomplete, "Over since")
    assert seen(ada.wait_for_push("KILL COMPLETE", after)) == (
        "🟡 KILL COMPLETE: main\nNo orders are open any more.\n#N · DATE UTC"
    )
    assert house.venue.open_orders() == {}
    assert told(ada, "Job ", after) == [], "what cannot be asked now is no fault of a job"
    assert "cancelled, 0 of 0.1 filled" in becomes(ada, card, "cancelled, 0 of 0.1")
    ada.press(ada.say("/resume"), "Yes")
    quote(house, "50000")
    assert "working" in seen(order(ada, "/buy BTC/USDT 0.01 limit 49600 gtc"))
    assert seen(ada.say("/cancel BTC/USDT")).startswith("✅")


def test_killed_while_orders_rest_at_the_venue(house: House, ada: Person) -> None:
    """kill -9; one of them fills meanwhile, and somebody asks: told once, the other rests on, nothing was doubled."""
    order(ada, "/buy BTC/USDT 0.02 limit 49700 gtc")
    order(ada, "/buy BTC/USDT 0.03 limit 49100 gtc")
    before = house.venue.open_orders()
    house.kill()
    after = ada.seq()
    quote(house, "49650")
    ada.send("/orders")
    house.start()
    answer = ada.wait(lambda one: "Orders ▸ open" in said(one["message"]), after, 30)
    assert seen(answer["message"]).split("\n\n")[2].startswith("1. 🔵 Buy 0.03 BTC/USDT limit 49,100.00\nworking · ")
    assert seen(ada.wait_for_push("Bought", after)) == "🔹 Bought 0.02 BTC/USDT at 49,700\nmanual\n#N · DATE UTC"
    assert "🟢 Trading" in seen(ada.say("/status"))
    resting = house.venue.open_orders()
    assert len(before) == 2
    assert [each["quantity"] for each in resting.values()] == ["0.03"]
    assert set(resting) < set(before)
    names = [each["client_id"] for each in house.venue.journal("accepted")]
    assert len(names) == len(set(names))
    assert len(told(ada, "Bought", after)) == 1
    assert f"{house.venue.holds('BTC').normalize():f} @ " in screen(ada, "/positions", "BTC/USDT")
    assert seen(ada.say("/cancel BTC/USDT")).startswith("✅")


def test_one_word_stops_everything_and_one_yes_sells_it(house: House, ada: Person) -> None:
    """A stop and a limit rest, the rate limit is nearly used up: all the same /panic clears the venue's own list.

    And /flatten sells to the last lot, and says what stays.
    """
    question = preview(ada, "/buy BTC/USDT 0.01 with stop 48500")
    assert "🛡 with stop at 48,500\n" in seen(question)
    assert "▫️ The exits are for all that manual holds then: 1.0" in seen(question)
    ada.press(question, "✅ Buy 0.01 BTC/USDT")
    order(ada, "/buy BTC/USDT 0.03 limit 49100 gtc")
    until(lambda: len(house.venue.tell("open")) == 2)
    house.venue.tell("weigh", weight=5000)  # somebody else at our address: only the reserve is left
    until(lambda: "not sent" in seen(order(ada, "/buy BTC/USDT 0.01 limit 49000 ioc")))
    assert "⚠️ rate limit 8" in seen(ada.say("/brokers"))
    after = ada.seq()
    halted = seen(ada.say("/panic that is enough"))
    assert halted.splitlines()[:2] == ["✅ Trading is HALTED.", "• main: no open orders (2 cancelled)"]
    assert "• Buy 0.03 BTC/USDT at 49,100: cancelled" in halted
    assert re.search(r"• Sell 1\.0\d+ BTC/USDT at 48,500: cancelled", halted)
    assert house.venue.tell("open") == []
    assert seen(ada.wait_for_push("HALTED", after)) == (
        "🔴 Trading is HALTED\nBy Ada Admin: that is enough\nNothing trades there until somebody resumes.\n"
        "#N · DATE UTC"
    )
    held = house.venue.holds("BTC")
    question = ada.say("/flatten")
    shown = re.search(r"\nBTC/USDT sell ([\d.]+) [\d,]+ USDT\nETH/USDT +sell 10 30,000 USDT\n", seen(question))
    assert shown, seen(question)
    lots = Decimal(shown[1])
    answer = ada.press(question, "Yes, flatten")
    ends = f"Sell {lots} BTC/USDT: closed ({(held - lots).normalize():f} BTC stays: less than can be sold)\n"
    assert seen(answer) == (f"✅ Flattening everything, position by position.\n• {ends}• Sell 10 ETH/USDT: closed")
    assert seen(ada.wait_for_push("Flatten everything", after)) == (
        f"🔹 Flatten everything: done\n{ends}Sell 10 ETH/USDT: closed\n#N · DATE UTC"
    )
    assert house.venue.tell("open") == []
    assert house.venue.holds("ETH") == 0
    assert house.venue.holds("BTC") == held - lots < Decimal("0.00002"), "less than a lot of each owner is left"
    positions = seen(ada.say("/positions"))
    assert "ETH" not in positions
    assert "dust: less than can be sold" in positions
    assert "🔴 Halted: no orders" in seen(ada.say("/status"))
