"""Changes to workers. Nothing else in the code base writes these rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import F

from agents import rules, shifts
from agents.errors import (
    OperationUnknown,
    TierNotForWorkers,
    WorkerNameTaken,
    WorkerRetired,
    WorkerUrlMalformed,
)
from agents.models import (
    NAME_LENGTH,
    Agent,
    CacheScope,
    Machine,
    Worker,
    WorkerState,
)
from audit import services as audit
from catalog import selectors as catalog
from common import outbox, vault
from common.actor import SYSTEM, Actor
from common.names import check_region

if TYPE_CHECKING:
    from projects.models import Project


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What is said of a worker when it is added. ``credential`` is plain, and sealed at once.

    With a ``project`` it is that project's own; else it serves the ``tiers`` it carries.
    """

    name: str
    url: str
    model_name: str
    operations: Sequence[str]
    credential: str = ""
    served_name: str = ""
    slots: int | None = None
    project: Project | None = None
    tiers: Sequence[str] = ()
    engine: str = ""
    context_length: int | None = None
    cache_scope: str = CacheScope.NONE
    region: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """A model a machine has ready: its name in the catalog, and what the machine says of it.

    ``tiers`` and ``region`` are its machine's, as far as that is fit for them.
    """

    served_name: str
    model_name: str
    operations: Sequence[str]
    slots: int | None = None
    context_length: int | None = None
    engine: str = ""
    tiers: Sequence[str] = ()
    region: str = ""


def add_worker(enrolment: Enrolment, *, by: Actor = SYSTEM) -> Worker:
    """Register an OpenAI-compatible server: shared by everyone, or as a project's own.

    Raises ``WorkerUrlMalformed``, ``OperationUnknown``, ``TierNotForWorkers``,
    ``RegionMalformed`` or ``WorkerNameTaken``.
    """
    _check_url(enrolment.url)
    check_region(enrolment.region)
    _check_operations(enrolment.operations)
    check_tiers(enrolment.tiers, enrolment.project)
    said = {field: getattr(enrolment, field) for field in enrolment.__slots__}
    said |= {
        "url": enrolment.url.rstrip("/"),
        "operations": list(enrolment.operations),
        "tiers": list(enrolment.tiers),
        "credential": vault.seal(enrolment.credential),
    }
    try:
        with transaction.atomic():
            worker = Worker.objects.create(**said)
            _note(worker, by, "worker.added", _told(worker))
            shifts.begin(worker)
            outbox.announce("worker", worker.pk)
    except IntegrityError as clash:
        raise WorkerNameTaken(
            f"There is a worker named “{enrolment.name}” already.", param="name"
        ) from clash
    return worker


def change_worker(*, worker: Worker, by: Actor = SYSTEM, **said: Any) -> None:
    """Change what may change in a worker's life: ``CHANGEABLE``, and its ``credential``.

    What is not said stays. Raises what ``add_worker`` raises, and ``WorkerRetired``.
    """
    if "url" in said:
        _check_url(said["url"])
        said["url"] = said["url"].rstrip("/")
    if "operations" in said:
        _check_operations(said["operations"])
    if "tiers" in said:
        check_tiers(said["tiers"], worker.project)
    if "region" in said:
        check_region(said["region"])
    told = {name: value for name, value in said.items() if name != "credential"}
    if said.get("credential") is not None:
        said["credential"] = vault.seal(said["credential"])
        told["is_rekeyed"] = True
    else:
        said.pop("credential", None)
    _change(worker, by, "worker.changed", told, **said)


def reseal_credentials(*, work: vault.Resealing, by: Actor = SYSTEM) -> None:
    """Seal workers' credentials with the newest key of the keyring."""
    with transaction.atomic():
        for worker in Worker.objects.exclude(credential="").select_for_update().order_by("pk"):
            renewed = work.of(f"credential of the worker {worker.name}", worker.credential)
            if renewed != worker.credential:
                _change(worker, by, "worker.resealed", credential=renewed)


def touch_workers(**which: Any) -> list[int]:
    """Raise the version of these workers, as what they are reached by changed.

    Returns the primary keys, for whoever publishes them.
    """
    touched = Worker.objects.filter(**which)
    touched.update(version=F("version") + 1)
    return list(touched.values_list("pk", flat=True))


def suspend_worker(*, worker: Worker, reason: str = "", by: Actor = SYSTEM) -> None:
    """Give a worker no new work; what runs goes on."""
    with transaction.atomic():
        told: dict[str, object] = {"reason": reason} if reason else {}
        _change(worker, by, "worker.suspended", told, state=WorkerState.SUSPENDED)
        shifts.end(worker)


def resume_worker(*, worker: Worker, by: Actor = SYSTEM) -> None:
    """Let a suspended worker work again. Raises ``WorkerRetired``."""
    with transaction.atomic():
        _change(worker, by, "worker.resumed", state=WorkerState.ACTIVE)
        shifts.begin(worker)


def retire_worker(*, worker: Worker, by: Actor = SYSTEM) -> None:
    """Take a worker out for good. The row stays: usage names it."""
    with transaction.atomic():
        _change(worker, by, "worker.retired", state=WorkerState.RETIRED)
        shifts.end(worker)


def offer_models(machine: Machine, offered: Sequence[Offered]) -> int:
    """Keep a worker for each model that a machine has ready, and withdraw the others.

    What the machine says wins over what we remembered. What people decided of a worker stays:
    a suspended one is offered and takes no work. Returns how many workers changed.
    """
    with transaction.atomic():
        rows = {_slot(machine, row): row for row in Worker.objects.filter(**_of(machine))}
        changed = sum(_offer(machine, rows.get(_slot(machine, one)), one) for one in offered)
        names = {_slot(machine, one) for one in offered}
        gone = [row for name, row in rows.items() if name not in names]
        return changed + sum(_withdraw(row) for row in gone)


def withdraw_workers(machine: Machine) -> int:
    """Take everything a machine serves from what is on offer; return how many workers changed."""
    return offer_models(machine, ())


def _of(machine: Machine) -> dict[str, Any]:
    return {"agent" if isinstance(machine, Agent) else "backend": machine}


def _slot(machine: Machine, one: Worker | Offered) -> tuple[str, str]:
    # A backend's owner may say that what it calls so is another model: that is another worker.
    return one.served_name, "" if isinstance(machine, Agent) else one.model_name


def _offer(machine: Machine, row: Worker | None, one: Offered) -> bool:
    said = {name: getattr(one, name) for name in one.__slots__ if name != "served_name"}
    said |= {"tiers": list(one.tiers), "operations": list(one.operations), "is_offered": True}
    if row is None:
        _add_offered(machine, one.served_name, said)
        return True
    if row.model_name != one.model_name or row.state == WorkerState.RETIRED:
        # Its model is for life, as pools count on it; what was retired stays so.
        return _withdraw(row)
    other = {name: value for name, value in said.items() if getattr(row, name) != value}
    if other:
        _change(row, SYSTEM, "worker.offered", dict(other), **other)
        shifts.begin(row)
    return bool(other)


def _add_offered(machine: Machine, served_name: str, said: dict[str, Any]) -> None:
    name = f"{machine.name}/{served_name}"[:NAME_LENGTH]
    row = Worker.objects.create(
        name=name, project=machine.project, served_name=served_name, url="", **_of(machine), **said
    )
    _note(row, SYSTEM, "worker.added", _told(row))
    shifts.begin(row)
    outbox.announce("worker", row.pk)


def _withdraw(row: Worker) -> bool:
    if not row.is_offered:
        return False
    if row.state == WorkerState.RETIRED:
        Worker.objects.filter(pk=row.pk).update(is_offered=False)
        return True
    _change(row, SYSTEM, "worker.withdrawn", is_offered=False)
    shifts.end(row)
    return True


def _change(
    worker: Worker,
    by: Actor,
    action: str,
    after: dict[str, object] | None = None,
    **changes: Any,
) -> None:
    with transaction.atomic():
        living = Worker.objects.filter(pk=worker.pk).exclude(state=WorkerState.RETIRED)
        if not living.update(version=F("version") + 1, **changes):
            raise WorkerRetired("This worker was retired for good; add it as a new one.")
        _note(worker, by, action, after or {})
        outbox.announce("worker", worker.pk)
    for name, value in changes.items():
        setattr(worker, name, value)


def _note(worker: Worker, by: Actor, action: str, after: dict[str, object]) -> None:
    audit.record(
        by=by,
        action=action,
        project=worker.project.public_id if worker.project else "",
        subject=("worker", worker.public_id),
        after={"name": worker.name, **after},
    )


def _told(worker: Worker) -> dict[str, object]:
    return {
        "url": worker.url,
        "model": worker.model_name,
        "tiers": list(worker.tiers),
        "operations": list(worker.operations),
    }


def _check_url(url: str) -> None:
    fault = rules.fault_in_url(url)
    if fault:
        raise WorkerUrlMalformed(fault, param="url")


def _check_operations(operations: Sequence[str]) -> None:
    unknown = set(operations) - set(rules.OPERATIONS)
    if unknown or not operations:
        offered = ", ".join(rules.OPERATIONS)
        raise OperationUnknown(f"Choose one or more of: {offered}.", param="operations")


def check_tiers(tiers: Sequence[str], project: Project | None) -> None:
    """Refuse tiers that don't fit a worker's owner. Raises ``TierNotForWorkers``."""
    if project is not None:
        if tiers:
            raise TierNotForWorkers(
                "A project's own worker serves the project's self-hosted endpoints, and carries "
                "no tier.",
                param="tiers",
            )
        return
    offered = catalog.shared_tiers()
    if not tiers or set(tiers) - set(offered):
        raise TierNotForWorkers(
            f"Choose one or more of the tiers that shared machines serve: {', '.join(offered)}.",
            param="tiers",
        )
