"""Join keys by page: made, shown once with the commands that use them, revoked."""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from common import clock
from dashboard.tests.cast import signed_in
from enrolment.joining import enrol
from enrolment.models import JoinKey
from projects.models import Project
from projects.rules import Role
from tests.make import Machine, make_join_key, make_user, seat

SAID = {"name": "rack", "uses_max": "2", "lasts_s": "86400"}


@pytest.fixture
def page(ada: User) -> Client:
    return signed_in(ada)


def base(project: Project) -> str:
    return f"/dashboard/{project.public_id}/machines/join-keys/"


def test_join_key_is_shown_once_and_never_again(page: Client, acme: Project, ada: User) -> None:
    answer = page.post(base(acme) + "new/", SAID)

    secret = answer.context["page"].secret
    assert secret.startswith("xjk_acme_")
    assert secret in answer.content.decode()
    assert secret not in repr(answer.context["page"])
    assert "no-store" in answer["Cache-Control"]
    assert JoinKey.objects.get().issued_by == ada
    for path in (base(acme), base(acme) + "new/", f"/dashboard/{acme.public_id}/machines/"):
        assert secret not in page.get(path).content.decode()


def test_command_that_is_shown_lets_a_machine_in(page: Client, acme: Project) -> None:
    shown = page.post(base(acme) + "new/", SAID).context["page"]
    enroll, run = map(shlex.split, shown.commands.splitlines())

    agent = enrol(Machine().joining(enroll[-1], name="gpu1")).agent

    assert enroll[:-1] == ["xim", "enroll", "--url", settings.PUBLIC_URL, "--join-key"]
    assert run == ["xim", "run", "--engine", "vllm"]
    assert agent.project == acme


def test_join_key_carries_what_was_asked(page: Client, acme: Project) -> None:
    said = {**SAID, "name_pattern": "rack-*", "needs_approval": "on"}

    page.post(base(acme) + "new/", said)

    key = JoinKey.objects.get()
    assert (key.name, key.uses_max, key.name_pattern) == ("rack", 2, "rack-*")
    assert key.needs_approval
    assert key.expires_at is not None
    assert timedelta(hours=23) < key.expires_at - clock.now() <= timedelta(hours=24)


def test_join_key_without_bounds_has_none(page: Client, acme: Project) -> None:
    page.post(base(acme) + "new/", {"name": "open", "uses_max": "", "lasts_s": "0"})

    key = JoinKey.objects.get()
    assert (key.uses_max, key.expires_at, key.needs_approval) == (None, None, False)


@pytest.mark.parametrize(
    ("changes", "field", "fault"),
    [
        pytest.param({"name": ""}, "name", "Give the join key a name.", id="no name"),
        pytest.param({"name": "taken"}, "name", "an open join key named", id="name taken"),
        pytest.param({"uses_max": "0"}, "uses_max", "lets in 1 to", id="no machine"),
        pytest.param({"uses_max": "x"}, "uses_max", "whole number", id="no number"),
        pytest.param({"name_pattern": "a b"}, "name_pattern", "A pattern has", id="pattern"),
        pytest.param({"lasts_s": "-1"}, "lasts_s", "Select a valid choice", id="expiry"),
    ],
)
def test_refused_join_key_says_why_beside_the_field(
    page: Client, acme: Project, changes: dict[str, Any], field: str, fault: str
) -> None:
    make_join_key(acme, name="taken")

    answer = page.post(base(acme) + "new/", {**SAID, **changes})

    assert answer.status_code == 422
    assert fault in answer.context["page"].form.errors[field][0]
    assert JoinKey.objects.count() == 1


def test_list_names_who_came_with_each_and_tells_open_from_closed(
    page: Client, acme: Project, rival: Project
) -> None:
    issued = make_join_key(acme, name="once")
    enrol(Machine().joining(issued.secret, name="gpu1"))
    make_join_key(acme, name="waits", uses_max=None)
    ended = make_join_key(acme, name="ended", expires_at=clock.now() + timedelta(hours=1))
    JoinKey.objects.filter(pk=ended.join_key.pk).update(expires_at=clock.now())
    make_join_key(rival, name="theirs")

    shown = page.get(base(acme)).context["page"].keys

    assert [(row.name, row.state.word, [name for name, _ in row.brought]) for row in shown] == [
        ("ended", "expired", []),
        ("waits", "open", []),
        ("once", "used up", ["gpu1"]),
    ]


def test_revoked_join_key_stays_listed_and_its_machines_stay(page: Client, acme: Project) -> None:
    issued = make_join_key(acme, name="rack", uses_max=2)
    agent = enrol(Machine().joining(issued.secret, name="gpu1")).agent
    url = f"{base(acme)}{issued.join_key.public_id}/revoke/"

    asked = page.get(url)
    issued.join_key.refresh_from_db()
    revoked_by_asking = issued.join_key.revoked_at
    done = page.post(url, follow=True)

    agent.refresh_from_db()
    assert (asked.status_code, revoked_by_asking) == (200, None)
    assert [(row.name, row.state.word) for row in done.context["page"].keys] == [
        ("rack", "revoked")
    ]
    assert not done.context["page"].keys[0].revoke_url
    assert agent.state == "active"


def test_join_key_of_another_project_is_not_there(
    page: Client, acme: Project, rival: Project
) -> None:
    theirs = make_join_key(rival).join_key

    refused = page.post(f"{base(acme)}{theirs.public_id}/revoke/")

    theirs.refresh_from_db()
    assert (refused.status_code, theirs.revoked_at) == (404, None)


def test_members_make_and_revoke_none(acme: Project) -> None:
    key = make_join_key(acme).join_key
    member = make_user()
    seat(acme, member, Role.MEMBER)
    client = signed_in(member)

    made = client.post(base(acme) + "new/", SAID)
    revoked = client.post(f"{base(acme)}{key.public_id}/revoke/")
    shown = client.get(base(acme))

    key.refresh_from_db()
    assert (made.status_code, revoked.status_code, key.revoked_at) == (403, 403, None)
    assert JoinKey.objects.count() == 1
    assert not shown.context["page"].join_url
    assert not shown.context["page"].keys[0].revoke_url
