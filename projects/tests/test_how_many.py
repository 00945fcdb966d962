"""Projects a person may own, and open within a day."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from common import clock
from projects.errors import TooManyProjects
from projects.models import Membership, Project
from projects.rules import Role
from projects.services import open_project
from tests.make import seat

pytestmark = pytest.mark.django_db


def open_some(owner: User, count: int) -> None:
    for number in range(count):
        open_project(owner=owner, name="N", slug=f"p{Project.objects.count()}-{number}")


def test_person_owns_so_many_projects_and_no_more(
    ada: User, rex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "PROJECTS_PER_PERSON", 3)
    monkeypatch.setattr(settings, "PROJECTS_PER_DAY", 100)
    open_some(ada, 3)

    with pytest.raises(TooManyProjects, match="You own 3 projects"):
        open_some(ada, 1)

    handed_over = Project.objects.latest("pk")
    seat(handed_over, rex, Role.OWNER)
    Membership.objects.filter(user=ada, project=handed_over).update(role=Role.ADMIN)
    open_some(ada, 1)


def test_person_opens_so_many_projects_a_day_and_no_more(
    ada: User, rex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "PROJECTS_PER_PERSON", 100)
    monkeypatch.setattr(settings, "PROJECTS_PER_DAY", 2)
    open_some(ada, 2)

    with pytest.raises(TooManyProjects, match="within a day"):
        open_some(ada, 1)
    open_some(rex, 1)

    Project.objects.update(created_at=clock.now() - timedelta(days=1, seconds=1))
    open_some(ada, 1)


def test_projects_opened_at_the_page_are_bounded_and_the_page_says_so(
    ada: User, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    monkeypatch.setattr(settings, "PROJECTS_PER_PERSON", 1)
    open_some(ada, 1)
    client.force_login(ada)

    answer = client.post("/dashboard/new/", {"name": "Two", "slug": "two"})

    assert answer.status_code == 422
    assert "You own 1 projects" in answer.content.decode()
