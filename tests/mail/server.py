"""A real mail server of one test: it takes letters, with or without TLS, and asks who one is."""

from __future__ import annotations

import asyncio
import email
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "mailer@example.com", "p@ss:w/rd%"


@dataclass
class Post:
    """What arrived, and how."""

    host: str = "127.0.0.1"
    port: int = 0
    letters: list[Message] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)
    refuses: str = ""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        """Take a recipient, unless a test wants otherwise."""
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep a letter."""
        assert isinstance(envelope.content, bytes)
        self.letters.append(email.message_from_bytes(envelope.content))
        self.recipients += envelope.rcpt_tos
        assert server.transport is not None
        self.was_encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        return "250 OK"

    def text(self) -> str:
        """Return the last letter's text."""
        [text, *_] = [part for part in self.letters[-1].walk() if not part.is_multipart()]
        body = text.get_payload(decode=True)
        assert isinstance(body, bytes)
        return body.decode()


def _is_known(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, said: Any
) -> AuthResult:
    known = LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=said == known, handled=False)


@contextmanager
def post_office(
    *, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None, asks: bool = False
) -> Iterator[Post]:
    """Run a mail server on a free port of this machine, in a thread of its own."""
    post = Post()
    options: dict[str, Any] = {"require_starttls": starttls is not None, "tls_context": starttls}
    if asks:
        # What came through TLS from the first byte needs no STARTTLS before it says who it is.
        options |= {"authenticator": _is_known, "auth_require_tls": starttls is not None}
        options |= {"auth_required": starttls is not None}
    loop = asyncio.new_event_loop()
    made: list[SMTP] = []

    def answer() -> SMTP:
        made.append(SMTP(post, loop=loop, **options))
        return made[-1]

    start = loop.create_server(answer, post.host, 0, ssl=tls)
    server = loop.run_until_complete(start)
    post.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield post
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(_end(made))
        loop.close()


async def _end(made: list[SMTP]) -> None:
    for one in made:
        if isinstance(one.transport, asyncio.Transport):
            one.transport.abort()
    await asyncio.sleep(0.05)
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
