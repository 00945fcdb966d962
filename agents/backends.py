"""A project's own servers by URL: asked first, added, changed, paused, removed.

Nothing else writes these rows. The URL is for life: a credential never follows to another. What a
backend serves is a worker for each model its owner chose (``services.offer_models``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F

from agents import chosen, selectors
from agents.asking import look
from agents.errors import BackendNameTaken, BackendUnknown, TooManyBackends
from agents.models import Backend, BackendState
from agents.services import offer_models, touch_workers
from audit import services as audit
from common import outbox, vault
from common.actor import SYSTEM, Actor
from common.names import check_name
from common.problems import Stale
from projects import selectors as projects

if TYPE_CHECKING:
    from projects.models import Project

SLOTS_MAX = 10_000
CREDENTIAL_MAX = 2000


@dataclass(frozen=True, slots=True)
class NewBackend:
    """What is said of a backend when it is added. ``chosen``: its name for each model → ours."""

    name: str
    project: Project
    url: str
    chosen: Mapping[str, str]
    credential: str = field(default="", repr=False)
    slots: int | None = None


def add_backend(new: NewBackend, *, by: Actor = SYSTEM) -> Backend:
    """Ask a server, and have it serve the chosen models for its project's endpoints.

    Raises what ``asking.look`` raises, ``NameMalformed``, ``BackendModelsMalformed``,
    ``ModelUnknown``, ``BackendNameTaken`` or ``TooManyBackends``.
    """
    check_name(new.name)
    found = look(project=new.project, url=new.url, credential=new.credential)
    columns = chosen.as_found(found)
    columns["chosen"] = chosen.checked(new.chosen, columns["found"])
    try:
        with transaction.atomic():
            _check_count(new.project)
            backend = Backend.objects.create(
                name=new.name,
                project=new.project,
                url=found.url,
                credential=vault.seal(new.credential),
                slots=new.slots,
                added_at=columns["asked_at"],
                **columns,
            )
            _note(backend, by, "added", {"url": backend.url, "models": backend.chosen})
            offer_models(backend, chosen.offered(backend))
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
        said["chosen"] = chosen.checked(said["chosen"], backend.found)
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
    """Use another credential from now on, once the server took it. Raises as ``asking.look``."""
    found = look(project=backend.project, url=backend.url, credential=credential)
    with transaction.atomic():
        sealed = vault.seal(credential)
        _change(backend, by, "rekeyed", credential=sealed, **chosen.as_found(found))
        _announce_workers(backend)


def ask_again(*, backend: Backend) -> None:
    """Ask a backend what it serves by now, with the credential it has. Raises as ``look``."""
    credential = vault.unseal(backend.credential)
    found = look(project=backend.project, url=backend.url, credential=credential)
    # The version stays: what people decided is as it was.
    Backend.objects.filter(pk=backend.pk).update(**chosen.as_found(found))
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
        offer_models(backend, chosen.offered(backend))


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
