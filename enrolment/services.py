"""Join keys are made and closed here. Who comes with one is written by ``joining``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from agents.services import check_tiers
from audit import services as audit
from common import clock
from common.actor import SYSTEM, Actor
from common.names import check_name, check_region
from enrolment import rules, secrets, selectors
from enrolment.errors import JoinKeyMalformed, JoinKeyNameTaken, TooManyJoinKeys
from enrolment.models import JoinKey
from projects import selectors as projects

if TYPE_CHECKING:
    from projects.models import Project


@dataclass(frozen=True, slots=True)
class NewJoinKey:
    """What is said of a join key when it is made. Without a ``project`` it is the operator's."""

    name: str
    project: Project | None
    region: str = ""
    tiers: Sequence[str] = ()
    name_pattern: str = ""
    needs_approval: bool = False
    uses_max: int | None = 1
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IssuedJoinKey:
    """A join key together with its secret, for the one response that may show it."""

    join_key: JoinKey
    secret: str = field(repr=False)


def issue_join_key(
    new: NewJoinKey, *, issuer_pk: int | None = None, by: Actor = SYSTEM
) -> IssuedJoinKey:
    """Make a join key. ``issuer_pk``: the person; whether they may is the edge's question.

    Raises ``NameMalformed``, ``RegionMalformed``, ``JoinKeyMalformed``, ``TierNotForWorkers``,
    ``JoinKeyNameTaken`` or ``TooManyJoinKeys``.
    """
    check_new(new)
    secret = secrets.mint(new.project.slug if new.project else "")
    columns = {name: getattr(new, name) for name in new.__slots__} | {"tiers": list(new.tiers)}
    try:
        with transaction.atomic():
            _check_count(new.project)
            row = JoinKey.objects.create(
                digest=secret.digest,
                hint=secret.hint,
                issued_by_id=issuer_pk,
                issued_at=clock.now(),
                **columns,
            )
            told = {name: columns[name] for name in ("region", "tiers", "uses_max", "expires_at")}
            _note(row, by, "issued", {"name": row.name, "hint": row.hint, **told})
    except IntegrityError as clash:
        raise JoinKeyNameTaken(
            f"There is an open join key named “{new.name}” already.", param="name"
        ) from clash
    return IssuedJoinKey(row, secret.plain)


def revoke_join_key(*, join_key: JoinKey, by: Actor = SYSTEM) -> bool:
    """Let no more machines in by it; say whether it did until now. Those that came stay."""
    with transaction.atomic():
        still = JoinKey.objects.filter(pk=join_key.pk, revoked_at=None)
        changed = still.update(revoked_at=clock.now())
        if changed:
            _note(join_key, by, "revoked", {"name": join_key.name})
    return bool(changed)


def check_new(new: NewJoinKey) -> None:
    """Refuse what no join key may say. Raises as ``issue_join_key`` but for name and number."""
    check_name(new.name)
    check_region(new.region)
    check_tiers(new.tiers, new.project)
    fault = rules.fault_in_pattern(new.name_pattern)
    if fault:
        raise JoinKeyMalformed(fault, param="name_pattern")
    if new.uses_max is not None and not 0 < new.uses_max <= rules.USES_MAX:
        raise JoinKeyMalformed(
            f"A join key lets in 1 to {rules.USES_MAX} machines, or any number.", param="uses_max"
        )
    if new.expires_at is not None and new.expires_at <= clock.now():
        raise JoinKeyMalformed("Choose an expiry that lies ahead.", param="expires_at")


def _check_count(project: Project | None) -> None:
    if project is not None:
        projects.locked(project)  # Many may be asked for at once.
    if selectors.open_keys(project=project, moment=clock.now()).count() >= rules.LIVE_MAX:
        raise TooManyJoinKeys(
            f"There are {rules.LIVE_MAX} open join keys, the most there may be. Revoke those "
            "that nobody uses."
        )


def _note(row: JoinKey, by: Actor, act: str, after: dict[str, object]) -> None:
    audit.record(
        by=by,
        action=f"join_key.{act}",
        project=row.project.public_id if row.project else "",
        subject=("join_key", row.public_id),
        after=after,
    )
