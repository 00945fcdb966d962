"""What each role may do, and what a project's slug may look like."""

from __future__ import annotations

import re

from django.db.models import TextChoices

SLUG = r"^[a-z][a-z0-9-]{1,31}$"
SLUG_MAX = 32


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
