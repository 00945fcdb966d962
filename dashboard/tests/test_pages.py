"""Every page of a project: who may see it, and that its template asks nothing more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.messages.storage.cookie import CookieStorage
from django.template.response import TemplateResponse
from django.test import Client, RequestFactory
from django.urls import resolve

from accounts.models import User
from audit.models import AuditEntry
from catalog.services import load_defaults
from dashboard.tests.cast import database_blocked, signed_in, used
from enrolment.models import JoinKey
from projects import access, invitations
from projects.models import Project
from projects.rules import Role
from tests.lasting import lasting
from tests.make import (
    make_agent,
    make_backend,
    make_endpoint,
    make_key,
    make_project,
    make_user,
    seat,
)
from usage.budgets import set_budget

pytestmark = pytest.mark.django_db
LEAVE = "settings/leave/"
"""The one change that is everybody's own."""
READABLE = (
    "",
    "endpoints/",
    "endpoints/chat/",
    "keys/",
    "keys/{key}/",
    "machines/",
    "machines/backends/",
    "machines/backends/{backend}/",
    "machines/join-keys/",
    "machines/{machine}/",
    "models/",
    "models/smollm2-135m-instruct/",
    "names/?of=key",
    "usage/",
    "usage/{request}/",
    "usage/{request}/why/",
    "settings/",
    LEAVE,
    "settings/billing/",
    "settings/billing/budgets/",
    "settings/members/",
    "names/?of=member",
    "names/?of=model",
)
WRITABLE = (
    "endpoints/new/",
    "endpoints/new/slug/?slug=x",
    "endpoints/chat/retire/",
    "keys/new/",
    "keys/{key}/end-old/",
    "keys/{key}/revoke/",
    "keys/{key}/rotate/",
    "machines/backends/new/",
    "machines/backends/{backend}/change/",
    "machines/backends/{backend}/remove/",
    "machines/backends/{backend}/rotate/",
    "machines/join-keys/new/",
    "machines/join-keys/{join_key}/revoke/",
    "machines/{machine}/revoke/",
    "machines/{machine}/suspend/",
    "machines/{machine}/drain/",
    "settings/audit/",
    "settings/billing/budgets/new/",
    "settings/billing/budgets/{budget}/",
    "settings/billing/budgets/{budget}/end/",
    "settings/delete/",
    "settings/invitations/{invitation}/revoke/",
    "settings/members/invite/",
    "settings/members/{member}/remove/",
    "settings/members/{member}/role/",
    "settings/transfer/",
)
SENT = (
    "endpoints/chat/pause/",
    "endpoints/chat/resume/",
    "keys/{key}/?form=change",
    "keys/{key}/?form=ip-rules",
    "keys/{key}/?form=quota",
    "machines/backends/{backend}/ask/",
    "machines/backends/{backend}/pause/",
    "machines/backends/{backend}/resume/",
    "machines/{machine}/approve/",
    "machines/{machine}/resume/",
    "settings/",
    "settings/restore/",
    "settings/second-factor/",
)

NOT_SENT = ("endpoints/new/slug/?slug=x", "settings/audit/")


@pytest.fixture(scope="module")
def cast(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, str]]:
    """Furnish acme once for all these tests, and name what is in it."""
    with lasting(django_db_blocker):
        make_user("rex")
        ada = make_user("ada")
        yield furnish(ada, make_project("acme", owner=ada))


def furnish(ada: User, acme: Project) -> dict[str, str]:
    make_endpoint(acme, "chat")
    key = make_key(acme, name="ci").key
    request = used(acme, endpoint="chat", key_id=key.public_id)
    bob = seat(acme, make_user("bob"), Role.MEMBER)
    asked = invitations.invite(
        seat=access.seat(ada, acme.public_id), email="grace@example.com", role=Role.MEMBER
    )
    budget = set_budget(project=acme, scope="project", subject_id=acme.public_id, amount=1_000_000)
    machine = make_agent(acme)
    return {
        "backend": make_backend(acme).public_id,
        "machine": machine.public_id,
        "join_key": JoinKey.objects.get(project=acme).public_id,
        "budget": budget.public_id,
        "key": key.public_id,
        "request": request.request_id,
        "member": bob.public_id,
        "invitation": asked.public_id,
    }


@pytest.fixture
def ada(cast: dict[str, str]) -> User:
    return User.objects.get(email="ada@example.com")


@pytest.fixture
def rex(cast: dict[str, str]) -> User:
    return User.objects.get(email="rex@example.com")


@pytest.fixture
def acme(cast: dict[str, str]) -> Project:
    return Project.objects.get(slug="acme")


@pytest.fixture
def furnished(cast: dict[str, str], acme: Project) -> Callable[[str], str]:
    return lambda path: f"/dashboard/{acme.public_id}/{path.format(**cast)}"


@pytest.mark.parametrize("path", READABLE + WRITABLE)
def test_owner_sees_the_page(furnished: Callable[[str], str], ada: User, path: str) -> None:
    answer = signed_in(ada).get(furnished(path))

    assert answer.status_code == 200


@pytest.mark.parametrize("path", READABLE + WRITABLE)
def test_template_asks_the_database_nothing(
    furnished: Callable[[str], str], ada: User, path: str
) -> None:
    url = furnished(path)
    request = RequestFactory().get(url)
    request.user = ada
    request.session = {}  # type: ignore[assignment]
    request._messages = CookieStorage(request)  # type: ignore[attr-defined]
    view, args, kwargs = resolve(url.partition("?")[0])
    page = view(request, *args, **kwargs)
    assert isinstance(page, TemplateResponse)

    with database_blocked():
        page.render()

    assert page.status_code == 200


@pytest.mark.parametrize("path", READABLE + WRITABLE)
def test_stranger_cannot_tell_the_project_from_a_missing_one(
    furnished: Callable[[str], str], rex: User, acme: Project, path: str
) -> None:
    url = furnished(path)

    theirs = signed_in(rex).get(url)
    nobodys = signed_in(rex).get(url.replace(acme.public_id, "proj_nobodyhasit0"))

    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.context["page"] == nobodys.context["page"]
    assert acme.name not in theirs.content.decode()


@pytest.mark.parametrize("path", READABLE + WRITABLE)
def test_nobody_is_sent_to_sign_in(furnished: Callable[[str], str], path: str) -> None:
    url = furnished(path)

    answer = Client().get(url)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/auth/login?next=/dashboard/")


@pytest.mark.parametrize("path", READABLE)
def test_viewer_reads_and_is_offered_no_change(
    furnished: Callable[[str], str], acme: Project, path: str
) -> None:
    viewer = make_user()
    seat(acme, viewer, Role.VIEWER)

    answer = signed_in(viewer).get(furnished(path))

    assert answer.status_code == 200
    page = answer.content.decode()
    main = page.partition("<main")[2].partition("</main>")[0]
    if path != LEAVE:
        assert 'method="post"' not in main
    assert not re.search(
        r"/(new|revoke|rotate|pause|retire|suspend|drain|resume|approve|role|remove|invite|transfer|delete)/",
        main,
    )


@pytest.mark.parametrize("path", WRITABLE)
def test_viewer_is_not_even_asked_where_things_change(
    furnished: Callable[[str], str], acme: Project, path: str
) -> None:
    viewer = make_user()
    seat(acme, viewer, Role.VIEWER)

    answer = signed_in(viewer).get(furnished(path))

    assert answer.status_code == 403
    assert "Your role in this project is viewer" in answer.content.decode()


@pytest.mark.parametrize("path", [path for path in WRITABLE + SENT if path not in NOT_SENT])
def test_viewer_changes_nothing_by_sending_it(
    furnished: Callable[[str], str], acme: Project, path: str
) -> None:
    viewer = make_user()
    seat(acme, viewer, Role.VIEWER)
    url, said = furnished(path), AuditEntry.objects.count()

    answer = signed_in(viewer).post(url, {"confirmation": acme.slug, "role": "owner"})

    assert answer.status_code == 403
    assert AuditEntry.objects.count() == said


@pytest.mark.parametrize(
    "path",
    [
        "",
        "endpoints/",
        "keys/",
        "machines/",
        "machines/backends/",
        "machines/join-keys/",
        "usage/",
    ],
)
def test_empty_page_says_what_it_is_for_and_offers_a_step(
    rex: User, rival: Project, path: str
) -> None:
    load_defaults()

    page = signed_in(rex).get(f"/dashboard/{rival.public_id}/{path}").content.decode()

    assert "x-empty" in page
    assert "x-sketch" in page


@pytest.mark.parametrize(
    "path", ["/", "/models/", "/models/all-minilm-l6-v2/", "/docs/quickstart/"]
)
def test_public_page_needs_no_account(db: None, path: str) -> None:
    load_defaults()

    assert Client().get(path).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/models/no-such-model/", id="no such model"),
        pytest.param("/docs/no-such-guide/", id="no such guide"),
        pytest.param("/docs/..%2Fpyproject/", id="a file outside the folder"),
        pytest.param("/no-such-page/", id="no such page"),
    ],
)
def test_missing_page_is_said_in_our_words(db: None, path: str) -> None:
    answer = Client().get(path)

    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()
