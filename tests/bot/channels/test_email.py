"""E-mail against a real SMTP server: what is sent, how it is protected, and what each answer means."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from bot.channels.email import EmailChannel, MailRefused
from core.access.roles import Role
from core.alerts.channel import ChannelDown, ChannelRefused, Message, Severity
from core.clock import ManualClock
from core.settings import UserSettings
from core.settings.channels import EmailSettings
from tests.bot.channels.certificates import authority
from tests.bot.channels.mail_server import PASSWORD, PostOffice, post_office

NOW = datetime(2026, 3, 2, 14, 3, 22, tzinfo=UTC)

ADA = "ada@example.org"
PERSON = UserSettings(id=1, name="Ada", role=Role.ADMIN, email=ADA)
MESSAGE = Message(
    ids=(17,), kind="breach", severity=Severity.CRITICAL, title="Halted <now> ä", lines=("loss & more", ""), at=NOW
)


def channel(office: PostOffice, **changes: Any) -> EmailChannel:
    given = {"host": "127.0.0.1", "port": office.port, "tls": "none", "sender": "bot@example.org", "seconds": 30.0}
    return EmailChannel(EmailSettings(**{**given, **changes}), lambda: [PERSON], ManualClock(NOW), _report)


async def _report(period: str, account: str) -> Any:
    from tests.bot.fakes import FakeService

    return await FakeService().report(period, account)


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with post_office() as found:
        yield found


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


async def test_what_arrives(office: PostOffice) -> None:
    """Plain and HTML, numbered, marked as automatic and important."""
    await channel(office).deliver("1", MESSAGE)
    (mail,), (envelope,) = office.mails, office.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("bot@example.org", [ADA])
    assert mail["To"] == ADA
    assert mail["From"] == "Quarterdeck <bot@example.org>"
    assert mail["Subject"] == "🔴 Halted <now> ä (#17)"
    assert mail["Date"].datetime == NOW.replace(microsecond=0)
    assert (mail["Auto-Submitted"], mail["Importance"]) == ("auto-generated", "high")
    assert "loss & more\n\n#17 · CRITICAL · 2026-03-02 14:03 UTC" in part(mail, "plain").replace("\r\n", "\n")
    assert "<h3>Halted &lt;now&gt; ä</h3><p>loss &amp; more</p>" in part(mail, "html")


async def test_repeats_are_one_thread(office: PostOffice) -> None:
    """The same mail again has the same id; each repeat another one, in answer to the first."""
    post = channel(office)
    for message in (MESSAGE, MESSAGE, replace(MESSAGE, step=1), replace(MESSAGE, ids=(18,))):
        await post.deliver("1", message)
    first, again, repeat, other = office.mails
    assert first["Message-ID"] == again["Message-ID"]
    assert first["Message-ID"].startswith("<alert-17-")
    assert repeat["In-Reply-To"] == repeat["References"] == first["Message-ID"]
    assert len({first["Message-ID"], repeat["Message-ID"], other["Message-ID"]}) == 3
    assert first["References"] is None


@pytest.mark.parametrize(
    "text", ["x\r\nBcc: eve@example.org", "x\nBcc: eve@example.org\n\nbody", "x\u2028Bcc: e@e.org", "\0\ud800"]
)
async def test_nothing_gets_into_the_headers(office: PostOffice, text: str) -> None:
    """A title from outside (a venue's error) brings no header and no recipient."""
    await channel(office).deliver("1", replace(MESSAGE, title=text, lines=(f"{text}\r\n.\r\nMAIL FROM:<eve@e.org>",)))
    (mail,) = office.mails
    assert mail["Bcc"] is None
    assert office.envelopes[0].rcpt_tos == [ADA]
    assert len(mail.get_all("Subject", [])) == 1


@given(title=st.text(max_size=400), line=st.text(max_size=700), step=st.integers(0, 9), plain=st.booleans())
def test_any_text_makes_a_mail_with_the_same_headers(title: str, line: str, step: int, plain: bool) -> None:
    """Whatever stands in an alert: the header names are ours, and the mail can be written."""
    post = channel(PostOffice(port=1))
    message = replace(MESSAGE, title=title, lines=(line,), step=step, plain=plain)
    mail = post.compose(ADA, message)
    wanted = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Quarterdeck-Severity", "Importance"}
    wanted |= {"In-Reply-To", "References"} if step else set()
    assert set(mail.keys()) - {"MIME-Version", "Content-Type", "Content-Transfer-Encoding"} == wanted
    head = mail.as_bytes().split(b"\r\n\r\n", 1)[0]
    names = {row.split(b":")[0].decode() for row in head.split(b"\r\n") if row[:1] not in b" \t"}
    assert names <= wanted | {"MIME-Version", "Content-Type", "Content-Transfer-Encoding"}


async def test_a_report_brings_picture_and_file(office: PostOffice) -> None:
    """As on Telegram; a plain one has neither."""
    message = replace(MESSAGE, severity=Severity.INFO, kind="report", attachment="day")
    post = channel(office)
    await post.deliver("1", message)
    await post.deliver("1", replace(message, plain=True))
    full, bare = office.mails
    kinds = {each.get_content_type(): each for each in full.iter_attachments()}
    assert kinds["image/png"].get_content().startswith(b"\x89PNG")
    assert kinds["text/csv"].get_filename().endswith(".csv")
    assert full["Importance"] is None
    assert not bare.is_multipart()


# --- protection ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["tls", "starttls"])
@pytest.mark.parametrize("trusted", [True, False])
async def test_encryption_and_certificates(way: str, trusted: bool) -> None:
    """Both ways; a server that nobody vouches for gets neither mail nor password."""
    ca, context = authority()
    async with post_office(**{way: context}, auth=True) as office:  # type: ignore[arg-type]
        trust = {"ca_file": ca} if trusted else {}
        post = channel(office, tls=way, user="ada", password=PASSWORD, **trust)
        if trusted:
            await post.deliver("1", MESSAGE)
            assert office.encrypted == [True]
            assert office.logins == ["ada"]
            return
        with pytest.raises(ChannelDown, match="certificate is not trusted"):
            await post.deliver("1", MESSAGE)
        assert office.logins == office.mails == []


async def test_a_server_that_offers_no_encryption_gets_nothing(office: PostOffice) -> None:
    """Somebody in between may have cut the offer out."""
    with pytest.raises(ChannelDown, match="cannot do what the settings ask"):
        await channel(office, tls="starttls").deliver("1", MESSAGE)
    assert office.mails == []


async def test_a_wrong_password_waits_and_is_told_without_it(caplog: pytest.LogCaptureFixture) -> None:
    """The alert stays; the password is nowhere."""
    async with post_office(auth=True) as office:
        with pytest.raises(ChannelDown, match="refuses user or password") as raised:
            await channel(office, user="ada", password="wrong-secret-password").deliver("1", MESSAGE)
    assert "wrong-secret-password" not in f"{raised.value!r} {raised.value.__cause__!r} {caplog.text}"


# --- what goes wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "answer", "kind"),
    [
        ("MAIL", "451 4.3.0 later", ChannelDown),
        ("MAIL", "550 5.7.1 sender not allowed", ChannelDown),
        ("RCPT", "450 4.2.1 mailbox busy", ChannelDown),
        ("RCPT", "550 5.1.1 no such user", ChannelRefused),
        ("DATA", "452 4.3.1 disk full", ChannelDown),
        ("DATA", "554 5.6.0 looks like spam", MailRefused),
    ],
)
async def test_answers_are_told_apart(office: PostOffice, command: str, answer: str, kind: type[Exception]) -> None:
    """For now, for this person, or for this mail only."""
    office.answers[command] = answer
    with pytest.raises(kind, match=answer[4:]):
        await channel(office).deliver("1", MESSAGE)
    assert office.mails == []


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_a_line_that_breaks(office: PostOffice, command: str) -> None:
    """The alert waits."""
    office.drop_at = command
    with pytest.raises(ChannelDown):
        await channel(office).deliver("1", MESSAGE)


async def test_a_line_that_breaks_after_the_mail_was_taken(office: PostOffice) -> None:
    """Then it is delivered: it must not come twice for want of a goodbye."""
    office.drop_at = "QUIT"
    await channel(office).deliver("1", MESSAGE)
    assert len(office.mails) == 1


async def test_a_slow_server_is_waited_for_only_so_long(office: PostOffice) -> None:
    """Other alerts are behind this one."""
    office.delay = 5
    begun = time.monotonic()
    with pytest.raises(ChannelDown, match="in time"):
        await channel(office, seconds=0.3).deliver("1", MESSAGE)
    assert time.monotonic() - begun < 4.5


@pytest.mark.parametrize("silent", [True, False])
async def test_nobody_there(silent: bool) -> None:
    """Refused, or a port that never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if silent:
            listener.listen()
        office = PostOffice(port=listener.getsockname()[1])
        with pytest.raises(ChannelDown):
            await channel(office, seconds=0.3).deliver("1", MESSAGE)
    await asyncio.sleep(0)


async def test_only_people_of_now_get_mail(office: PostOffice) -> None:
    """Somebody who has left hears nothing more."""
    with pytest.raises(ChannelRefused):
        await channel(office).deliver("2", MESSAGE)
    assert office.mails == []


@pytest.mark.parametrize(
    "changes",
    [
        {"tls": "none", "host": "mail.example.org"}, {"user": "ada"}, {"password": SecretStr("x")}, {"sender": "nobody"},
        {"sender": "a@b\r\nBcc: eve@e.org"}, {"sender": "a b@c"}, {"sender": "ä@example.org"}, {"host": "a b"}, {"port": 0},
        {"host": "127.0.0.1\r\nx"},
    ],
)  # fmt: skip
def test_settings_that_leak_or_break_are_refused(changes: dict[str, Any]) -> None:
    """Before anything is sent."""
    with pytest.raises(ValidationError):
        EmailSettings(**{"host": "127.0.0.1", "sender": "bot@example.org", **changes})


def test_a_ca_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """As a channel that is down, not as a fault of the message."""
    post = channel(PostOffice(port=1), tls="tls", ca_file=tmp_path / "none.pem")
    with pytest.raises(ChannelDown):
        asyncio.run(post.deliver("1", MESSAGE))
