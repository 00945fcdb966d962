"""Offers to speak another protocol, which are declined by going on as if there were none.

A server may ignore ``Upgrade`` (RFC 9110 section 7.8), and whoever offers ``h2c`` with each
request, as Java's own client does, wants an answer in HTTP/1.1 then. But the parser stops
behind the head of such a request: what follows would be of the other protocol. So another
parser takes over, is given a head of the same framing without the offer, and what it says of
that head goes nowhere.
"""

from __future__ import annotations

from typing import Final

import httptools

from inference.edges.connection import CallerConnection
from inference.http.lines import Headers

FRAMING: Final = (b"content-length", b"transfer-encoding")


def has_body(headers: Headers) -> bool:
    """Say whether a head announces a body."""
    return any(name in FRAMING for name, _ in headers)


def without_offer(headers: Headers) -> bytes:
    """Return a head whose body is framed as that of another. The other was found to be sound."""
    framed = [b"%b: %b\r\n" % field for field in headers if field[0] in FRAMING]
    return b"POST / HTTP/1.1\r\nHost: x\r\n%b\r\n" % b"".join(framed)


def feed(protocol: CallerConnection, data: bytes) -> None:
    """Let the parser read. Raises what it raises; an offer only if it is to be taken."""
    while data:
        try:
            protocol.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            head, protocol.declined = protocol.declined, b""
            if not head:
                raise
            data = data[offer.args[0] :]
            protocol.parser = httptools.HttpRequestParser(Rest(protocol))
            protocol.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            protocol.parser.feed_data(head)
        else:
            return


class Rest:
    """Hears the parser that took over: of the first head nothing, of all else everything."""

    def __init__(self, protocol: CallerConnection) -> None:
        self._protocol = protocol
        self._is_past = False

    def on_message_begin(self) -> None:
        """Pass it on."""
        if self._is_past:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Pass it on."""
        if self._is_past:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Pass it on."""
        if self._is_past:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        """Pass it on, or know that the head is past."""
        if self._is_past:
            self._protocol.on_headers_complete()
        self._is_past = True

    def on_body(self, body: bytes) -> None:
        """Pass it on."""
        self._protocol.on_body(body)

    def on_message_complete(self) -> None:
        """Pass it on."""
        self._protocol.on_message_complete()
