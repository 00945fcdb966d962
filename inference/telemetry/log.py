"""One line for each inference request, as JSON, cheap enough to have it always.

The shape is that of the platform's other log lines (``event``, ``level``, ``timestamp``), so
one reader takes all. Lines are written together some times a second; a crash loses at most
the last tenth of a second of them, and no usage: that does not travel by log.
"""

from __future__ import annotations

import json
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from inference.http.fields import NO_SLO
from inference.telemetry.outcome import Outcome, milliseconds_text

FLUSH_S = 0.1
FLUSH_LINES = 256
SERVER_FAULT = 500
WORD_MAX = 256
"""Characters of a path's part that are written: no name is longer, and strangers' paths are."""

_MILLISECONDS: Final = [f".{number:03d}Z" for number in range(1000)]

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


_quoted = lru_cache(1024)(_encode)


def _place(project: str, endpoint: str, key_id: str, operation: str) -> str:
    """Write what a line shares with many others. The path of a request may hold anything."""
    words = {
        "project": project[:WORD_MAX],
        "endpoint": endpoint[:WORD_MAX],
        "key_id": key_id,
        "operation": operation[:WORD_MAX],
    }
    return _encode(words)[1:-1]


_known_place = lru_cache(4096)(_place)


class RequestLog:
    """Gathers lines and hands them to ``write`` in one piece. ``clock`` gives Unix seconds."""

    def __init__(
        self,
        write: Callable[[bytes], None],
        loop: AbstractEventLoop,
        clock: Callable[[], float],
    ) -> None:
        self._write = write
        self._loop = loop
        self._clock = clock
        self._lines: list[str] = []
        self._timer: TimerHandle | None = None
        self._second = 0
        self._second_text = ""

    def ended(self, outcome: Outcome) -> None:
        """Write the line of a request."""
        names, tokens = outcome.names, outcome.tokens
        level = "error" if outcome.status >= SERVER_FAULT else "info"
        # Only a place that was found is remembered: a stranger's paths are long and never end.
        place_of = _place if outcome.route is None else _known_place
        place = place_of(outcome.project, outcome.endpoint, outcome.key_id, outcome.operation)
        ttft = "null" if outcome.ttft_ms is None else milliseconds_text(outcome.ttft_ms)
        # Ids of a request, codes and endings are plain words of ours, or were found to be sane.
        self._put(
            f'{{"event":"inference_request","level":"{level}","timestamp":"{self._timestamp()}"'
            f',"request_id":"{names.request_id}","caller_request_id":"{names.caller_id}",{place}'
            f',"worker_id":{_quoted(outcome.worker_id)},"code":"{outcome.code}"'
            f',"ending":"{outcome.ending}","tokens_source":"{outcome.source}"'
            f',"streamed":{"true" if outcome.streamed else "false"}'
            f',"status":{outcome.status},"ttft_ms":{ttft}'
            f',"latency_ms":{milliseconds_text(outcome.latency_ms)},"tokens_in":{tokens.tokens_in}'
            f',"tokens_out":{tokens.tokens_out},"tokens_cached":{tokens.tokens_cached or 0}'
            f"{_slo(outcome)}{_decision(outcome)}}}"
        )

    def say(self, event: str, level: str = "info", **facts: Any) -> None:
        """Write a line about the process itself."""
        line = {"event": event, "level": level, "timestamp": self._timestamp(), **facts}
        self._put(_encode(line))

    def flush(self) -> None:
        """Write what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            lines.append("")
            self._write("\n".join(lines).encode())

    def _put(self, line: str) -> None:
        self._lines.append(line)
        if len(self._lines) >= FLUSH_LINES:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(FLUSH_S, self.flush)

    def _timestamp(self) -> str:
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second = second
            moment = datetime.fromtimestamp(second, UTC)
            self._second_text = moment.strftime("%Y-%m-%dT%H:%M:%S")
        return self._second_text + _MILLISECONDS[int((now - second) * 1000)]


def _slo(outcome: Outcome) -> str:
    slo = outcome.slo
    if slo is NO_SLO:
        return ""
    facts = {"slo_ttft_ms": slo.ttft_ms, "slo_tpot_ms": slo.tpot_ms}
    return "," + _encode(facts)[1:-1]


def _decision(outcome: Outcome) -> str:
    decision = outcome.decision
    return "" if decision is None else f',"decision":{decision.text()}'
