"""The head of an answer that is a worker's: what it shows, and what we add."""

from __future__ import annotations

from typing import Final

from inference.exchange.prepare import Prepared
from inference.fields import SSE, Names, lines_of, rate_lines
from inference.ports import Headers, Lines, Verdict

SSE_OWN: Final = frozenset({b"content-type", b"content-length", b"cache-control"})
PLAIN: Final = (
    b"application/json", b"text/plain", b"text/event-stream", b"audio/", b"image/png"
)  # fmt: skip
HARMLESS: Final = b"content-security-policy: sandbox; default-src 'none'\r\n"
"""Of any other kind, an answer may be something that a browser would show as a page of ours."""


def answer_head(
    headers: Headers, names: Names, worker_id: str, made: Prepared, verdict: Verdict
) -> Lines:
    """Write the fields of an answer that goes on as it is."""
    lines = lines_of(headers)
    if not dict(headers).get(b"content-type", b"").startswith(PLAIN):
        lines += HARMLESS
    return _with_ours(lines, names, worker_id, made, verdict)


def stream_head(
    headers: Headers, names: Names, worker_id: str, made: Prepared, verdict: Verdict
) -> Lines:
    """Write the fields of a stream of events, whatever its engine called it."""
    lines = SSE + lines_of([field for field in headers if field[0] not in SSE_OWN])
    return _with_ours(lines, names, worker_id, made, verdict)


def _with_ours(
    lines: Lines, names: Names, worker_id: str, made: Prepared, verdict: Verdict
) -> Lines:
    limits = rate_lines(verdict.limits)
    if made.clamped:
        limits += b"x-xerotier-clamped: %b\r\n" % made.clamped
    return b"".join((names.lines(), names.worker_lines(worker_id), lines, limits))
