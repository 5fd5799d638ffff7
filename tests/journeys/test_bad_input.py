"""What people type by mistake or in malice: a short, clear answer, and nothing changes."""

import pytest

from tests.journeys.books import Books
from tests.journeys.person import FAULTS, said

CORPUS = {
    "/halp": "Did you mean",
    "/statu": "/status",
    "/xyzzy": "I know no command /xyzzy",
    "/": "know no command",
    "hello": "commands only",
    "NaN": "commands only",
    "١٢٣": "commands only",
    "/orders NaN": "no strategy called",
    "/orders all NaN": "no strategy called",
    "/orders all 1e400": "trend-aapl",
    "/orders all １２": "A page is a number",
    "/orders all -1": "no strategy called",
    "/orders all 0": "A page is a number",
    "/orders all 999999": "There is no page",
    "/fills 1e400": "no symbol called",
    "/fills Infinity": "AAPL",
    "/fills 99999999999999999999": "A page is a number",
    "/fills 1 <b>AAPL</b>": "no symbol called",
    "/alerts 0x10": "A page is a number",
    "/audit ２": "A page is a number",
    "/strategy nosuch": "nosuch",
    "/strategy trend-appl": "trend-aapl",
    "/strategy <b>trend-aapl</b>": "<b>trend-aapl</b>",
    "/strategy \u202etrend-aapl": "",
    "/pause TREND-AAPL": "",
    "/pause trend-aapl now": "more than /pause takes",
    "/pause <script>alert(1)</script>": "<script>",
    "/stop &amp;": "&amp;",
    "/run ../../etc/passwd": "etc/passwd",
    "/flatten ｔｒｅｎｄ": "",
    "/flatten trend-aapl now please": "Name one",
    "/cancel": ("nothing to cancel", "Cancel which order?"),  # as the day of the stop left it
    "/cancel 1 OR 1=1": "more than",
    "/cancel '; DROP TABLE orders;--": "more than",
    "/cancel qd\u202eabc": "no open order called",
    "/job": "Schedule",
    "/job equity explode": "not one of run, pause",
    "/job nosuch run": "nosuch",
    "/report never": "not one of day, week, month, all",
    "/performance nosuch": "nosuch",
    "/live maybe": "not one of on, off",
    "/help nosuch": "no command or topic called",
    "/resume now": "no kind of scope called",
    "/status 1": "no account called",
    "/status@someone_else_bot x y": "I did nothing",
    "/" + "x" * 300: "I know no command",
    "/strategy " + "<" * 900: "",
    "/status " + "9" * 3000: "characters",
    "/strategy \U0001f4a5\U0001f468\u200d\U0001f469": "",
}


def state(calm) -> list:
    """Everything that a command could change."""
    tables = ("SELECT name, status, exposures FROM strategies ORDER BY name", "SELECT scope, state FROM trading_states",
              "SELECT count(*) FROM orders", "SELECT count(*) FROM fills", "SELECT count(*) FROM alerts",
              "SELECT name, enabled FROM jobs ORDER BY name")  # fmt: skip
    return [Books(calm.data_dir).ask(table) for table in tables]


@pytest.mark.parametrize("text", CORPUS, ids=lambda text: ascii(text[:30]))
def test_a_mistake_is_answered_shortly(calm, text):
    """Says what is wrong; no fault of ours, no half-done work."""
    before = state(calm)
    answer = said(calm.admin.say(text))
    expected = CORPUS[text]
    assert any(each in answer for each in ([expected] if isinstance(expected, str) else expected)), answer
    assert not [word for word in FAULTS if word in answer], answer
    assert len(answer) < 700 or answer.startswith("🏠"), (
        "far too long an answer to a mistake, and no screen to choose from"
    )
    assert "\u202e" not in answer
    assert state(calm) == before


def test_a_flood_of_words(calm):
    """5,000 characters arrive as two messages, each answered in a line."""
    after = calm.admin.seq()
    calm.admin.send("word " * 1000)
    for _ in range(2):
        after = calm.admin.wait(lambda one: "commands only" in said(one["message"]), after)["seq"]


def test_nothing_is_no_message(calm):
    """Telegram sends no empty messages; neither does the sandbox."""
    for text in ("", "   ", "\n"):
        body = {"user_id": calm.admin.id, "chat_id": calm.admin.id, "text": text}
        answer = calm.http.post("/sandbox/messages", json=body)
        assert answer.status_code == 400
        assert "empty" in answer.json()["error"]


def test_it_still_answers(calm):
    """After all of that."""
    assert "Cash" in said(calm.admin.say("/status"))
    assert "Traceback" not in calm.stderr()
