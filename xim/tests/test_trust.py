"""What is guarded: a pinned authority is trusted and nobody else; names are checked besides."""

from __future__ import annotations

import datetime
import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from scripted_platform import JOIN_KEY
from xim.cli.main import main
from xim.control import trust
from xim.faults import UNREACHABLE, Stop

THEN = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
LATER = datetime.datetime(2090, 1, 1, tzinfo=datetime.UTC)


@dataclass
class Authority:
    """A private authority, and a server that shows a certificate of it."""

    url: str
    der: bytes
    leaf: bytes

    @property
    def pin(self) -> str:
        return hashlib.sha256(self.der).hexdigest()


def certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    is_authority = name == issuer
    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(THEN)
        .not_valid_after(LATER)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(signer, hashes.SHA256())
    )


@pytest.fixture(params=["localhost", "elsewhere"])
def authority(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Authority]:
    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    top = certificate("authority", root, "authority", root)
    leaf = certificate(request.param, key, "authority", root)
    chain, secret = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(leaf.public_bytes(Encoding.PEM) + top.public_bytes(Encoding.PEM))
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    secret.write_bytes(key.private_bytes(*form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=greet, args=(server, context), daemon=True)
        thread.start()
        url = f"https://localhost:{server.getsockname()[1]}"
        yield Authority(url, top.public_bytes(Encoding.DER), leaf.public_bytes(Encoding.DER))
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def greet(server: socket.socket, context: ssl.SSLContext) -> None:
    """Shake hands with whoever comes; say that nothing is here."""
    while True:
        try:
            plain, _ = server.accept()
        except OSError:
            return
        try:
            with context.wrap_socket(plain, server_side=True) as wire:
                if wire.recv(1 << 16):
                    wire.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        except OSError:
            continue


def greeted(authority: Authority, pem: str) -> bool:
    """Say whether a connection that trusts only this comes about."""
    port = int(authority.url.rpartition(":")[2])
    context = trust.context_of(pem)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 5) as plain,
            context.wrap_socket(plain, server_hostname="localhost"),
        ):
            return True
    except ssl.SSLCertVerificationError:
        return False


@pytest.mark.parametrize("authority", ["localhost"], indirect=True)
def test_pinned_authority_is_found_in_what_the_server_shows_and_trusted(
    authority: Authority,
) -> None:
    assert greeted(authority, trust.pinned(authority.url, authority.pin))
    assert not greeted(authority, "")


@pytest.mark.parametrize("authority", ["localhost"], indirect=True)
def test_servers_own_certificate_may_be_pinned_too(authority: Authority) -> None:
    pin = hashlib.sha256(authority.leaf).hexdigest()

    assert greeted(authority, trust.pinned(authority.url, pin))


@pytest.mark.parametrize("authority", ["elsewhere"], indirect=True)
def test_certificate_of_another_name_is_refused_though_its_authority_is_pinned(
    authority: Authority,
) -> None:
    assert not greeted(authority, trust.pinned(authority.url, authority.pin))


@pytest.mark.parametrize("authority", ["localhost"], indirect=True)
def test_pin_of_nobody_is_one_sentence_that_shows_what_was_seen(authority: Authority) -> None:
    with pytest.raises(Stop, match="None of the certificates") as stop:
        trust.pinned(authority.url, "0" * 64)
    assert authority.pin in str(stop.value)


@pytest.mark.parametrize("authority", ["localhost"], indirect=True)
def test_unknown_authority_is_one_sentence_that_names_the_pin(
    authority: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["enroll", "--url", authority.url, "--join-key", JOIN_KEY, "--state", str(tmp_path)]

    assert main(argv, {}) == UNREACHABLE
    assert "for a private authority give --ca-sha256" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["sha256:" + "A" * 64, ":".join(["aa"] * 32), " " + "a" * 64])
def test_pin_is_read_however_it_is_written(text: str) -> None:
    assert trust.read_pin(text) == "a" * 64
