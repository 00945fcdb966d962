"""Passwords are hashed a few at a time, aside, and without a database connection.

One hash takes a hundred megabytes and a third of a second, and anybody may ask for one. So a
process makes few at once, in threads that let everything else go first; some wait their turn,
and whoever comes when those are many is told to come back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection

from common.problems import Busy

T = TypeVar("T")

NICENESS = 10
WAITING_EACH = 12
"""How many wait for each that is worked on: some seconds' worth."""
COME_BACK_S = 3


class Bench:
    """Does costly work, ``at_once`` pieces at a time, while at most ``waiting`` more wait."""

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self._places = threading.BoundedSemaphore(at_once + waiting)
        self._hands = ThreadPoolExecutor(at_once, "hashing", initializer=_step_back)

    def do(self, work: Callable[[], T]) -> T:
        """Return what the work returns. Raises ``Busy`` at once if too many wait already."""
        if not self._places.acquire(blocking=False):
            raise Busy("Too many people sign in at this moment. Try again.", wait=COME_BACK_S)
        try:
            return self._hands.submit(work).result()
        finally:
            self._places.release()


class BoundedArgon2(Argon2PasswordHasher):
    """Argon2 as Django has it, by the bench; each hash keeps to one core."""

    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        """Hash a password."""
        return _aside(partial(super().encode, password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        """Say whether a password is the one that was hashed."""
        return _aside(partial(super().verify, password, encoded))


def _aside(work: Callable[[], T]) -> T:
    # Others may have the connection meanwhile; the next question fetches one again.
    if not connection.in_atomic_block:
        connection.close()
    return _bench().do(work)


@cache
def _bench() -> Bench:
    at_once = settings.HASHES_AT_ONCE
    return Bench(at_once=at_once, waiting=at_once * WAITING_EACH)


def _step_back() -> None:
    # On Linux this is of the calling thread alone.
    os.nice(NICENESS)
