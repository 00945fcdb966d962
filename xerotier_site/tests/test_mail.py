"""Letters leave through a real mail server as one URL says, and where they don't, it says why."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from urllib.parse import quote

import pytest
from django.core import mail as letters
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from inference.tests import certificates
from tests.mail.server import PASSWORD, USER, post_office
from xerotier_site import mail, smtp

WHO = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> certificates.Authority:
    """Make an authority that this process trusts, as a company's own would be trusted."""
    found = certificates.authority(tmp_path)
    pem = tmp_path / "authority.pem"
    pem.write_bytes(certificates._pem(found.certificate))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    return found


def send_through(url: str, settings: Settings) -> None:
    server = smtp.read(url)
    settings.EMAIL_BACKEND = "xerotier_site.mail.ServerBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = server.host, server.port
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = server.user, server.password
    settings.EMAIL_USE_SSL, settings.EMAIL_USE_TLS = server.is_tls, server.is_starttls
    settings.EMAIL_TIMEOUT = 5


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtps://u:p@mx.example:465", smtp.Server("mx.example", 465, "u", "p", True, False)),
        ("smtps://mx.example", smtp.Server("mx.example", 465, "", "", True, False)),
        ("smtp://u:p@mx.example", smtp.Server("mx.example", 587, "u", "p", False, True)),
        ("smtp://mx.example?starttls=no", smtp.Server("mx.example", 25, "", "", False, False)),
        (
            "smtp://u:p@127.0.0.1:2525?starttls=no",
            smtp.Server("127.0.0.1", 2525, "u", "p", False, False),
        ),
        (
            f"smtps://{WHO}[2001:db8::1]:4650/",
            smtp.Server("2001:db8::1", 4650, USER, PASSWORD, True, False),
        ),
    ],
)
def test_one_url_says_all_of_a_mail_server(url: str, server: smtp.Server) -> None:
    assert smtp.read(url) == server


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mx.example", "give smtps://"),
        ("https://mx.example", "give smtps://"),
        ("smtp://", "give smtps://"),
        ("smtps://mx.example/inbox", "give smtps://"),
        ("smtps://mx.example:many", "port"),
        ("smtps://mx.example:70000", "port"),
        ("smtps://s3cret@mx.example", "user and password"),
        ("smtps://:s3cret@mx.example", "user and password"),
        ("smtp://u:s3cret@mx.example?starttls=no", "in the clear"),
        ("smtp://u:s3cret@mx.example?starttls=maybe", "starttls=yes"),
        ("smtps://u:s3cret@mx.example?tls=1", "only option"),
        ("smtps://u:s3cret@mx.example?starttls=yes", "from the start"),
    ],
)
def test_url_that_names_no_mail_server_is_refused_without_telling_its_password(
    url: str, said: str
) -> None:
    with pytest.raises(smtp.Malformed, match=said) as refused:
        smtp.read(url)

    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("way", ["smtps", "smtp"])
def test_letter_arrives_encrypted_and_by_name_and_password(
    way: str, authority: certificates.Authority, settings: Settings
) -> None:
    context = authority.server("localhost")
    ways = {"smtps": {"tls": context}, "smtp": {"starttls": context}}

    with post_office(**ways[way], asks=True) as post:
        send_through(f"{way}://{WHO}localhost:{post.port}", settings)
        mail.send_test("ada@example.com")

    assert (post.recipients, post.was_encrypted) == (["ada@example.com"], [True])
    assert "This is a test." in post.text()


def test_letter_arrives_in_the_clear_on_this_machine(settings: Settings) -> None:
    with post_office() as post:
        send_through(f"smtp://127.0.0.1:{post.port}?starttls=no", settings)
        call_command("testmail", "ada@example.com", stdout=StringIO())

    assert post.recipients == ["ada@example.com"]


def test_stranger_with_a_certificate_of_nobodys_gets_no_letter(
    tmp_path: Path, settings: Settings
) -> None:
    context = certificates.authority(tmp_path).server("localhost")

    with post_office(tls=context) as post:
        send_through(f"smtps://localhost:{post.port}", settings)
        with pytest.raises(mail.NotSent, match="could not be encrypted"):
            mail.send_test("ada@example.com")

    assert post.letters == []


def test_wrong_password_is_told_in_plain_words(
    authority: certificates.Authority, settings: Settings
) -> None:
    with post_office(tls=authority.server("localhost"), asks=True) as post:
        send_through(f"smtps://ada:wrong-one@localhost:{post.port}", settings)
        with pytest.raises(CommandError, match="refused user or password") as refused:
            call_command("testmail", "ada@example.com")

    assert "wrong-one" not in str(refused.value)


def test_server_that_refuses_an_address_or_is_not_there_is_named(settings: Settings) -> None:
    with post_office() as post:
        post.refuses = "550 no such box"
        send_through(f"smtp://127.0.0.1:{post.port}?starttls=no", settings)
        with pytest.raises(mail.NotSent, match="refused the address"):
            mail.send_test("ada@example.com")
    with pytest.raises(mail.NotSent, match=f"127.0.0.1:{post.port} cannot be reached"):
        mail.send_test("ada@example.com")


def test_terminal_shows_the_code_on_a_line_that_names_its_person() -> None:
    terminal = StringIO()
    text = "Hello,\n\nyour code is:\n\n  JPLT-JJXB\n\nIt is good for 15 minutes.\n"

    mail.TerminalBackend(stream=terminal).send_messages(
        [EmailMessage("Verify", text, "x@example.com", ["dev@example.com"])]
    )

    assert "\nCode for dev@example.com: JPLT-JJXB\n" in terminal.getvalue()
    assert terminal.getvalue().count("Code for") == 1


@pytest.mark.django_db
def test_code_of_a_registration_is_such_a_line(client: Client) -> None:
    client.post("/auth/register", {"email": "dev@example.com", "password1": "a long pass phrase"})
    [letter] = letters.outbox
    terminal = StringIO()

    mail.TerminalBackend(stream=terminal).send_messages([letter])

    assert terminal.getvalue().count("Code for dev@example.com: ") == 1


@pytest.mark.django_db
def test_console_warns_while_mail_goes_to_the_terminal_and_can_try_the_server(
    as_operator: Client, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = "xerotier_site.mail.TerminalBackend"
    warned = as_operator.get("/admin/").content.decode()
    with post_office() as post:
        send_through(f"smtp://127.0.0.1:{post.port}?starttls=no", settings)
        quiet = as_operator.get("/admin/").content.decode()
        good = as_operator.post("/admin/test-mail/", follow=True).content.decode()
    bad = as_operator.post("/admin/test-mail/", follow=True).content.decode()

    assert "Mail goes to the terminal" in warned
    assert "Mail goes to the terminal" not in quiet
    assert post.recipients == [User.objects.get(is_superuser=True).email]
    assert "took a letter" in good
    assert "cannot be reached" in bad


@pytest.mark.django_db
def test_nobody_but_an_operator_sends_test_mails(client: Client, ada: User) -> None:
    client.force_login(ada)

    answer = client.post("/admin/test-mail/")

    assert answer.status_code == 302
    assert letters.outbox == []
