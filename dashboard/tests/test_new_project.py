"""Another project by page."""

from __future__ import annotations

import pytest

from accounts.models import User
from dashboard.tests.cast import signed_in
from projects.models import Membership, Project
from projects.rules import Role


def test_whoever_opens_a_project_owns_it(ada: User, acme: Project) -> None:
    answer = signed_in(ada).post("/dashboard/new/", {"name": "Second", "slug": "second"})

    made = Project.objects.get(slug="second")
    assert answer["Location"] == f"/dashboard/{made.public_id}/"
    assert Membership.objects.get(project=made).role == Role.OWNER
    assert Membership.objects.get(project=made).user == ada


@pytest.mark.parametrize(
    ("said", "field", "fault"),
    [
        pytest.param({"name": ""}, "name", "Give the project a name.", id="no name"),
        pytest.param({"slug": "Two Words"}, "slug", "lower-case letters", id="malformed"),
        pytest.param({"slug": "acme"}, "slug", "is taken", id="taken"),
    ],
)
def test_refused_project_says_why_beside_its_field(
    ada: User, acme: Project, said: dict[str, str], field: str, fault: str
) -> None:
    answer = signed_in(ada).post("/dashboard/new/", {"name": "Second", "slug": "second", **said})

    form = answer.context["page"].form
    assert answer.status_code == 422
    assert fault in form.errors[field][0]
    assert form["name"].value() == said.get("name", "Second")
    assert Project.objects.count() == 1
