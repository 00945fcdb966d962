"""Whom we take for the platform: the machine's authorities, or one pinned by its SHA-256."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
from urllib.parse import urlsplit

from xim.faults import UNREACHABLE, Stop

PATIENCE_S = 10.0
CERTIFICATE = re.compile(r"[0-9a-f]{64}")


def read_pin(text: str) -> str:
    """Return a SHA-256 in lower case; colons are left out, as openssl writes them."""
    pin = text.strip().lower().removeprefix("sha256:").replace(":", "")
    if not CERTIFICATE.fullmatch(pin):
        raise Stop("--ca-sha256 takes the SHA-256 of a certificate: 64 hexadecimal digits.")
    return pin


def context_of(ca_pem: str) -> ssl.SSLContext:
    """Return whom to trust: the authorities of this machine, or the pinned one and no other."""
    if not ca_pem:
        return ssl.create_default_context()
    context = ssl.create_default_context(cadata=ca_pem)
    # What was pinned may be an authority in the middle, or the server's own certificate.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def pinned(url: str, pin: str) -> str:
    """Return as PEM the certificate with this SHA-256 that the server shows.

    It is looked at, not trusted: nothing is said on that connection, and the next one is
    checked against what was found, names too. Raises ``Stop`` if none of them is the one.
    """
    parts = urlsplit(url)
    if parts.scheme != "https":
        raise Stop("--ca-sha256 needs an https:// address.")
    shown = _shown(parts.hostname or "", parts.port or 443)
    for certificate in shown:
        if hashlib.sha256(certificate).hexdigest() == pin:
            return ssl.DER_cert_to_PEM_cert(certificate)
    seen = ", ".join(hashlib.sha256(one).hexdigest() for one in shown)
    raise Stop(
        f"None of the certificates that {url} shows has the SHA-256 of --ca-sha256 "
        f"(it shows {seen}): compare them with the operator's before anything else.",
        UNREACHABLE,
    )


def _shown(host: str, port: int) -> list[bytes]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), PATIENCE_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            return _chain_of(secured)
    except OSError as fault:
        sentence = f"{host}:{port} can't be reached by TLS ({fault}): is the address right?"
        raise Stop(sentence, UNREACHABLE) from fault


def _chain_of(secured: ssl.SSLSocket) -> list[bytes]:
    if hasattr(secured, "get_unverified_chain"):  # Python 3.13 and later.
        chain: list[bytes] = secured.get_unverified_chain()
        return chain
    # Before, the same stands one object further in.
    inner = secured._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # noqa: SLF001
    return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in inner or ()]
