"""Header fields as pairs and as lines: the two forms in which they are handed about."""

from __future__ import annotations

from typing import Final

Headers = list[tuple[bytes, bytes]]
"""Header fields as they stand on the wire; names in lower case."""

Lines = bytes
"""The same as bytes ready to be sent, ``name: value`` CRLF each: writing them once is cheaper
than handing pairs about. ``fields`` and this module write them."""

OWN_HEADERS: Final = frozenset(
    {
        b"host",
        b"authorization",
        b"accept-encoding",
        b"content-length",
        b"transfer-encoding",
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authorization",
        b"cookie",
        b"expect",
        b"te",
        b"trailer",
        b"upgrade",
    }
)
"""What the client itself says, or nobody: never taken from the asker."""


def extra_lines(headers: Headers) -> Lines:
    """Write the asker's own header lines. Raises ``ValueError`` if one holds a line end."""
    lines = [b"%b: %b\r\n" % pair for pair in headers if pair[0] not in OWN_HEADERS]
    text = b"".join(lines)
    if text.count(b"\n") != len(lines) or text.count(b"\r") != len(lines):
        raise ValueError("a header field must not contain a line end")
    return text
