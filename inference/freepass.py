"""A limiter that lets everyone in and only reports what was used."""

from __future__ import annotations

from inference.contracts import UsageEvent
from inference.ports import Ask, EventSink, OnVerdict, Verdict

YES = Verdict(allowed=True)


class FreePass:
    """For as long as nothing is limited: admits at once, settles by reporting."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink

    def admit(self, ask: Ask, on_verdict: OnVerdict) -> None:
        """Let it in."""
        on_verdict(YES)

    def renew(self, request_id: str, tokens_so_far: int, on_verdict: OnVerdict) -> None:
        """Let it go on."""
        on_verdict(YES)

    def settle(self, event: UsageEvent) -> None:
        """Report the usage."""
        self._sink.put(event)
