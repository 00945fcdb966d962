"""What an engine says when it answers with an error: whose fault that is, and in which words.

Statuses about the request itself are the caller's to read as they are. The others are turned
into an error of ours, which quotes the engine: a caller whose picture made it fail can't mend
that from "502" (docs/adr/0020).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from inference.fleet.ports import Answer, WorkerFailed
from inference.http.lines import Headers
from inference.http.problems import Refused

PASSED, FULL, CREDENTIAL, UNSPOKEN, FAILED = "passed", "full", "credential", "unspoken", "failed"

BAD_REQUEST, TOO_MANY, SERVER_FAULT, UNAVAILABLE = 400, 429, 500, 503
_KINDS: Final = {
    401: CREDENTIAL,
    402: CREDENTIAL,
    403: CREDENTIAL,
    405: UNSPOKEN,
    407: CREDENTIAL,
    408: FAILED,
    425: FAILED,
    TOO_MANY: FULL,
    501: UNSPOKEN,
}

READ_MAX: Final = 16 * 1024
"""Bytes of an error that are read. Whoever says more is hung up on."""

READ_S: Final = 1.0
"""How long its words are waited for, before another worker is asked without them."""

WORDS_MAX: Final = 500
NO_RETRY: Final = b"x-should-retry: false\r\n"


def kind_of(status: int, *, has_wait: bool) -> str:
    """Say what an answer that is no success is about. ``has_wait``: it has ``Retry-After``."""
    if status == UNAVAILABLE and has_wait:
        return FULL
    is_about_request = BAD_REQUEST <= status < SERVER_FAULT
    return _KINDS.get(status, PASSED if is_about_request else FAILED)


def refusal_of(kind: str, status: int, said: bytes) -> Refused:
    """Return our error for an engine's."""
    if kind == CREDENTIAL:
        # Its words are about an account that is the operator's.
        text = "The worker refused this platform itself. Its operator has to mend that."
        return Refused("upstream_error", text)
    words = words_of(said)
    reason = f": {words}" if words else " and gave no reason."
    if kind == UNSPOKEN:
        text = f"The engine can't do this. It answered {status}{reason}"
        return Refused("operation_not_supported", text)
    return Refused("upstream_error", f"The engine answered {status}{reason}")


def words_of(said: bytes) -> str:
    """Return the message of an engine's error, in the shapes that engines give it."""
    try:
        found: Any = json.loads(said)
    except (ValueError, RecursionError):
        return ""
    for _ in range(2):
        if isinstance(found, dict):
            named = (found.get(name) for name in ("error", "message", "detail"))
            found = next((value for value in named if value), "")
    if not isinstance(found, str):
        return ""
    plain = "".join(letter if letter.isprintable() else " " for letter in found[:WORDS_MAX])
    return plain.strip()


class Erring(Answer):
    """Reads what follows the head of an error. ``done`` is told once, and nothing after it."""

    __slots__ = ("_done", "_said")

    def __init__(self, done: Callable[[bytes], None]) -> None:
        self._done: Callable[[bytes], None] | None = done
        self._said = b""

    def on_head(self, status: int, headers: Headers) -> None:
        """Never: there was one."""

    def on_data(self, data: bytes) -> None:
        """Keep it, up to a bound."""
        self._said += data
        if len(self._said) > READ_MAX:
            self.finish()

    def on_drain(self) -> None:
        """Nothing: the worker has made up its mind."""

    def on_end(self) -> None:
        """Tell what it said."""
        self.finish()

    def on_fail(self, failure: WorkerFailed) -> None:
        """Tell what it had said. It did answer: that is not held against it."""
        self.finish()

    def finish(self) -> None:
        """Wait no longer for the rest."""
        done, self._done = self._done, None
        if done is not None:
            done(self._said[:READ_MAX])
