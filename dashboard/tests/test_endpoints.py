"""Endpoints by page: made, checked while typed, paused, retired."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from catalog.services import load_defaults
from dashboard.tests.cast import signed_in
from endpoints.models import Endpoint, EndpointState
from projects.models import Project
from projects.rules import Role
from tests.make import make_endpoint, make_user, make_worker, seat


@pytest.fixture
def page(ada: User) -> Client:
    load_defaults()
    make_worker()
    return signed_in(ada)


def base(project: Project) -> str:
    return f"/dashboard/{project.public_id}/endpoints/"


def said(**changes: str) -> dict[str, str]:
    return {"model": "smollm2-135m-instruct", "tier": "free", "slug": "chat", **changes}


def test_created_endpoint_is_shown_with_its_url(page: Client, acme: Project, ada: User) -> None:
    answer = page.post(base(acme) + "new/", said(), follow=True)

    made = Endpoint.objects.get()
    assert (made.project, made.slug, made.tier.slug) == (acme, "chat", "free")
    assert made.created_by == ada
    assert answer.redirect_chain == [(base(acme) + "chat/", 302)]
    assert f"/{acme.public_id}/chat/v1" in answer.content.decode()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        pytest.param({"slug": "Chat"}, "Use lower-case letters only.", id="upper case"),
        pytest.param({"slug": ""}, "Give the endpoint a slug.", id="no slug"),
        pytest.param({"slug": "new"}, "This word is reserved; choose another.", id="reserved"),
        pytest.param({"model": ""}, "Choose a model.", id="no model"),
        pytest.param({"model": "gone"}, "The catalog lists no model", id="unlisted model"),
        pytest.param({"tier": "gone"}, "There is no tier", id="unknown tier"),
    ],
)
def test_refused_endpoint_keeps_what_was_typed(
    page: Client, acme: Project, changes: dict[str, str], fault: str
) -> None:
    answer = page.post(base(acme) + "new/", said(**changes))

    text = answer.content.decode()
    assert answer.status_code == 422
    assert fault in text
    assert f'value="{changes.get("slug", "chat")}"' in text or changes.get("slug") == ""
    assert not Endpoint.objects.exists()


def test_third_free_endpoint_is_refused_beside_the_tier(page: Client, acme: Project) -> None:
    make_endpoint(acme, "one", tier="free")
    make_endpoint(acme, "two", tier="free")

    answer = page.post(base(acme) + "new/", said())

    assert answer.status_code == 422
    assert answer.context["page"].form.errors["tier"]
    assert Endpoint.objects.count() == 2


@pytest.mark.parametrize(
    ("slug", "words"),
    [
        pytest.param("fresh", "Available.", id="free"),
        pytest.param("taken", "Slugs are never reused.", id="taken"),
        pytest.param("Not good", "Use lower-case letters only.", id="malformed"),
        pytest.param("theirs", "Available.", id="taken next door only"),
    ],
)
def test_slug_is_checked_while_typed(
    page: Client, acme: Project, rival: Project, slug: str, words: str
) -> None:
    make_endpoint(acme, "taken")
    make_endpoint(rival, "theirs")

    answer = page.get(base(acme) + "new/slug/", {"slug": slug})

    assert words in answer.content.decode()
    assert "<html" not in answer.content.decode()


def test_endpoint_is_paused_and_resumed(page: Client, acme: Project) -> None:
    endpoint = make_endpoint(acme, "chat")

    page.post(base(acme) + "chat/pause/")
    endpoint.refresh_from_db()
    paused = endpoint.state
    page.post(base(acme) + "chat/resume/")
    endpoint.refresh_from_db()

    assert (paused, endpoint.state) == (EndpointState.PAUSED, EndpointState.ACTIVE)


def test_retiring_asks_for_the_exact_slug(page: Client, acme: Project) -> None:
    endpoint = make_endpoint(acme, "chat")

    wrong = page.post(base(acme) + "chat/retire/", {"confirmation": "Chat"})
    endpoint.refresh_from_db()
    after_wrong = endpoint.state
    right = page.post(base(acme) + "chat/retire/", {"confirmation": "chat"})
    endpoint.refresh_from_db()

    assert (wrong.status_code, after_wrong) == (422, EndpointState.ACTIVE)
    assert "Type chat exactly." in wrong.content.decode()
    assert (right.status_code, endpoint.state) == (302, EndpointState.RETIRED)


@pytest.mark.parametrize("act", ["pause", "resume", "retire"])
def test_nothing_changes_by_reading(page: Client, acme: Project, act: str) -> None:
    endpoint = make_endpoint(acme, "chat")

    page.get(base(acme) + f"chat/{act}/")

    endpoint.refresh_from_db()
    assert endpoint.state == EndpointState.ACTIVE


@pytest.mark.parametrize("act", ["pause", "resume", "retire"])
def test_member_changes_only_endpoints_of_their_own(acme: Project, act: str) -> None:
    endpoint = make_endpoint(acme, "chat")
    member = make_user()
    seat(acme, member, Role.MEMBER)

    answer = signed_in(member).post(base(acme) + f"chat/{act}/", {"confirmation": "chat"})

    endpoint.refresh_from_db()
    assert (answer.status_code, endpoint.state) == (403, EndpointState.ACTIVE)


@pytest.mark.parametrize("act", ["pause", "resume", "retire"])
def test_rival_cannot_touch_an_endpoint(acme: Project, rex: User, rival: Project, act: str) -> None:
    endpoint = make_endpoint(acme, "chat")

    through_ours = signed_in(rex).post(base(acme) + f"chat/{act}/", {"confirmation": "chat"})
    through_theirs = signed_in(rex).post(base(rival) + f"chat/{act}/", {"confirmation": "chat"})

    endpoint.refresh_from_db()
    assert (through_ours.status_code, through_theirs.status_code) == (404, 404)
    assert endpoint.state == EndpointState.ACTIVE


def test_list_holds_only_ours(page: Client, acme: Project, rival: Project) -> None:
    make_endpoint(acme, "ours")
    make_endpoint(rival, "theirs")

    listed = page.get(base(acme)).context["page"].endpoints

    assert [row.slug for row, _ in listed] == ["ours"]
