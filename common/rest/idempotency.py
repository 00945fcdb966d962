"""Idempotency keys: a POST with the same ``Idempotency-Key`` is answered, not done, twice.

The answer is written in the transaction of the change itself. So there is an answer if and
only if there was a change: a process that dies in between leaves neither, and the caller's
next attempt starts afresh. A request still in flight holds an advisory lock of that
transaction, which PostgreSQL lets go of however the transaction ends.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from rest_framework.request import Request
from rest_framework.response import Response

from common import clock
from common.actor import Actor
from common.batches import delete_all
from common.models import IdempotentAnswer
from common.rest.errors import IdempotencyKeyMalformed, IdempotencyKeyReused, RequestInFlight

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
SHOWN_ONCE = ("secret", "token")
"""Fields of an answer that are never stored: a replay shows them as null."""

_VISIBLE = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


def answered_once(request: Request, actor: Actor, work: Callable[[], Response]) -> Response:
    """Do ``work`` and return its answer, or the one it gave to this key before.

    Call it after the seat was checked: a replay is for those who may still ask. A refusal
    is not kept, since it changed nothing. Raises ``RequestInFlight`` while the first request
    runs and ``IdempotencyKeyReused`` if its body was another one.
    """
    said = request.headers.get(HEADER)
    if said is None:
        with transaction.atomic():
            return work()
    if not _VISIBLE.fullmatch(said):
        raise IdempotencyKeyMalformed(
            f"{HEADER} has 1 to 255 visible ASCII characters.", param=HEADER
        )
    name = _digest(actor.kind.value, actor.subject, request.method, request.path, said)
    body = _digest(json.dumps(request.data, sort_keys=True, default=str))
    with transaction.atomic():
        _lock(name)
        kept = IdempotentAnswer.objects.filter(pk=name, made_at__gt=clock.now() - KEPT).first()
        if kept is not None:
            return _replay(kept, body)
        answer = work()
        _keep(name, body, answer)
        return answer


def forget_old_answers() -> int:
    """Delete the answers whose time is over; return how many."""
    return delete_all(IdempotentAnswer.objects.filter(made_at__lte=clock.now() - KEPT))


def _replay(kept: IdempotentAnswer, body: str) -> Response:
    if kept.body_digest != body:
        raise IdempotencyKeyReused(
            f"This {HEADER} was used with another body. Take a new one for a new request.",
            param=HEADER,
        )
    headers = {**kept.headers, "Idempotency-Replayed": "true"}
    return Response(kept.answer, status=kept.status, headers=headers)


def _keep(name: str, body: str, answer: Response) -> None:
    shown = answer.data
    if isinstance(shown, dict):
        shown = {key: None if key in SHOWN_ONCE else value for key, value in shown.items()}
    IdempotentAnswer.objects.update_or_create(
        pk=name,
        defaults={
            "body_digest": body,
            "status": answer.status_code,
            "answer": _plain(shown),
            "headers": {key: answer[key] for key in ("ETag", "Location") if key in answer},
            "made_at": clock.now(),
        },
    )


def _plain(shown: Any) -> Any:
    """Return what JSON makes of it, so that a replay reads as the first answer did."""
    return json.loads(json.dumps(shown, default=str))


def _digest(*parts: str | None) -> str:
    return hashlib.sha256("\0".join(part or "" for part in parts).encode()).hexdigest()


def _lock(name: str) -> None:
    number = int(name[:16], 16) - (1 << 63)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        row: Sequence[bool] = cursor.fetchone() or (False,)
    if not row[0]:
        raise RequestInFlight("The first request with this key is still being answered.")
