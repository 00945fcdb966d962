"""Mail: a server that may be away, a terminal in its stead, and the letter that shows which."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends import console, smtp
from django.utils import timezone

from common.problems import Later

CODE = re.compile(r"^\s*([A-Z0-9]{3,}-[A-Z0-9]{3,}|[A-Z0-9]{6,10})\s*$", re.MULTILINE)
"""A code that a person types stands on a line of its own."""


AGAIN_S = 60


class MailAway(Later):
    """The mail server took no letter; whoever caused it may do so again."""

    code = "mail_unavailable"

    def __init__(self, message: str, cause: Exception) -> None:
        super().__init__(message, wait=AGAIN_S)
        self.cause = cause


class ServerBackend(smtp.EmailBackend):
    """Hands letters to the mail server. Raises ``MailAway`` where SMTP or the network fail."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send letters, and return how many went."""
        try:
            return super().send_messages(email_messages) or 0
        except smtplib.SMTPRecipientsRefused as fault:
            refused = ", ".join(fault.recipients)
            text = f"The mail server does not take letters to {refused}. Is the address right?"
            raise MailAway(text, fault) from fault
        except (OSError, smtplib.SMTPException) as fault:
            text = (
                "The letter could not be sent, so nothing was changed: this server cannot reach "
                "its mail server. Try again later; if it stays so, tell whoever runs this server."
            )
            raise MailAway(text, fault) from fault


class TerminalBackend(console.EmailBackend):
    """Writes mail to the terminal, and under it the code that a person looks for."""

    def write_message(self, message: EmailMessage) -> None:
        """Write one message."""
        super().write_message(message)
        for code in CODE.findall(str(message.body)):
            self.stream.write(f"Code for {', '.join(message.to)}: {code}\n")


class NotSent(Exception):
    """The mail server did not take the letter; the message says what to look at."""


def is_sent() -> bool:
    """Say whether mail leaves this machine, or only its terminal shows it."""
    return not settings.EMAIL_BACKEND.endswith(("TerminalBackend", "console.EmailBackend"))


def send_test(address: str) -> None:
    """Send a letter that says nothing but that it came. Raises ``NotSent``."""
    text = (
        f"This is a test. {settings.PUBLIC_URL} can send mail.\n\n"
        f"Sent {timezone.now():%Y-%m-%d %H:%M} UTC through {place()}.\n"
    )
    connection = get_connection()
    letter = EmailMessage("Xerotier can send mail", text, to=[address], connection=connection)
    try:
        letter.send()
    except MailAway as away:
        raise NotSent(explain(away.cause)) from away
    finally:
        connection.close()  # A refused sign-in leaves it open.


def place() -> str:
    """Name where mail goes, without secrets."""
    return f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}" if is_sent() else "the terminal"


def explain(fault: Exception) -> str:
    """Say in a sentence what went wrong, and what to look at."""
    reason: Any = getattr(fault, "smtp_error", b"") or str(fault) or type(fault).__name__
    said = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    match fault:
        case smtplib.SMTPAuthenticationError():
            advice = "The mail server refused user or password"
        case smtplib.SMTPRecipientsRefused():
            advice = "The mail server refused the address"
        case smtplib.SMTPSenderRefused():
            advice = "The mail server refused the sender (XEROTIER_EMAIL_FROM)"
        case ssl.SSLError():
            advice = (
                "The connection could not be encrypted: smtps:// is for port 465, smtp:// for 587"
            )
        case OSError() if not isinstance(fault, smtplib.SMTPException):
            advice = f"{place()} cannot be reached"
        case _:
            advice = "The mail server refused the letter"
    return f"{advice}: {said}"
