"""Another project by page."""

from __future__ import annotations

import pytest

from accounts.models import User
from apikeys.models import ApiKey
from dashboard.tests.cast import signed_in
from endpoints.models import Endpoint
from projects.models import Membership, Project
from projects.rules import Role
from tests.make import make_model, make_tier, make_worker


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


def test_newcomer_starts_with_an_endpoint_and_a_key_ready_to_use(ada: User) -> None:
    make_tier("free")
    make_model()
    make_worker()
    page = signed_in(ada)

    asked = page.get("/dashboard/", follow=True).context["page"]
    answer = page.post("/dashboard/new/", {"name": "Ada", "slug": "ada", "starts": "on"})

    shown = answer.context["page"]
    endpoint, key = Endpoint.objects.get(), ApiKey.objects.get()
    assert (asked.is_first, asked.start) == (True, "SmolLM2 135M Instruct")
    assert (asked.form["name"].value(), asked.form["slug"].value()) == ("ada", "ada")
    assert (endpoint.slug, endpoint.tier.slug, key.endpoint) == ("chat", "free", endpoint)
    assert shown.run.path == f"/{endpoint.project.public_id}/chat/v1/chat/completions"
    assert "no-store" in answer["Cache-Control"]


def test_nothing_is_promised_where_no_machine_serves(ada: User) -> None:
    make_tier("free")
    make_model()

    shown = signed_in(ada).get("/dashboard/new/")
    answer = signed_in(ada).post("/dashboard/new/", {"name": "A", "slug": "ada", "starts": "on"})

    assert "Begin with an endpoint" not in shown.content.decode()
    assert answer.status_code == 302
    assert not Endpoint.objects.exists()
