"""What each role may do to whom, as tables; and which slug somebody's words make."""

from __future__ import annotations

import re

import pytest

from projects.rules import (
    SLUG,
    Role,
    is_at_least,
    lesser,
    may_hand_out,
    may_touch,
    name_in_letters,
    slug_from,
)

OWNER, ADMIN, MEMBER, VIEWER = Role.OWNER, Role.ADMIN, Role.MEMBER, Role.VIEWER
FROM_LEAST = [VIEWER, MEMBER, ADMIN, OWNER]


@pytest.mark.parametrize("floor", FROM_LEAST)
@pytest.mark.parametrize("role", FROM_LEAST)
def test_role_carries_everything_that_those_below_it_do(role: Role, floor: Role) -> None:
    carries = FROM_LEAST.index(role) >= FROM_LEAST.index(floor)

    assert is_at_least(role, floor) is carries
    assert lesser(role, floor) == (floor if carries else role)
    assert lesser(role.value, floor.value) == lesser(floor, role)


@pytest.mark.parametrize(
    ("giver", "roles"),
    [
        (OWNER, {OWNER, ADMIN, MEMBER, VIEWER}),
        (ADMIN, {ADMIN, MEMBER, VIEWER}),
        (MEMBER, set()),
        (VIEWER, set()),
    ],
)
def test_admins_hand_out_every_role_but_owner_and_members_none(
    giver: Role, roles: set[Role]
) -> None:
    assert {role for role in Role if may_hand_out(giver, role)} == roles


@pytest.mark.parametrize(
    ("actor", "targets"),
    [
        (OWNER, {OWNER, ADMIN, MEMBER, VIEWER}),
        (ADMIN, {ADMIN, MEMBER, VIEWER}),
        (MEMBER, set()),
        (VIEWER, set()),
    ],
)
def test_nobody_touches_a_seat_above_their_own_and_members_none(
    actor: Role, targets: set[Role]
) -> None:
    assert {role for role in Role if may_touch(actor, role)} == targets


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("x" * 40, "x" * 40),
        ("x" * 41, f"{'x' * 39}…"),
        ("  Acme \n Inc  ", "Acme Inc"),
        ("see evil.example", "acme"),
        ("WWW.evil", "acme"),
        ("ada@example", "acme"),
        ("ftp://x", "acme"),
        ("Acme v1.0", "Acme v1.0"),
    ],
)
def test_name_in_a_letter_is_short_and_no_link(name: str, shown: str) -> None:
    assert name_in_letters(name, "acme") == shown


@pytest.mark.parametrize(
    ("words", "slug"),
    [
        ("ada", "ada"),
        ("Ada Lovelace", "ada-lovelace"),
        ("ada.lovelace+x", "ada-lovelace-x"),
        ("  --Ada--  ", "ada"),
        ("42-answers", "answers"),
        ("7up", "up"),
        ("größe", "gr-e"),
        ("x" * 60, "x" * 26),
        (f"{'x' * 25}-tail", "x" * 25),
        ("", "project"),
        ("名前", "project"),
        ("a", "project"),
        ("123", "project"),
    ],
)
def test_words_become_a_slug_with_room_for_a_number(words: str, slug: str) -> None:
    assert slug_from(words) == slug
    assert re.match(SLUG, slug)
    assert len(slug) <= 26
