"""Changes to workers. Nothing else in the code base writes these rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import F

from agents import rules
from agents.errors import OperationUnknown, WorkerNameTaken, WorkerUrlMalformed
from agents.models import Worker, WorkerState
from audit import services as audit
from common import outbox, vault
from common.actor import SYSTEM, Actor


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What is said of a worker when it is added. ``credential`` is plain, and sealed at once."""

    name: str
    url: str
    model_name: str
    operations: Sequence[str]
    credential: str = ""
    served_name: str = ""
    slots: int | None = None


def add_worker(enrolment: Enrolment, *, by: Actor = SYSTEM) -> Worker:
    """Register an OpenAI-compatible server as a shared worker.

    Raises ``WorkerUrlMalformed``, ``OperationUnknown`` or ``WorkerNameTaken``.
    """
    _check(enrolment.url, enrolment.operations)
    try:
        with transaction.atomic():
            worker = Worker.objects.create(
                name=enrolment.name,
                url=enrolment.url.rstrip("/"),
                model_name=enrolment.model_name,
                operations=list(enrolment.operations),
                credential=vault.seal(enrolment.credential),
                served_name=enrolment.served_name,
                slots=enrolment.slots,
            )
            _note(worker, by, "worker.added", {"url": worker.url, "model": worker.model_name})
            outbox.announce("pool", worker.model_name)
    except IntegrityError as clash:
        raise WorkerNameTaken(
            f"There is a worker named “{enrolment.name}” already.", param="name"
        ) from clash
    return worker


def move_worker(
    *, worker: Worker, url: str, credential: str | None = None, by: Actor = SYSTEM
) -> None:
    """Change where a worker is reached, and its credential if one is given."""
    _check(url, worker.operations)
    changes = {"url": url.rstrip("/")}
    if credential is not None:
        changes["credential"] = vault.seal(credential)
    after: dict[str, object] = {"url": changes["url"], "is_rekeyed": credential is not None}
    _change(worker, by, "worker.moved", after, **changes)


def reseal_credentials(*, work: vault.Resealing, by: Actor = SYSTEM) -> None:
    """Seal workers' credentials with the newest key of the keyring."""
    with transaction.atomic():
        for worker in Worker.objects.exclude(credential="").select_for_update().order_by("pk"):
            renewed = work.of(f"credential of the worker {worker.name}", worker.credential)
            if renewed != worker.credential:
                _change(worker, by, "worker.resealed", credential=renewed)


def suspend_worker(*, worker: Worker, by: Actor = SYSTEM) -> None:
    """Give a worker no new work; what runs goes on."""
    _change(worker, by, "worker.suspended", state=WorkerState.SUSPENDED)


def resume_worker(*, worker: Worker, by: Actor = SYSTEM) -> None:
    """Let a suspended worker work again."""
    _change(worker, by, "worker.resumed", state=WorkerState.ACTIVE)


def retire_worker(*, worker: Worker, by: Actor = SYSTEM) -> None:
    """Take a worker out for good. The row stays: usage names it."""
    _change(worker, by, "worker.retired", state=WorkerState.RETIRED)


def _change(
    worker: Worker,
    by: Actor,
    action: str,
    after: dict[str, object] | None = None,
    **changes: str,
) -> None:
    with transaction.atomic():
        Worker.objects.filter(pk=worker.pk).update(version=F("version") + 1, **changes)
        _note(worker, by, action, after or {})
        outbox.announce("pool", worker.model_name)


def _note(worker: Worker, by: Actor, action: str, after: dict[str, object]) -> None:
    audit.record(
        by=by,
        action=action,
        subject=("worker", worker.public_id),
        after={"name": worker.name, **after},
    )


def _check(url: str, operations: Sequence[str]) -> None:
    fault = rules.fault_in_url(url)
    if fault:
        raise WorkerUrlMalformed(fault, param="url")
    unknown = set(operations) - set(rules.OPERATIONS)
    if unknown or not operations:
        offered = ", ".join(rules.OPERATIONS)
        raise OperationUnknown(f"Choose one or more of: {offered}.", param="operations")
