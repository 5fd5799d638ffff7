"""Secrets stay inside, however they are dressed."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from core.access.pairing import new_code
from core.access.vault import new_key
from core.redaction import Redactor, escaped, secrets_of
from core.settings import parse_settings

TOKEN = "123456789:AAH" + "x" * 32
PASSWORD = 'pä"ss <w>\\ord/1'
SETTINGS = {
    "telegram": {"token": TOKEN},
    "database_url": f"postgres://ada:{quote(PASSWORD, safe='')}@db.example.org/trading",
    "vault_key": new_key(),
    "users": [{"id": 1, "name": "Ada", "role": "admin", "apprise": ["ntfy://topicsecret9/"]}],
    "market": {"symbols": ["AAPL"]},
    "accounts": {
        "live": {"broker": {"adapter": "paper", "api_key": "K" * 20, "apiSecret": "s3cr3t" * 4,
                            "nested": {"passphrase": "open sesame 1"}, "currency": "USDUSDUSD"}},
    },
}  # fmt: skip


@pytest.fixture
def redactor() -> Redactor:
    made = Redactor()
    made.hide(*secrets_of(parse_settings(SETTINGS)))
    return made


def test_every_secret_of_the_settings_is_found() -> None:
    """What is declared as one, what a broker calls so, and the password in an address; no ordinary value."""
    found = secrets_of(parse_settings(SETTINGS))
    for secret in (
        TOKEN,
        PASSWORD,
        SETTINGS["vault_key"],
        "K" * 20,
        "s3cr3t" * 4,
        "open sesame 1",
        "ntfy://topicsecret9/",
    ):
        assert secret in found
    assert not {"USDUSDUSD", "Ada", "AAPL", "paper"} & set(found)


@pytest.mark.parametrize(
    "dressed",
    [str, repr, json.dumps, lambda text: json.dumps(text, ensure_ascii=False), quote, lambda text: quote(text, safe=""),
     lambda text: repr({"headers": [text]}), lambda text: f"<b>{text.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')}</b>"],
)  # fmt: skip
def test_a_known_secret_is_taken_out_however_it_is_escaped(redactor: Redactor, dressed) -> None:
    """In JSON, in a traceback, in an address, in markup."""
    for secret in (PASSWORD, "K" * 20, SETTINGS["vault_key"]):
        shown = redactor.redact(f"before {dressed(secret)} after")
        assert dressed(secret).strip("\"'") not in shown
        assert secret not in shown
        assert shown.startswith("before")
        assert shown.endswith("after")


@given(st.text(min_size=8, max_size=60))
def test_any_value_that_is_hidden_stays_hidden(secret: str) -> None:
    """And nothing of the rest is lost."""
    redactor = Redactor()
    redactor.hide(secret)
    assert secret not in redactor.redact(f"~{secret}~{secret}~").replace("[secret]", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"GET https://api.telegram.org/bot{TOKEN}/getMe", "GET https://api.telegram.org/bot[bot token]/getMe"),
        ("postgres://ada:hunter2@db/x", "postgres://ada:[secret]@db/x"),
        ("redis://:pw@host", "redis://:[secret]@host"),
        ("otpauth://totp/Q:Ada?secret=JBSWY3DPEHPK3PXP&issuer=Q", "[totp seed]"),
        ("{'X-MBX-APIKEY': 'abcdef123456'}", "{'X-MBX-APIKEY': '[secret]'}"),
        ('{\\"apiSecret\\": \\"abcdef123456\\"}', '{\\"apiSecret\\": \\"[secret]\\"}'),
        ("api_key=abcdef123456&x=1", "api_key=[secret]&x=1"),
        ("password: hunter2hunter2", "password: [secret]"),
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer [secret]"),
        ("the code 123456 was wrong", "the code [code] was wrong"),
        ("totp=123 456", "totp=[code]"),
        ("{'code': '123456'}", "{'code': '[code]'}"),
        ("/start join-7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "/start [invitation code]"),
    ],
)
def test_what_looks_like_a_secret_is_one(text: str, shown: str) -> None:
    """Also if nobody has told us of it."""
    assert Redactor().redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "12:30:45 order 123456:abc", "Sell 123456 AAPL at 123.456", "qd01HZX0000000000000000000000 filled",
        "https://example.org/a:b@c", "the token is refused: Unauthorized", "exit status 2", "password: is missing",
        "postgres://db.example.org:5432/x", "#123456 · 2026-03-02 12:00 UTC", "signature: required",
    ],
)  # fmt: skip
def test_ordinary_words_and_figures_stay(text: str) -> None:
    """Nobody can trade on a screen that hides the prices."""
    assert Redactor().redact(text) == text


def test_an_invitation_is_shown_in_chat_only(redactor: Redactor) -> None:
    """There it is meant to be passed on."""
    code = new_code()
    assert redactor.redact(code, shows_invitations=True) == code
    assert code not in redactor.redact(f"/start {code}")


def test_short_values_do_not_eat_words() -> None:
    """A password `usd` would take the currency out of every figure; the address that holds it is known by its shape."""
    redactor = Redactor()
    redactor.hide("usd", "", SecretStr("1234567").get_secret_value())
    assert redactor.redact("1234567 usd postgres://a:usd@db/x") == "1234567 usd postgres://a:[secret]@db/x"


@given(st.text())
def test_what_is_escaped_is_one_printable_line(text: str) -> None:
    """And can be stored anywhere."""
    assert escaped(text).isprintable()
    escaped(text).encode()


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\x1b[31mb", "\u202egnissergni", "\u2066\u2069", "a\x00b", "\ud800", "\u2028", "\x85"]
)
def test_log_injection_shows_as_codes(text: str) -> None:
    """Line breaks of every kind, colours, marks that turn the writing round: seen, and harmless."""
    assert "\\" in escaped(text)
