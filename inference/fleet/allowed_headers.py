"""What of a worker's head goes on to the caller: an allow-list, whatever carried the answer.

Nothing is copied and stripped: a header that nobody thought of stays where it was.
"""

from __future__ import annotations

from typing import Final

from inference.http.lines import Headers

ANSWER_HEADERS: Final = frozenset(
    {
        b"content-type",
        b"content-length",
        b"content-encoding",
        b"content-language",
        b"openai-processing-ms",
        b"openai-version",
        b"openai-model",
        b"retry-after",
    }
)
"""What of a worker's head goes on. Missing on purpose: ``server``, ``date``, cookies and
``www-authenticate`` (the worker's own), ``openai-organization`` (the operator's account),
``x-ratelimit-*``, ``x-request-id`` and ``x-should-retry`` (ours to say), everything hop by
hop, and caching fields (an answer is nobody's to cache)."""


def answer_headers(raw: Headers) -> Headers:
    """Keep of a worker's head what the caller may see, names in lower case.

    Fields that ``Connection`` names are hop by hop whatever they are called (RFC 9110
    section 7.6.1).
    """
    kept: Headers = []
    dropped: set[bytes] = set()
    for name, value in raw:
        lower = name.lower()
        if lower in ANSWER_HEADERS:
            kept.append((lower, value))
        elif lower == b"connection":
            dropped.update(token.strip() for token in value.lower().split(b","))
    return [pair for pair in kept if pair[0] not in dropped] if dropped else kept
