"""Backends by page: asked first, chosen from, shown as gateways see them, rotated, removed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock, patch

import pytest
from django.test import Client

from accounts.models import User
from agents.asking import Found
from agents.models import Backend, Worker
from agents.sightings import UNSEEN, Health
from common import clock, vault
from dashboard.machines.backend_forms import chosen, opened, sealed
from dashboard.machines.backend_rows import found_rows, state_of, trouble_in
from dashboard.tests.cast import signed_in
from projects.models import Project
from projects.rules import Role
from tests.make import FOUND, answering_backends, make_backend, make_model, make_user, seat

pytestmark = pytest.mark.django_db
CHAT = "smollm2-135m-instruct"
SAID = {"name": "cloud", "url": FOUND.url, "credential": "s3cret-there", "slots": ""}
SEEN = Health(is_seen=True, answered_at=clock.now(), running=2, heard="200")


@pytest.fixture(autouse=True)
def asked() -> Iterator[Mock]:
    with answering_backends() as asked:
        make_model()
        yield asked


@pytest.fixture
def page(ada: User) -> Client:
    return signed_in(ada)


@pytest.fixture
def backend(acme: Project) -> Backend:
    return make_backend(acme, "cloud", credential="s3cret-there")


def base(project: Project) -> str:
    return f"/dashboard/{project.public_id}/machines/backends/"


def test_server_is_asked_and_what_the_catalog_knows_is_proposed(
    page: Client, acme: Project, asked: Mock
) -> None:
    answer = page.post(base(acme) + "new/", SAID)

    shown = answer.context["page"]
    assert answer.status_code == 200
    assert [(one.name, one.value) for one in shown.models] == [(CHAT, CHAT), ("of-nobody", "")]
    assert asked.call_args.args[:2] == (FOUND.url, "s3cret-there")
    assert not Backend.objects.exists()
    # It travels sealed to the next step.
    assert "s3cret-there" not in answer.content.decode()
    assert "s3cret-there" not in repr(shown)
    assert "no-store" in answer["Cache-Control"]


def test_second_step_adds_what_was_chosen_with_the_credential_of_the_first(
    page: Client, acme: Project
) -> None:
    kept = page.post(base(acme) + "new/", SAID).context["page"].kept
    said = {**SAID, "credential": "", "kept": kept, "add": "1", "slots": "8"}

    answer = page.post(base(acme) + "new/", {**said, "as:of-nobody": CHAT, f"as:{CHAT}": " "})

    backend = Backend.objects.get()
    assert answer["Location"] == f"{base(acme)}{backend.public_id}/"
    assert (backend.chosen, backend.slots) == ({"of-nobody": CHAT}, 8)
    assert vault.unseal(backend.credential) == "s3cret-there"


def test_credential_of_the_first_step_goes_to_no_other_url(
    page: Client, acme: Project, asked: Mock
) -> None:
    kept = page.post(base(acme) + "new/", SAID).context["page"].kept

    page.post(
        base(acme) + "new/",
        {**SAID, "credential": "", "kept": kept, "url": "https://evil.example/v1"},
    )

    assert asked.call_args.args[:2] == ("https://evil.example/v1", "")


@pytest.mark.parametrize("kept", ["", "nonsense", "gAAAA"])
def test_what_was_not_sealed_here_is_no_credential(kept: str) -> None:
    assert opened(kept, "here") == ""
    assert opened(sealed("s3cret", "here"), "here") == "s3cret"
    assert opened(sealed("s3cret", "here"), "there") == ""
    assert sealed("", "here") == ""


def test_session_of_long_ago_proves_itself_and_keeps_what_was_typed_sealed(
    ada: User, acme: Project
) -> None:
    client = signed_in(ada, proven_s_ago=400)

    way = client.post(base(acme) + "new/", SAID)

    assert way["Location"].startswith("/auth/reauthenticate/")
    waiting = client.session["typed_before_proof"]
    assert "s3cret-there" not in str(waiting)
    assert "kept=gAAAA" in waiting["said"]


@pytest.mark.parametrize(
    ("changes", "field", "fault"),
    [
        pytest.param({"name": ""}, "name", "Give the backend a name.", id="no name"),
        pytest.param({"url": ""}, "url", "Write the URL", id="no URL"),
        pytest.param({"url": "ftp://x"}, "url", "Begin the URL", id="no HTTP"),
        pytest.param({"url": "https://x:25"}, "url", "Port 25", id="port"),
        pytest.param({"url": "https://a:b@x"}, "url", "credential by itself", id="userinfo"),
        pytest.param({"url": "https://bücher.de"}, "url", "plain letters", id="unicode"),
        pytest.param({"credential": "schlüssel"}, "credential", "plain letters", id="credential"),
        pytest.param({"slots": "0"}, "slots", "1 to 10,000", id="no slots"),
        pytest.param({"slots": "x"}, "slots", "whole number", id="no number"),
    ],
)
def test_refused_backend_says_why_beside_the_field(
    page: Client, acme: Project, changes: dict[str, Any], field: str, fault: str
) -> None:
    answer = page.post(base(acme) + "new/", {**SAID, **changes})

    assert answer.status_code == 422
    assert fault in answer.context["page"].form.errors[field][0]
    assert answer.context["page"].models == ()


def test_server_that_does_not_answer_is_said_beside_its_url_and_asked_once(
    page: Client, acme: Project, asked: Mock
) -> None:
    asked.return_value = Found(FOUND.url, fault="Nothing answers there.")

    answer = page.post(base(acme) + "new/", {**SAID, "add": "1", f"as:{CHAT}": CHAT})

    assert answer.status_code == 422
    assert answer.context["page"].form.errors["url"] == ["Nothing answers there."]
    assert asked.call_count == 1


def test_wrong_choice_is_said_and_what_was_typed_stays(page: Client, acme: Project) -> None:
    answer = page.post(base(acme) + "new/", {**SAID, "add": "1", f"as:{CHAT}": "gpt-5"})

    shown = answer.context["page"]
    assert answer.status_code == 422
    assert "The catalog lists no model “gpt-5”" in shown.form.non_field_errors()[0]
    assert [one.value for one in shown.models] == ["gpt-5", ""]


def test_list_and_page_show_health_and_no_credential(
    page: Client, acme: Project, backend: Backend
) -> None:
    worker = Worker.objects.get(backend=backend)
    with patch("dashboard.machines.backends.worker_health", return_value={worker.public_id: SEEN}):
        listed = page.get(base(acme))
        one = page.get(f"{base(acme)}{backend.public_id}/")

    [row] = listed.context["page"].backends
    assert (row.state.word, row.running, row.trouble) == ("answers", 2, "")
    shown = one.context["page"]
    assert [(model.model, model.state.word) for model in shown.backend.models] == [(CHAT, "served")]
    assert [model.name for model in shown.others] == ["of-nobody"]
    for answer in (listed, one):
        text = answer.content.decode()
        assert FOUND.url in text
        assert "s3cret-there" not in text
        assert backend.credential not in text


@pytest.mark.parametrize(
    ("state", "health", "word", "says"),
    [
        ("paused", SEEN, "paused", ""),
        ("active", UNSEEN, "not asked yet", ""),
        ("active", Health(is_seen=True), "not asked yet", ""),
        ("active", SEEN, "answers", ""),
        ("active", Health(is_seen=True, heard="404"), "answers", ""),
        ("active", Health(is_seen=True, heard="401"), "refuses", "does not take the credential"),
        ("active", Health(is_seen=True, is_out=True, heard="503"), "out", "Last heard: 503."),
        (
            "active",
            Health(is_seen=True, is_out=True, heard="connect: x may not be called\u202e"),
            "out",
            "Last heard: connect: x may not be called.",
        ),
    ],
)
def test_backend_stands_as_people_decided_and_then_as_it_is_seen(
    state: str, health: Health, word: str, says: str
) -> None:
    assert state_of(state, health).word == word
    assert says in trouble_in(state, health)
    assert bool(trouble_in(state, health)) == bool(says)


def test_choice_is_what_was_typed_or_else_the_catalogs_own_name() -> None:
    found: list[dict[str, Any]] = [
        {"name": "CHAT", "context_length": 1},
        {"name": "b", "context_length": None},
    ]

    assert [one.value for one in found_rows(found, {}, ["chat"])] == ["chat", ""]
    assert [one.value for one in found_rows(found, {"b": "x"}, ["chat"])] == ["", "x"]
    assert chosen({"as:CHAT": " chat ", "as:b": "", "name": "x"}) == {"CHAT": "chat"}


def test_backend_is_changed_paused_resumed_and_asked_again(
    page: Client, acme: Project, backend: Backend, asked: Mock
) -> None:
    at = f"{base(acme)}{backend.public_id}/"

    page.post(at + "change/", {"name": "other", "slots": "3", "as:of-nobody": CHAT})
    backend.refresh_from_db()
    assert (backend.name, backend.slots, backend.chosen) == ("other", 3, {"of-nobody": CHAT})

    for act, state in (("pause", "paused"), ("pause", "paused"), ("resume", "active")):
        assert page.post(f"{at}{act}/")["Location"] == at
        assert Backend.objects.get().state == state

    page.post(at + "ask/")
    assert asked.call_args.args[:2] == (FOUND.url, "s3cret-there")


def test_change_that_is_refused_shows_the_form_again(
    page: Client, acme: Project, backend: Backend
) -> None:
    make_backend(acme, "taken")

    answer = page.post(
        f"{base(acme)}{backend.public_id}/change/", {"name": "taken", f"as:{CHAT}": CHAT}
    )

    assert answer.status_code == 422
    assert "a backend named" in answer.context["page"].form.errors["name"][0]


def test_backend_that_does_not_answer_says_so_and_stays(
    page: Client, acme: Project, backend: Backend, asked: Mock
) -> None:
    asked.return_value = Found(FOUND.url, fault="Nothing answers there.")

    answer = page.post(f"{base(acme)}{backend.public_id}/ask/", follow=True)

    assert "Nothing answers there." in answer.content.decode()
    assert Backend.objects.get().found


def test_credential_is_rotated_once_the_server_took_it(
    page: Client, acme: Project, backend: Backend, asked: Mock
) -> None:
    at = f"{base(acme)}{backend.public_id}/rotate/"
    good = asked.return_value

    asked.return_value = Found(FOUND.url, fault="It wants another one (401).")
    refused = page.post(at, {"credential": "wrong"})
    asked.return_value = good
    page.post(at, {"credential": "n3w"})

    assert refused.context["page"].form.errors["credential"] == ["It wants another one (401)."]
    assert "wrong" not in refused.content.decode()
    assert vault.unseal(Backend.objects.get().credential) == "n3w"


def test_removing_asks_once_and_then_there_is_nothing_to_show(
    page: Client, acme: Project, backend: Backend
) -> None:
    at = f"{base(acme)}{backend.public_id}/"

    assert "forgotten" in page.get(at + "remove/").content.decode()
    assert page.post(at + "remove/")["Location"] == base(acme)

    assert page.get(at).status_code == 404
    assert page.get(base(acme)).context["page"].backends == ()


def test_member_looks_and_changes_nothing(acme: Project, backend: Backend) -> None:
    member = make_user()
    seat(acme, member, Role.MEMBER)
    client, at = signed_in(member), f"{base(acme)}{backend.public_id}/"

    assert client.get(at).context["page"].acts.remove_url == ""
    assert client.get(base(acme)).context["page"].new_url == ""
    for act in ("ask", "change", "pause", "resume", "rotate", "remove"):
        assert client.post(f"{at}{act}/").status_code == 403


def test_backends_stand_beside_machines(page: Client, acme: Project) -> None:
    for path in ("machines/", "machines/backends/"):
        tabs = page.get(f"/dashboard/{acme.public_id}/{path}").context["page"].tabs
        current = [tab.url for tab in tabs if tab.is_current]
        assert current == [f"/dashboard/{acme.public_id}/{path}"]
        assert len(tabs) == 2
