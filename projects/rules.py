"""What each role may do, and what a project's slug may look like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import TextChoices

SLUG = r"^[a-z][a-z0-9-]{1,31}$"
SLUG_MAX = 32
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAME_IN_LETTERS = 40


class Role(TextChoices):
    """What a member may do. The order is from most to least."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


_RANK = {"viewer": 0, "member": 1, "admin": 2, "owner": 3}


def is_at_least(role: str, floor: str) -> bool:
    """Say whether a role carries everything that ``floor`` carries."""
    return _RANK[role] >= _RANK[floor]


def lesser(one: str, other: str) -> Role:
    """Return the role that carries less."""
    return Role(one if is_at_least(other, one) else other)


def may_hand_out(giver: str, role: str) -> bool:
    """Say whether someone may give another this role: admins any but owner, owners any."""
    return giver == Role.OWNER or (giver == Role.ADMIN and role != Role.OWNER)


def may_touch(actor: str, target: str) -> bool:
    """Say whether someone may change or take the seat of another: nobody above their own."""
    return is_at_least(actor, Role.ADMIN) and is_at_least(actor, target)


def slug_from(words: str) -> str:
    """Make a well-formed project slug out of somebody's words, such as an e-mail's first part."""
    slug = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
    slug = re.sub(r"^[^a-z]+", "", slug)[: SLUG_MAX - 6].rstrip("-")
    return slug if re.match(SLUG, slug) else "project"


@dataclass(frozen=True, slots=True)
class Wait:
    """How long the next letter has to wait, and what for."""

    time: timedelta
    reason: str


def wait_for_letter(
    now: datetime,
    *,
    project: Sequence[datetime],
    mailbox: Sequence[datetime],
    again: Sequence[datetime],
    limits: tuple[int, int],
) -> Wait | None:
    """Say whether an invitation has to wait: for the project's day, or for the mailbox.

    ``project`` and ``mailbox`` are when letters were sent there, or thence, in the last day;
    ``again`` when the same project or person wrote to this mailbox.
    """
    per_project, per_mailbox = limits
    rules = (
        (again, 1, HOUR, "This address was invited less than an hour ago. Wait before you repeat."),
        (mailbox, per_mailbox, DAY, "This address was invited often enough today."),
        (project, per_project, DAY, f"A project sends {per_project} invitations a day."),
    )
    for sent, limit, period, reason in rules:
        lately = sorted(moment for moment in sent if now - moment < period)
        if len(lately) >= limit:
            return Wait(lately[len(lately) - limit] + period - now, reason)
    return None


def name_in_letters(name: str, slug: str) -> str:
    """Return a project's name for a letter to a stranger; its slug where it could be a link.

    The name is the sender's own words: it must not carry an address or an advertisement.
    """
    plain = " ".join(name.split())
    if re.search(r"://|www\.|@|\w\.\w{2,}", plain, re.IGNORECASE):
        return slug
    return plain if len(plain) <= NAME_IN_LETTERS else f"{plain[: NAME_IN_LETTERS - 1]}…"
