"""What the parser lets through and we don't: rules about a request's head, for every path.

llhttp refuses what RFC 9112 forbids on the wire (two lengths, a length with an encoding,
folded lines, bare CR or LF, bad chunk sizes). Left to us is what several readers could
understand differently: whose host it is, which target, which framing.
"""

from __future__ import annotations

from functools import lru_cache

from inference.exchange.config import Bounds
from inference.http.lines import Headers

VERSIONS = ("1.0", "1.1")
FORWARDED = (b"forwarded", b"x-forwarded-")
"""Fields in which proxies say whom they speak for; lies, unless a proxy of ours says it."""

LATE, FULL, OTHER_VERSION = 408, 503, 505
_CODES = {LATE: "request_timeout", FULL: "service_unavailable"}
_PREFACE = b"PRI * HTTP/2"


class Malformed(Exception):
    """A request nobody should answer. ``status`` is 400 or a narrower one."""

    def __init__(
        self, status: int, message: str, code: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or _CODES.get(status, "invalid_request")
        self.retry_after_s = retry_after_s


def unreadable(data: bytes) -> Malformed:
    """Say what is wrong with bytes that the parser does not take."""
    if data.startswith(_PREFACE):
        return Malformed(OTHER_VERSION, "HTTP/2 is not spoken here without TLS: use HTTP/1.1.")
    return Malformed(400, "This is not HTTP/1.1 of RFC 9112.")


def check_size(size: int, bounds: Bounds) -> None:
    """Refuse a head that is too large, be it complete or not. Raises ``Malformed``."""
    if size > bounds.header_bytes:
        raise Malformed(431, "The request's head is too large.")


def check_bounds(target: bytes, headers: Headers, at_most: int, bounds: Bounds) -> None:
    """Refuse a complete head that is too large; only one that may be pays for the exact sum."""
    if at_most > bounds.header_bytes:
        check_size(len(target) + sum(len(name) + len(value) + 4 for name, value in headers), bounds)
    if len(headers) > bounds.header_count:
        raise Malformed(431, "The request has too many header fields.")


def check_head(version: str, target: bytes, headers: Headers, hosts: tuple[str, ...]) -> None:
    """Refuse a head that is not one plain HTTP/1 request for one of our hosts.

    ``hosts`` is empty where any host will do, as for probes. Raises ``Malformed``.
    """
    if version not in VERSIONS:
        raise Malformed(OTHER_VERSION, "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
    if not target.startswith(b"/") or b"#" in target:
        # Absolute form would bring a second host; * and authority form ask for no page; and
        # where a fragment begins the next reader may see the end of the path.
        raise Malformed(400, "The target must be a path.")
    found = [value for name, value in headers if name == b"host"]
    if len(found) != 1 or not found[0]:
        raise Malformed(400, "Exactly one Host is needed.")
    if hosts and not is_host_allowed(found[0], hosts):
        raise Malformed(400, "This is not a host of this platform.")
    for name, value in headers:
        if name == b"transfer-encoding" and (version == "1.0" or value.lower() != b"chunked"):
            raise Malformed(400, "The only transfer encoding is chunked, in HTTP/1.1.")


HOST_MAX = 260
"""The longest name there is, and a port. Longer ones are judged anew each time: a stranger's
would fill the memory."""


def is_host_allowed(host: bytes, allowed: tuple[str, ...]) -> bool:
    """Say whether ``host[:port]`` is one of ours; ``.example.org`` stands for every name below."""
    judge = _known_host if len(host) <= HOST_MAX else _is_allowed
    return judge(host, allowed)


def _is_allowed(host: bytes, allowed: tuple[str, ...]) -> bool:
    name = host.decode("latin-1").lower()
    name = name.partition("]")[0] + "]" if name.startswith("[") else name.partition(":")[0]
    name = name.removesuffix(".")
    return any(_matches(name, pattern.lower()) for pattern in allowed)


_known_host = lru_cache(1024)(_is_allowed)


def _matches(name: str, pattern: str) -> bool:
    if pattern == "*":
        return True
    if pattern.startswith("."):
        return name == pattern[1:] or name.endswith(pattern)
    return name == pattern


def without_forwarded(headers: Headers) -> Headers:
    """Drop what a stranger says about who is calling."""
    return [field for field in headers if not field[0].startswith(FORWARDED)]
