"""The one connector for addresses that somebody typed, against servers that wish us ill."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pytest_django import Settings

from common import clock
from common.outgoing.connector import Call, Refused, Unreachable, send, tenants_reach
from inference.contracts.addresses import PUBLIC, Reach, networks
from tests.addresses import HOSTILE, NAMES_OF_THIS_MACHINE, answering

HERE = Reach(networks(["127.0.0.0/8"]))
NAME = "models.example"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Serve = Callable[[socket.socket], None]
Names = Callable[..., list[str]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Answer look-ups with these addresses, another row each time; return who was looked up."""

    def tell(*answers: list[str]) -> list[str]:
        look_up, asked = answering(*answers)
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return asked

    return tell


class Server:
    """Listens on loopback; keeps the head of each request it got."""

    def __init__(self, serve: Serve, tls: ssl.SSLContext | None) -> None:
        self.heads: list[str] = []
        self._serve = serve
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock:
                self._one(sock)

    def _one(self, sock: socket.socket) -> None:
        try:
            peer = self._tls.wrap_socket(sock, server_side=True) if self._tls else sock
            with peer:
                self.heads.append(peer.recv(65536).decode())
                self._serve(peer)
        except OSError:
            pass  # The caller went, as some of these tests want.


@contextmanager
def server(said: bytes | Serve = OK, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    serve = said if callable(said) else lambda sock: sock.sendall(said)
    one = Server(serve, tls)
    try:
        yield one
    finally:
        one.close()


@pytest.mark.parametrize("host", NAMES_OF_THIS_MACHINE)
def test_this_machine_is_reached_under_none_of_its_names(host: str) -> None:
    with server() as ours:
        with pytest.raises(Refused, match="may not be called"):
            send(Call("GET", f"http://{host}:{ours.port}/"), PUBLIC)

        assert ours.heads == []


def test_what_was_refused_is_named_with_what_an_operator_can_do(names: Names) -> None:
    names(["10.0.0.5"])

    with pytest.raises(Refused) as refused:
        send(Call("GET", f"http://{NAME}/"), PUBLIC)

    assert str(refused.value) == (
        "models.example may not be called: 10.0.0.5 is private. "
        "An operator can allow its network: XEROTIER_OUTGOING_ALLOW."
    )


@pytest.mark.parametrize(("address", "kind"), HOSTILE)
def test_name_that_leads_to_no_public_address_is_called_by_nobody(
    names: Names, address: str, kind: str
) -> None:
    names(["8.8.8.8", address])

    with pytest.raises(Refused, match=kind):
        send(Call("GET", f"http://{NAME}/"), PUBLIC)


def test_credential_is_told_in_the_clear_to_nobody_in_public(names: Names) -> None:
    names(["8.8.8.8"])

    with pytest.raises(Refused, match=r"could be read on the way\. Write https://"):
        send(Call("GET", f"http://{NAME}/", {"Authorization": "Bearer s3cret"}), HERE)


@pytest.mark.parametrize("rows", [["127.0.0.1", "10.0.0.5"], ["10.0.0.5", "127.0.0.1"]])
def test_one_address_that_is_not_allowed_spoils_the_name(names: Names, rows: list[str]) -> None:
    names(rows)
    with server() as ours:
        with pytest.raises(Refused, match=r"10\.0\.0\.5 is private"):
            send(Call("GET", f"http://{NAME}:{ours.port}/"), HERE)

        assert ours.heads == []


def test_name_is_looked_up_once_and_its_second_answer_is_never_heard(names: Names) -> None:
    asked = names(["127.0.0.1"], ["10.0.0.5"])

    with server() as ours:
        answer = send(Call("GET", f"http://{NAME}:{ours.port}/v1?a=b"), HERE)

    assert (answer.status, answer.body) == (200, b"ok")
    assert asked == [NAME]
    head = ours.heads[0]
    assert head.startswith("GET /v1?a=b HTTP/1.1\r\n")
    assert f"\r\nHost: {NAME}:{ours.port}\r\n" in head


def test_next_address_of_a_name_is_tried_where_the_first_refuses(names: Names) -> None:
    names(["127.0.0.2", "127.0.0.1"])

    with server() as ours:
        assert send(Call("GET", f"http://{NAME}:{ours.port}/"), HERE).status == 200


def test_peer_that_is_another_than_was_called_is_told_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Elsewhere(socket.socket):
        def getpeername(self) -> Any:
            return ("169.254.169.254", 80)

    with server() as ours:
        monkeypatch.setattr(socket, "socket", Elsewhere)
        with pytest.raises(
            Refused, match=r"169\.254\.169\.254 was reached instead of 127\.0\.0\.1"
        ):
            send(Call("GET", f"http://127.0.0.1:{ours.port}/"), HERE)
        monkeypatch.undo()

    assert "".join(ours.heads) == ""


def test_redirect_is_an_answer_and_is_not_followed() -> None:
    with server() as goal:
        to = f"http://127.0.0.1:{goal.port}/"
        moved = f"HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n".encode()
        with server(moved) as ours:
            assert send(Call("GET", f"http://127.0.0.1:{ours.port}/"), HERE).status == 302

        assert goal.heads == []


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_proxy_of_the_environment_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with server() as proxy, server() as ours:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")

        assert send(Call("GET", f"http://127.0.0.1:{ours.port}/"), HERE).status == 200
        assert proxy.heads == []


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nx-slow: ",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n",
    ],
)
def test_answer_that_drips_ends_at_the_deadline(first: bytes) -> None:
    gone = threading.Event()

    def drip(sock: socket.socket) -> None:
        sock.sendall(first)
        try:
            # Far sooner each than any wait for a single read would end.
            while not gone.wait(0.02):
                sock.sendall(b"x")
        finally:
            gone.set()

    with server(drip) as ours:
        with pytest.raises(Unreachable, match=r"no whole answer within 1 s"):
            send(Call("GET", f"http://127.0.0.1:{ours.port}/", wait_s=1), HERE)

        # That it is cut is seen by who drips; without a deadline this would go on for hours.
        assert gone.wait(30)


def test_look_up_that_hangs_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hang(*_: object, **__: object) -> list[Any]:
        over.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(Unreachable, match="no whole answer within"):
        send(Call("GET", f"http://{NAME}/", wait_s=0.1), HERE)
    assert not over.is_set()
    over.set()


def test_no_more_of_a_body_is_taken_than_was_asked_for() -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000

    with server(endless) as ours:
        answer = send(Call("GET", f"http://127.0.0.1:{ours.port}/", most_bytes=1000), HERE)

    assert answer.body == b"x" * 1000


def test_body_and_headers_arrive_as_they_were_given() -> None:
    headers = {"Authorization": "Bearer s3cret"}

    with server() as ours:
        url = f"http://127.0.0.1:{ours.port}/hook"
        send(Call("POST", url, headers, b"{}"), HERE)

    head = ours.heads[0]
    assert head.startswith("POST /hook HTTP/1.1\r\n")
    assert "\r\nAuthorization: Bearer s3cret\r\n" in head
    assert "\r\nContent-Length: 2\r\n" in head


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://127.0.0.1/", "begins with http"),
        ("file:///etc/passwd", "begins with http"),
        ("http:///v1", "names a host"),
        ("http://127.0.0.1@10.0.0.5/", "credential"),
        ("http://127.0.0.1:port/", "address is none"),
        ("http://[::1/", "address is none"),
    ],
)
def test_what_is_no_address_is_called_by_nobody(names: Names, url: str, says: str) -> None:
    asked = names(["127.0.0.1"])

    with pytest.raises(Unreachable, match=says):
        send(Call("GET", url), HERE)

    assert asked == []


def test_secret_that_is_no_header_is_not_quoted() -> None:
    headers = {"Authorization": "Bearer s3cret\r\nx: y"}

    with server() as ours, pytest.raises(Unreachable) as fault:
        send(Call("GET", f"http://127.0.0.1:{ours.port}/", headers), HERE)

    assert "s3cret" not in str(fault.value)


def test_server_that_speaks_no_http_is_a_sentence() -> None:
    with server(b"SSH-2.0-OpenSSH\r\n") as ours, pytest.raises(Unreachable, match="no HTTP"):
        send(Call("GET", f"http://127.0.0.1:{ours.port}/"), HERE)


def test_certificate_is_held_against_the_name_that_was_typed(
    names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(["127.0.0.1"])
    said: list[str | None] = []
    tls = certified(tmp_path, x509.DNSName(NAME))
    tls.sni_callback = lambda _sock, name, _context: said.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))

    with server(tls=tls) as ours:
        assert send(Call("GET", f"https://{NAME}:{ours.port}/"), HERE).status == 200
        with pytest.raises(Unreachable, match="its certificate is not trusted"):
            send(Call("GET", f"https://another.example:{ours.port}/"), HERE)

    assert said == [NAME, "another.example"]
    assert len(ours.heads) == 1


def test_certificate_of_the_address_is_none_of_the_name(
    names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(["127.0.0.1"])
    tls = certified(tmp_path, x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))

    with server(tls=tls) as ours:
        with pytest.raises(Unreachable, match="its certificate is not trusted"):
            send(Call("GET", f"https://{NAME}:{ours.port}/"), HERE)
        assert send(Call("GET", f"https://127.0.0.1:{ours.port}/"), HERE).status == 200


def test_what_operators_allow_is_a_setting(settings: Settings) -> None:
    settings.OUTGOING_ALLOW = ["10.1.0.0/16", "fd00::1"]

    assert tenants_reach() == Reach(networks(["10.1.0.0/16", "fd00::1/128"]))


def certified(folder: Path, whose: x509.GeneralName) -> ssl.SSLContext:
    """Return a server's TLS with a certificate that it signed itself, in ``cert.pem``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = clock.now()
    day = datetime.timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - day).not_valid_after(now + day)
    made = made.add_extension(x509.SubjectAlternativeName([whose]), critical=False)
    cert = made.sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
