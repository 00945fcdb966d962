"""One person, one free allowance a month: however many projects, owners and hand-overs."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from accounts.models import User
from common import clock
from endpoints import allowance
from endpoints.errors import AllowanceElsewhere
from endpoints.models import AllowanceClaim, Endpoint
from endpoints.services import NewEndpoint, change_endpoint, open_endpoint, retire_endpoint
from projects.models import Membership, Project
from projects.rules import Role
from tests.make import make_endpoint, make_model, make_project, make_tier, make_user, seat

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch, db: None) -> list[datetime]:
    """Return a list whose one item is the present."""
    present = [START]
    monkeypatch.setattr(clock, "now", lambda: present[0])
    for slug in ("free", "gpu_nvidia_shared"):
        make_tier(slug).terms.update(effective_from=START - timedelta(days=90))
    return present


def holds(project: Project) -> bool:
    return allowance.is_held(project=project, tier=make_tier("free"))


def test_second_project_of_a_person_gets_no_allowance_this_month(
    ada: User, acme: Project, time: list[datetime]
) -> None:
    make_endpoint(acme, "one", tier="free")
    make_endpoint(acme, "two", tier="free")
    second = make_project(owner=ada)

    with pytest.raises(AllowanceElsewhere) as refused:
        make_endpoint(second, "three", tier="free")

    assert acme.name in refused.value.message
    assert not Endpoint.objects.filter(project=second).exists()
    make_endpoint(second, "three", tier="gpu_nvidia_shared")


def test_allowance_that_was_given_up_moves_only_when_a_month_begins(
    ada: User, acme: Project, time: list[datetime]
) -> None:
    endpoint = make_endpoint(acme, "one", tier="free")
    second = make_project(owner=ada)
    retire_endpoint(endpoint=endpoint)
    assert not holds(acme)

    with pytest.raises(AllowanceElsewhere):
        make_endpoint(second, "two", tier="free")
    make_endpoint(acme, "again", tier="free")
    change_endpoint(
        endpoint=Endpoint.objects.select_related("project", "tier", "model").get(slug="again"),
        tier=make_tier("gpu_nvidia_shared"),
    )

    time[0] = datetime(2026, 12, 1, 0, 0, 1, tzinfo=UTC)
    make_endpoint(second, "two", tier="free")
    assert holds(second)


def test_project_that_is_handed_over_waits_for_its_new_owners_allowance(
    ada: User, rex: User, acme: Project, rival: Project, time: list[datetime]
) -> None:
    make_endpoint(acme, "chat", tier="free")
    make_endpoint(rival, "chat", tier="free")
    seat(acme, rex, Role.OWNER)
    Membership.objects.filter(project=acme, user=ada).update(role=Role.ADMIN)

    assert allowance.settle_all() == [(acme.pk, make_tier("free").pk)]
    assert not holds(acme)
    assert holds(rival)

    # Ada's is used up with acme until the month is over.
    third = make_project(owner=ada)
    with pytest.raises(AllowanceElsewhere):
        make_endpoint(third, "chat", tier="free")


@pytest.mark.parametrize("seed", range(5))
def test_no_person_has_two_allowances_in_a_month_whatever_is_done(
    time: list[datetime], seed: int
) -> None:
    """Against a plain model: whose allowance each project used in each month."""
    chance = random.Random(seed)
    people = [make_user() for _ in range(3)]
    projects = [make_project(owner=chance.choice(people)) for _ in range(25)]
    used: dict[tuple[int, int, int], set[int]] = defaultdict(set)

    for _ in range(150):
        project = chance.choice(projects)
        act = chance.randrange(4)
        if act == 0:
            _open(project)
        elif act == 1:
            for endpoint in Endpoint.objects.filter(project=project).exclude(state="retired")[:1]:
                retire_endpoint(endpoint=endpoint)
        elif act == 2:
            heir = chance.choice(people)
            Membership.objects.filter(project=project).delete()
            seat(project, heir, Role.OWNER)
        else:
            allowance.settle_all()
        time[0] += timedelta(hours=chance.randrange(20))
        for claim in AllowanceClaim.objects.filter(ended_at=None):
            used[claim.person_id, time[0].year, time[0].month].add(claim.project_id)

    assert used
    assert all(len(projects) == 1 for projects in used.values()), used


def _open(project: Project) -> None:
    try:
        open_endpoint(
            NewEndpoint(
                project=project,
                slug=f"e{random.randrange(10**9)}",
                model=make_model(),
                tier=make_tier("free"),
            )
        )
    except AllowanceElsewhere:
        pass
    except Exception as fault:
        if "room for" not in str(fault):
            raise


@pytest.mark.django_db(transaction=True)
def test_projects_that_ask_at_once_get_one_allowance_between_them(ada: User) -> None:
    make_tier("free")
    make_model()
    projects = [make_project(owner=ada) for _ in range(6)]

    def ask(project: Project) -> None:
        _open(project)
        connection.close()

    threads = [threading.Thread(target=ask, args=(project,)) for project in projects]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert AllowanceClaim.objects.count() == Endpoint.objects.count() == 1
