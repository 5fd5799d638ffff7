"""Alerts by e-mail: handed to one mail server, encrypted, a thread for each alert."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from html import escape
from typing import TYPE_CHECKING

import structlog

from bot.channels.wording import SIGNS, clean, footer_of, lines_of, numbers_of, title_of
from core.alerts.channel import ChannelDown, ChannelRefused, Message, Severity
from core.clock import Clock
from core.settings import UserSettings
from core.settings.channels import EmailSettings
from core.views import ReportView

if TYPE_CHECKING:
    from aiosmtplib import SMTP

log = structlog.get_logger(__name__)

_GOODBYE_SECONDS = 2.0
_LONGEST_REASON = 160

Report = Callable[[str, str], Awaitable[ReportView]]
People = Callable[[], Iterable[UserSettings]]


class MailRefused(Exception):
    """The server takes mail for this person, but not this one: it may take a plainer one."""


class EmailChannel:
    """Delivers to a person's address; the recipient is their numeric id as text.

    `people` is asked anew each time: somebody who has left hears nothing more.
    """

    name = "email"

    def __init__(self, settings: EmailSettings, people: People, clock: Clock, report: Report | None = None) -> None:
        self._settings = settings
        self._people = people
        self._clock = clock
        self._report = report
        self._trust: ssl.SSLContext | None = None

    async def deliver(self, recipient: str, message: Message) -> str:
        """Return once the server has taken it. Raises `ChannelDown`, `ChannelRefused` or `MailRefused`."""
        address = next((user.email for user in self._people() if str(user.id) == recipient and user.email), None)
        if address is None:
            raise ChannelRefused("there is no e-mail address of this person")
        mail = self.compose(address, message)
        if message.attachment and not message.plain and self._report is not None:
            await _attach(mail, await self._report(message.attachment, message.account))
        await self._hand_over(mail, address)
        return ""

    def compose(self, address: str, message: Message) -> EmailMessage:
        """The mail, without attachments."""
        mail = EmailMessage(policy=SMTP_POLICY)
        mail["From"] = Address("Quarterdeck", addr_spec=self._settings.sender)
        mail["To"] = Address(addr_spec=address)
        mail["Subject"] = f"{SIGNS[message.severity]} {title_of(message)} ({numbers_of(message)})"
        mail["Date"] = format_datetime(self._clock.now())
        for name, value in self._thread(message).items():
            mail[name] = value
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Quarterdeck-Severity"] = message.severity.value
        if message.severity is Severity.CRITICAL:
            mail["Importance"] = "high"
        mail.set_content(_plain(message))
        if not message.plain:
            mail.add_alternative(_page(message), subtype="html")
        return mail

    def _thread(self, message: Message) -> dict[str, str]:
        """Its own id, the same when it is sent again, and the id of the first of its alert."""
        domain = self._settings.sender.rpartition("@")[2]
        mark = f"{self._settings.sender} {message.ids} {message.at.isoformat()}"
        root = f"alert-{'.'.join(map(str, message.ids[:3])) or 'test'}-{hashlib.sha256(mark.encode()).hexdigest()[:16]}"
        first, step = f"<{root}@{domain}>", message.step
        if not step:
            return {"Message-ID": first}
        return {"Message-ID": f"<{root}.{step}@{domain}>", "In-Reply-To": first, "References": first}

    # --- the server --------------------------------------------------------------------------------

    async def _hand_over(self, mail: EmailMessage, address: str) -> None:
        import aiosmtplib

        server = None
        try:
            server = self._server()
            async with asyncio.timeout(self._settings.seconds):
                await server.connect()
                await server.send_message(mail, sender=self._settings.sender, recipients=[address])
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            raise self._judged(error) from None
        else:
            with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):  # it has the mail: what follows is manners
                async with asyncio.timeout(_GOODBYE_SECONDS):
                    await server.quit()
        finally:
            if server is not None:
                server.close()

    def _server(self) -> SMTP:
        import aiosmtplib

        settings = self._settings
        return aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.user,
            password=settings.password.get_secret_value() if settings.password else None,
            local_hostname=settings.sender.rpartition("@")[2],  # else it would ask the name server, and wait for it
            timeout=settings.seconds,
            use_tls=settings.tls == "tls",
            start_tls=settings.tls == "starttls",
            tls_context=None if settings.tls == "none" else self._trusted(),
        )

    def _trusted(self) -> ssl.SSLContext:
        """Made once: it reads every certificate of the system."""
        if self._trust is None:
            self._trust = ssl.create_default_context(cafile=self._settings.ca_file)
        return self._trust

    def _judged(self, error: Exception) -> Exception:
        """What an error means: for now, for good, or for this mail only."""
        import aiosmtplib

        if isinstance(error, aiosmtplib.SMTPAuthenticationError):
            log.error("the mail server refuses user or password: see alerts.email", code=error.code)
            return ChannelDown(f"the mail server refuses user or password ({error.code})")
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
            error = error.recipients[0]
        if not isinstance(error, aiosmtplib.SMTPResponseException):
            return ChannelDown(_why(error))
        reason = f"the mail server answered {error.code} {clean(error.message, _LONGEST_REASON)}"
        if error.code < 500 or isinstance(error, aiosmtplib.SMTPHeloError | aiosmtplib.SMTPConnectResponseError):
            return ChannelDown(reason)
        if isinstance(error, aiosmtplib.SMTPRecipientRefused):
            return ChannelRefused(reason)
        return MailRefused(reason) if isinstance(error, aiosmtplib.SMTPDataError) else ChannelDown(reason)


def _why(error: Exception) -> str:
    """Why nothing was said, or nothing that counts."""
    import aiosmtplib

    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the mail server's certificate is not trusted: {cause.verify_message}"
    if isinstance(error, aiosmtplib.SMTPNotSupported) or type(error) is aiosmtplib.SMTPException:
        return f"the mail server cannot do what the settings ask: {clean(error.message, _LONGEST_REASON)}"
    if isinstance(error, TimeoutError):
        return "the mail server did not answer in time"
    return f"the mail server cannot be reached ({type(cause).__name__})"


async def _attach(mail: EmailMessage, report: ReportView) -> None:
    """The picture and the CSV, as Telegram gets them."""
    from bot.commands.results import report_file, report_picture

    if picture := await report_picture(report):
        mail.add_attachment(picture, maintype="image", subtype="png", filename="report.png")
    if file := report_file(report):
        mail.add_attachment(file.data, maintype="text", subtype="csv", filename=file.name)


def _plain(message: Message) -> str:
    return "\n".join((title_of(message), "", *lines_of(message), "", footer_of(message), ""))


def _page(message: Message) -> str:
    lines = "".join(f"<p>{escape(line)}</p>" for line in lines_of(message))
    return f"<h3>{escape(title_of(message))}</h3>{lines}<p><small>{escape(footer_of(message))}</small></p>\n"
