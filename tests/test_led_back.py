"""An address that only acts leads whoever looks at it, by reload or old link, to its page."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from accounts.models import User
from audit.models import AuditEntry
from dashboard.tests.cast import signed_in
from endpoints.models import Endpoint
from projects.models import Project
from projects.rules import Role
from tests.make import make_endpoint, make_user, seat

PAGES = [
    ("endpoints/chat/pause/", "endpoints/chat/"),
    ("endpoints/chat/resume/", "endpoints/chat/"),
    ("settings/origins/", "settings/"),
    ("settings/restore/", "settings/"),
    ("settings/second-factor/", "settings/"),
]
ELSEWHERE = [
    ("/auth/sessions/1/end/", "/auth/sessions/"),
    ("/theme/", "/"),
    ("/admin/see-as/end/", "/admin/"),
    ("/admin/test-mail/", "/admin/"),
]
METHODS = ["get", "head"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("role", [Role.OWNER, Role.VIEWER])
@pytest.mark.parametrize(("path", "back"), PAGES)
def test_project_shows_the_page_and_nothing_is_done(
    acme: Project, path: str, back: str, role: Role, method: str
) -> None:
    make_endpoint(acme, "chat")
    person = make_user("eve")
    seat(acme, person, role)
    base, before = f"/dashboard/{acme.public_id}/", AuditEntry.objects.count()

    answer = getattr(signed_in(person), method)(base + path)

    assert (answer.status_code, answer["Location"]) == (302, base + back)
    assert Endpoint.objects.get().state == "active"
    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("path", "back"), ELSEWHERE)
def test_account_and_console_do_the_same(db: None, path: str, back: str, method: str) -> None:
    operator = User.objects.create_superuser("operator@example.com", "x")
    Authenticator.objects.create(user=operator, type=Authenticator.Type.TOTP, data={})

    answer = getattr(signed_in(operator), method)(path)

    assert (answer.status_code, answer["Location"]) == (302, back)


@pytest.mark.parametrize("path", [path for path, _ in PAGES])
def test_stranger_is_told_what_a_missing_project_tells(acme: Project, rex: User, path: str) -> None:
    client = signed_in(rex)

    theirs = client.get(f"/dashboard/{acme.public_id}/{path}")
    nobodys = client.get(f"/dashboard/proj_nobodyhasit0/{path}")
    unknown = Client().get(f"/dashboard/{acme.public_id}/{path}")

    assert theirs.status_code == nobodys.status_code == 404
    assert unknown["Location"].startswith("/auth/login")
