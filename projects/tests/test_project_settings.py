"""A second factor may be asked for; an end takes seven days and can be taken back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator

from accounts.models import User
from audit.models import AuditEntry
from common import clock
from projects import access, services
from projects.errors import (
    ProjectMarkedForDeletion,
    ProjectNotFound,
    ProjectNotMarked,
    SecondFactorRequired,
    SlugNotConfirmed,
)
from projects.models import Membership, Project
from projects.rules import Role
from tests.make import make_user, seat


def give_factor(user: User) -> None:
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})


def test_owner_without_a_factor_cannot_ask_for_one(ada: User, acme: Project) -> None:
    with pytest.raises(SecondFactorRequired):
        services.require_second_factor(seat=access.seat(ada, acme.public_id), is_required=True)

    acme.refresh_from_db()
    assert not acme.requires_second_factor


def test_project_that_asks_for_a_factor_lets_in_only_who_has_one(ada: User, acme: Project) -> None:
    bob = make_user("bob")
    seat(acme, bob, Role.ADMIN)
    give_factor(ada)
    own = access.seat(ada, acme.public_id)
    services.require_second_factor(seat=own, is_required=True)

    with pytest.raises(SecondFactorRequired):
        access.seat(bob, acme.public_id)
    with pytest.raises(ProjectNotFound):
        access.seat(make_user("eve"), acme.public_id)
    assert access.seat(ada, acme.public_id).role == "owner"

    services.require_second_factor(seat=own, is_required=False)
    assert access.seat(bob, acme.public_id).role == "admin"


def test_recovery_codes_alone_are_no_second_factor(ada: User, acme: Project) -> None:
    Authenticator.objects.create(user=ada, type=Authenticator.Type.RECOVERY_CODES, data={})
    Project.objects.update(requires_second_factor=True)

    with pytest.raises(SecondFactorRequired):
        access.seat(ada, acme.public_id)


def test_deleting_asks_for_the_slug(acme: Project) -> None:
    with pytest.raises(SlugNotConfirmed):
        services.mark_for_deletion(project=acme, slug="rival")

    acme.refresh_from_db()
    assert acme.delete_after is None


def test_marked_project_can_be_looked_at_and_restored_and_nothing_else(
    ada: User, acme: Project
) -> None:
    before = clock.now()
    services.mark_for_deletion(project=acme, slug="acme")

    acme.refresh_from_db()
    assert acme.delete_after is not None
    assert timedelta(0) <= acme.delete_after - before - timedelta(days=7) < timedelta(minutes=1)
    assert access.seat(ada, acme.public_id).role == "owner"
    with pytest.raises(ProjectMarkedForDeletion):
        access.seat(ada, acme.public_id, at_least=Role.MEMBER)
    own = access.seat(ada, acme.public_id, at_least=Role.OWNER, even_marked=True)

    services.restore_project(project=own.project)

    assert access.seat(ada, acme.public_id, at_least=Role.OWNER).role == "owner"


def test_marking_twice_keeps_the_first_moment(acme: Project) -> None:
    services.mark_for_deletion(project=acme, slug="acme")
    acme.refresh_from_db()
    first = acme.delete_after

    services.mark_for_deletion(project=Project.objects.get(pk=acme.pk), slug="acme")

    acme.refresh_from_db()
    assert acme.delete_after == first
    assert AuditEntry.objects.filter(action="project.marked_for_deletion").count() == 1


def test_there_is_nothing_to_restore_in_a_living_or_an_ended_project(acme: Project) -> None:
    with pytest.raises(ProjectNotMarked):
        services.restore_project(project=acme)
    Project.objects.update(delete_after=clock.now())
    services.purge_due()

    with pytest.raises(ProjectNotMarked):
        services.restore_project(project=acme)


def test_end_takes_the_seats(ada: User, acme: Project, rival: Project) -> None:
    services.mark_for_deletion(project=acme, slug="acme")
    assert services.purge_due() == 0
    Project.objects.filter(pk=acme.pk).update(delete_after=clock.now())

    assert services.purge_due() == 1

    assert services.purge_due() == 0
    assert not Membership.objects.filter(project=acme).exists()
    assert Membership.objects.filter(project=rival).count() == 1
    with pytest.raises(ProjectNotFound):
        access.seat(ada, acme.public_id)
