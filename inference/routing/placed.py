"""A request that was sent to a worker (in-flight request), as the router's state keeps it."""

from __future__ import annotations


class Placed:
    """One attempt, from its sending to its end. Times are microseconds of the loop's clock.

    ``ahead``: uncached tokens there and its own, which its first token waits for; ``new`` of
    them are its own; ``hit``: tokens of its prompt that were expected in the cache, before
    calibration; ``ages``: of its blocks there, when it was sent (``shelf``); ``among``: requests
    in flight there with it; ``clock``: what had been sent there before it, ``unread``: since the
    oldest that was waiting there (both in bytes, as ``shelf`` counts them); ``weight``: what it
    counts (of 1,024).
    """

    __slots__ = (
        "ages",
        "ahead",
        "among",
        "clock",
        "first_us",
        "hit",
        "model",
        "new",
        "number",
        "project",
        "prompt_bytes",
        "sent_us",
        "targeted",
        "unread",
        "weight",
        "worker_id",
    )

    def __init__(self, number: int, worker_id: str, sent_us: int) -> None:
        self.number = number
        self.worker_id = worker_id
        self.sent_us = sent_us
        self.first_us = 0
        self.ahead = self.new = self.hit = self.among = self.weight = self.prompt_bytes = 0
        self.clock = self.unread = 0
        self.targeted = False
        self.ages: list[int] = []
        self.project = self.model = ""

    @property
    def is_waiting(self) -> bool:
        """Say whether its first token is not there yet."""
        return self.first_us == 0
