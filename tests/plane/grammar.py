"""RFC 9112 read the slow and strict way: what a stream of requests says, up to its first fault.

The oracle of the fuzz test. It shares no code with the server and knows nothing of reads: it
sees the whole stream at once. Stricter than the RFC where this platform is (one ``Host``, a
path as target, ``chunked`` alone), laxer where section 3 lets a server be: several spaces
between the parts of the first line, and empty lines before it.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
FIRST = re.compile(rb"[\r\n]*(" + TOKEN + rb") +(/[!-\"$-~]*) +HTTP/(1\.[01])\r\n")
FIELD = re.compile(rb"(" + TOKEN + rb"):[ \t]*((?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)[ \t]*\r\n")
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[\t -~\x80-\xff]*)?\r\n")
LENGTH = re.compile(rb"[0-9]{1,18}")
HOSTS = re.compile(rb"localhost\.?(?::.*)?", re.IGNORECASE)


class Fault(Exception):
    """The stream breaks a rule here, or stops."""


@dataclass
class Wanted:
    """A request whose head is well-formed. Without ``body`` its body is not, or not all there."""

    method: bytes
    target: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes | None = None

    def all(self, name: bytes) -> list[bytes]:
        return [value for known, value in self.fields if known == name]


@dataclass
class Reading:
    """A place in a stream."""

    stream: bytes
    at: int = 0
    found: list[Wanted] = field(default_factory=list)

    def match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        match = pattern.match(self.stream, self.at)
        if match is None:
            raise Fault(pattern.pattern)
        self.at = match.end()
        return match

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.stream):
            raise Fault("short")
        self.at += size
        return self.stream[self.at - size : self.at]

    def fields(self) -> list[tuple[bytes, bytes]]:
        found = []
        while not self.stream.startswith(b"\r\n", self.at):
            match = self.match(FIELD)
            found.append((match[1].lower(), match[2]))
        self.at += 2
        return found


def requests_in(stream: bytes) -> list[Wanted]:
    """Return the requests up to the first fault, or to one that ends the connection."""
    reading = Reading(stream)
    with contextlib.suppress(Fault):
        while stream[reading.at :].strip(b"\r\n") and _one(reading):
            pass
    return reading.found


def _one(reading: Reading) -> bool:
    """Read a request; false if nothing may follow it."""
    first = reading.match(FIRST)
    wanted = Wanted(first[1], first[2], reading.fields())
    _check(wanted, first[3])
    reading.found.append(wanted)
    wanted.body = _body(reading, wanted)
    said = b",".join(wanted.all(b"connection")).lower().split(b",")
    return first[3] == b"1.1" and b"close" not in [word.strip() for word in said]


def _check(wanted: Wanted, version: bytes) -> None:
    hosts, lengths = wanted.all(b"host"), wanted.all(b"content-length")
    encodings = [value.lower() for value in wanted.all(b"transfer-encoding")]
    framings = len(lengths) + len(encodings)
    if len(hosts) != 1 or not HOSTS.fullmatch(hosts[0]) or framings > 1:
        raise Fault("host or framing")
    if encodings and (encodings != [b"chunked"] or version == b"1.0"):
        raise Fault("encoding")
    if lengths and not LENGTH.fullmatch(lengths[0]):
        raise Fault("length")


def _body(reading: Reading, wanted: Wanted) -> bytes:
    lengths = wanted.all(b"content-length")
    if lengths:
        return reading.take(int(lengths[0]))
    body = b""
    if wanted.all(b"transfer-encoding"):
        while size := int(reading.match(CHUNK)[1], 16):
            body += reading.take(size)
            if reading.take(2) != b"\r\n":
                raise Fault("chunk end")
        reading.fields()
    return body
