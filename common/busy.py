"""What is a refusal for a while, though it comes from far below: a pool with nothing left."""

from __future__ import annotations

from django.db import OperationalError
from psycopg_pool import PoolTimeout, TooManyRequests

from common.problems import Busy, Later

COME_BACK_S = 2


def as_later(fault: BaseException | None) -> Later | None:
    """Return the refusal that a fault amounts to; none if it is a fault and nothing else.

    All connections in use, and a database that is away, are the same to whoever waits for one.
    """
    if isinstance(fault, Later):
        return fault
    cause = fault.__cause__ if isinstance(fault, OperationalError) else None
    if isinstance(cause, PoolTimeout | TooManyRequests):
        return Busy("Too much is asked at this moment. Try again.", wait=COME_BACK_S)
    return None
