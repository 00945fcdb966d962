"""A project's own servers by URL: asked first, added, changed, paused, removed.

Nothing else writes these rows. The URL is for life: a credential never follows to another. What a
backend serves is a worker for each model its owner chose (``services.offer_models``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F

from agents import asking, rules, selectors
from agents.asking import Found
from agents.errors import (
    BackendModelsMalformed,
    BackendNameTaken,
    BackendUnknown,
    BackendUnreachable,
    TooManyBackends,
    WorkerUrlMalformed,
)
from agents.models import Backend, BackendState
from agents.services import Offered, offer_models, touch_workers
from audit import services as audit
from catalog import selectors as catalog
from catalog.errors import ModelUnknown
from common import clock, outbox, vault
from common.actor import SYSTEM, Actor
from common.names import check_name
from common.outgoing.connector import tenants_reach
from common.problems import Busy, Stale, TooOften
from common.rest.throttle import take
from projects import selectors as projects

if TYPE_CHECKING:
    from projects.models import Project

CHOSEN_MAX = 32
SLOTS_MAX = 10_000
CREDENTIAL_MAX = 2000
QUESTIONS_AT_ONCE = 4
"""In one process: each holds a connection to the database while a stranger takes its time."""

_free = BoundedSemaphore(QUESTIONS_AT_ONCE)


@dataclass(frozen=True, slots=True)
class NewBackend:
    """What is said of a backend when it is added. ``chosen``: its name for each model → ours."""

    name: str
    project: Project
    url: str
    chosen: Mapping[str, str]
    credential: str = field(default="", repr=False)
    slots: int | None = None


def look(*, project: Project, url: str, credential: str) -> Found:
    """Ask a server for a project what it serves; nothing is kept.

    Raises ``WorkerUrlMalformed``, ``BackendUnreachable``, ``TooOften`` or ``Busy``.
    """
    fault = rules.fault_in_tenants_url(url)
    if fault:
        raise WorkerUrlMalformed(fault, param="url")
    limit = settings.BACKEND_QUESTIONS_PER_MIN
    rate = take(f"backend-questions:{project.public_id}", limit=limit)
    if rate is not None and not rate.allowed:
        raise TooOften(f"Servers are asked {limit} times a minute.", wait=rate.wait_s)
    if not _free.acquire(blocking=False):
        raise Busy("Too many servers are being asked at this moment. Try again.", wait=5)
    try:
        found = asking.ask(url, credential, tenants_reach())
    finally:
        _free.release()
    if found.fault:
        raise BackendUnreachable(found.fault, param="url")
    return found


def add_backend(new: NewBackend, *, by: Actor = SYSTEM) -> Backend:
    """Ask a server, and have it serve the chosen models for its project's endpoints.

    Raises what ``look`` raises, ``NameMalformed``, ``BackendModelsMalformed``, ``ModelUnknown``,
    ``BackendNameTaken`` or ``TooManyBackends``.
    """
    check_name(new.name)
    found = look(project=new.project, url=new.url, credential=new.credential)
    columns = _as_found(found)
    now = clock.now()
    columns["chosen"] = checked_choice(new.chosen, columns["found"])
    try:
        with transaction.atomic():
            _check_count(new.project)
            backend = Backend.objects.create(
                name=new.name,
                project=new.project,
                url=found.url,
                credential=vault.seal(new.credential),
                slots=new.slots,
                added_at=now,
                asked_at=now,
                **columns,
            )
            _note(backend, by, "added", {"url": backend.url, "models": backend.chosen})
            offer_models(backend, _offered(backend))
    except IntegrityError as clash:
        raise _taken(new.name) from clash
    return backend


def change_backend(*, backend: Backend, by: Actor = SYSTEM, **said: Any) -> None:
    """Change a backend's ``name``, ``slots`` or ``chosen`` models; what is not said stays.

    Raises as ``add_backend``, and ``Stale`` if it is no longer as ``backend`` shows it.
    """
    if "name" in said:
        check_name(said["name"])
    if "chosen" in said:
        said["chosen"] = checked_choice(said["chosen"], backend.found)
    try:
        with transaction.atomic():
            _change(backend, by, "changed", dict(said), **said)
    except IntegrityError as clash:
        raise _taken(said["name"]) from clash


def pause_backend(*, backend: Backend, by: Actor = SYSTEM) -> None:
    """Give a backend no new work; what runs goes on. Raises ``Stale``."""
    _change(backend, by, "paused", state=BackendState.PAUSED)


def resume_backend(*, backend: Backend, by: Actor = SYSTEM) -> None:
    """Let a paused backend serve again. Raises ``Stale``."""
    _change(backend, by, "resumed", state=BackendState.ACTIVE)


def rekey_backend(*, backend: Backend, credential: str, by: Actor = SYSTEM) -> None:
    """Use another credential from now on, once the server took it. Raises as ``look``."""
    found = look(project=backend.project, url=backend.url, credential=credential)
    with transaction.atomic():
        sealed = vault.seal(credential)
        columns = {**_as_found(found), "asked_at": clock.now()}
        _change(backend, by, "rekeyed", credential=sealed, **columns)
        _announce_workers(backend)


def ask_again(*, backend: Backend) -> None:
    """Ask a backend what it serves by now, with the credential it has. Raises as ``look``."""
    credential = vault.unseal(backend.credential)
    found = look(project=backend.project, url=backend.url, credential=credential)
    # The version stays: what people decided is as it was.
    columns = {**_as_found(found), "asked_at": clock.now()}
    Backend.objects.filter(pk=backend.pk).update(**columns)
    backend.refresh_from_db()


def remove_backend(*, backend: Backend, by: Actor = SYSTEM) -> None:
    """Ask a backend nothing any more, and forget its credential. Raises ``BackendUnknown``.

    The row stays, because usage names what served it.
    """
    _change(backend, by, "removed", state=BackendState.REMOVED, credential="", chosen={})


def reseal_credentials(*, work: vault.Resealing) -> None:
    """Seal backends' credentials with the newest key of the keyring."""
    with transaction.atomic():
        for backend in Backend.objects.exclude(credential="").select_for_update().order_by("pk"):
            renewed = work.of(f"credential of the backend {backend.public_id}", backend.credential)
            if renewed != backend.credential:
                Backend.objects.filter(pk=backend.pk).update(credential=renewed)
                _note(backend, SYSTEM, "resealed", {})
                _announce_workers(backend)


def checked_choice(chosen: Mapping[str, str], found: list[dict[str, Any]]) -> dict[str, str]:
    """Return a choice of models in the server's and the catalog's own writing.

    Raises ``BackendModelsMalformed`` or ``ModelUnknown``.
    """
    if not 0 < len(chosen) <= CHOSEN_MAX:
        raise BackendModelsMalformed(
            f"Choose 1 to {CHOSEN_MAX} of the models it serves.", param="models"
        )
    served = {one["name"].lower(): one["name"] for one in found}
    return {_served(name, served): _known(model) for name, model in chosen.items()}


def _served(name: str, served: Mapping[str, str]) -> str:
    if name.lower() not in served:
        raise BackendModelsMalformed(
            f"It serves no “{name}”. It serves: {', '.join(list(served.values())[:20])}.",
            param="models",
        )
    return served[name.lower()]


def _known(name: str) -> str:
    model = catalog.listed_model(name)
    if model is None:
        raise ModelUnknown(
            f"The catalog lists no model “{name}”. Choose one of its models, or ask the operator "
            "to add this one.",
            param="models",
        )
    return model.name


def _as_found(found: Found) -> dict[str, Any]:
    rows = [
        {"name": one.name, "context_length": one.context_length, "engine": one.engine}
        for one in found.models
    ]
    return {"found": rows, "operations": list(found.operations)}


def _offered(backend: Backend) -> list[Offered]:
    """Return what a backend shall serve now."""
    if backend.state != BackendState.ACTIVE:
        return []
    known = {one["name"]: one for one in backend.found}
    return [
        Offered(
            served_name=name,
            model_name=model.name,
            operations=rules.operations_of(model.task, backend.operations),
            slots=backend.slots,
            context_length=known.get(name, {}).get("context_length"),
            engine=known.get(name, {}).get("engine", ""),
        )
        for name, wanted in backend.chosen.items()
        if (model := catalog.model_named(wanted)) is not None
    ]


def _announce_workers(backend: Backend) -> None:
    for primary_key in touch_workers(backend=backend):
        outbox.announce("worker", primary_key)


def _change(
    backend: Backend,
    by: Actor,
    what: str,
    after: dict[str, object] | None = None,
    **columns: Any,
) -> None:
    with transaction.atomic():
        living = Backend.objects.filter(pk=backend.pk).exclude(state=BackendState.REMOVED)
        seen = living.filter(version=backend.version)
        if not seen.update(version=F("version") + 1, **columns):
            _refuse(living.exists())
        backend.refresh_from_db()
        _note(backend, by, what, after or {})
        offer_models(backend, _offered(backend))


def _refuse(is_there: bool) -> None:
    if is_there:
        raise Stale("The backend has changed since you read it. Read it again.")
    raise BackendUnknown("This backend was removed. Add it as a new one.")


def _check_count(project: Project) -> None:
    projects.locked(project)  # Many may be added at once.
    most = settings.BACKENDS_PER_PROJECT
    if selectors.backends_of(project=project).count() >= most:
        raise TooManyBackends(f"This project may have {most} backends. Remove one first.")


def _taken(name: str) -> BackendNameTaken:
    return BackendNameTaken(f"There is a backend named “{name}” already.", param="name")


def _note(backend: Backend, by: Actor, what: str, after: dict[str, object]) -> None:
    audit.record(
        by=by,
        action=f"backend.{what}",
        project=backend.project.public_id,
        subject=("backend", backend.public_id),
        after={"name": backend.name, **after},
    )
