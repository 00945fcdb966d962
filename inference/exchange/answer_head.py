"""The head of every answer of an exchange: what is a worker's in it, and what we add."""

from __future__ import annotations

from typing import Final

from inference.admission.ports import RateLimits, Verdict
from inference.body.prepare import Prepared
from inference.http.fields import SSE, Names, lines_of
from inference.http.lines import Headers, Lines

_RATE: Final = (
    b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\nx-ratelimit-reset-%b: %b\r\n"
)
SSE_OWN: Final = frozenset({b"content-type", b"content-length", b"cache-control"})
PLAIN: Final = (
    b"application/json", b"text/plain", b"text/event-stream", b"audio/", b"image/png"
)  # fmt: skip
HARMLESS: Final = b"content-security-policy: sandbox; default-src 'none'\r\n"
"""Of any other kind, an answer may be something that a browser would show as a page of ours."""


def answer_head(
    headers: Headers, names: Names, worker_id: str, prepared: Prepared, verdict: Verdict
) -> Lines:
    """Write the fields of an answer that goes on as it is."""
    lines = lines_of(headers)
    if not dict(headers).get(b"content-type", b"").startswith(PLAIN):
        lines += HARMLESS
    return _with_ours(lines, names, worker_id, prepared, verdict)


def stream_head(
    headers: Headers, names: Names, worker_id: str, prepared: Prepared, verdict: Verdict
) -> Lines:
    """Write the fields of a stream of events, whatever its engine called it."""
    lines = SSE + lines_of([field for field in headers if field[0] not in SSE_OWN])
    return _with_ours(lines, names, worker_id, prepared, verdict)


def own_head(lines: Lines, names: Names, size: int | None) -> Lines:
    """Write the fields of an answer that is ours. ``size`` is its body's, none if it has none."""
    counted = b"" if size is None else b"content-length: %d\r\n" % size
    return b"".join((names.lines(), lines, counted))


def refusal_lines(names: Names, worker_id: str, limits: RateLimits | None) -> Lines:
    """Write what we add to a refusal: who was asked, if anybody was, and how the limits stand."""
    ids = names.worker_lines(worker_id) if worker_id else b""
    return ids + rate_lines(limits)


def _with_ours(
    lines: Lines, names: Names, worker_id: str, prepared: Prepared, verdict: Verdict
) -> Lines:
    limits = rate_lines(verdict.limits)
    if prepared.clamped:
        limits += b"x-xerotier-clamped: %b\r\n" % prepared.clamped
    return b"".join((names.lines(), names.worker_lines(worker_id), lines, limits))


def rate_lines(limits: RateLimits | None) -> Lines:
    """Write OpenAI's six rate-limit fields; an unlimited kind has none."""
    if limits is None:
        return b""
    requests = tokens = b""
    if limits.limit_requests is not None:
        left, reset_s = limits.remaining_requests, limits.reset_requests_s
        requests = _RATE % _figures(b"requests", limits.limit_requests, left, reset_s)
    if limits.limit_tokens is not None:
        left, reset_s = limits.remaining_tokens, limits.reset_tokens_s
        tokens = _RATE % _figures(b"tokens", limits.limit_tokens, left, reset_s)
    return requests + tokens


def _figures(
    kind: bytes, limit: int, left: int | None, reset_s: float
) -> tuple[bytes, int, bytes, int, bytes, bytes]:
    return kind, limit, kind, max(0, left or 0), kind, duration(reset_s)


def duration(seconds: float) -> bytes:
    """Write a duration as OpenAI does: ``12ms``, ``1s``, ``6m0s``, ``1h0m30s``."""
    if seconds < 1:
        return b"%dms" % max(0, int(seconds * 1000 + 0.5))
    whole = int(seconds + 0.5)
    minutes, rest = divmod(whole, 60)
    if minutes == 0:
        return b"%ds" % rest
    hours, minutes = divmod(minutes, 60)
    return b"%dh%dm%ds" % (hours, minutes, rest) if hours else b"%dm%ds" % (minutes, rest)
