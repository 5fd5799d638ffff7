"""A real SMTP server on 127.0.0.1 (aiosmtpd), with faults."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

PASSWORD = "correct-horse-battery"


@dataclass
class PostOffice:
    """Takes mail; `answers` says what is answered to a command instead, `delay` how late DATA is answered."""

    answers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop_at: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    port: int = 0
    encrypted: list[bool] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        return AuthResult(success=data.password.decode() == PASSWORD, handled=False)

    async def handle_MAIL(self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: Any) -> str:
        self._maybe_drop(server, "MAIL")
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        self._maybe_drop(server, "RCPT")
        if "RCPT" not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.delay)
        self._maybe_drop(server, "DATA")
        if "DATA" not in self.answers:
            assert isinstance(envelope.content, bytes)
            self.raw.append(envelope.content)
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
            self.envelopes.append(envelope)
            self.encrypted.append(session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None)
        return self.answers.get("DATA", "250 OK")

    async def handle_QUIT(self, server: SMTP, _session: Session, _envelope: Envelope) -> str:
        self._maybe_drop(server, "QUIT")
        return "221 Bye"

    def _maybe_drop(self, server: SMTP, command: str) -> None:
        if self.drop_at == command:
            server.transport.abort()


@asynccontextmanager
async def post_office(
    *, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None, auth: bool = False
) -> AsyncIterator[PostOffice]:
    office = PostOffice()
    servers: list[SMTP] = []

    def build() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of what tests want: logins without encryption
            server = SMTP(
                office, hostname="localhost", tls_context=starttls, require_starttls=starttls is not None,
                authenticator=office.authenticate if auth else None, auth_required=auth, auth_require_tls=False,
            )  # fmt: skip
        servers.append(server)
        return server

    listener = await asyncio.get_running_loop().create_server(build, "127.0.0.1", 0, ssl=tls)
    office.port = listener.sockets[0].getsockname()[1]
    try:
        yield office
    finally:
        listener.close()
        for server in servers:
            if server.transport is not None:
                server.transport.abort()
        await asyncio.sleep(0.01)
