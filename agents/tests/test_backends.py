"""A project's own servers by URL: asked first, for its endpoints alone, removed for good."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from agents import backends, selectors
from agents.asking import Found, Served, look
from agents.backends import NewBackend
from agents.errors import (
    BackendModelsMalformed,
    BackendNameTaken,
    BackendUnknown,
    BackendUnreachable,
    TooManyBackends,
    WorkerUrlMalformed,
)
from agents.models import Backend, Worker, WorkerShift
from audit.models import AuditEntry
from catalog.errors import ModelUnknown
from common import vault
from common.models import OutboxEntry
from common.names import NameMalformed
from common.problems import Busy, Stale, TooOften
from inference.contracts.addresses import PUBLIC, Reach, networks
from projects.models import Project
from tests.make import FOUND, make_backend, make_model, make_project

pytestmark = pytest.mark.django_db
CHAT = "smollm2-135m-instruct"
EMBED = "all-minilm-l6-v2"
Asked = list[tuple[str, str, Reach]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Answer as the server of ``make_backend`` does; return who was asked, with what."""
    said: Asked = []

    def ask(url: str, credential: str, reach: Reach) -> Found:
        said.append((url, credential, reach))
        return FOUND

    monkeypatch.setattr("agents.asking.ask", ask)
    return said


def said_of(project: Project, **other: Any) -> NewBackend:
    make_model()
    new = NewBackend("cloud", project, "https://models.example", {CHAT: CHAT}, "s3cret", 4)
    return replace(new, **other)


def workers_of(backend: Backend) -> list[tuple[str, str, bool]]:
    rows = Worker.objects.filter(backend=backend).order_by("id")
    return [(row.served_name, row.model_name, row.is_offered) for row in rows]


def test_backend_is_asked_and_becomes_a_worker_of_its_project(acme: Project, asked: Asked) -> None:
    backend = backends.add_backend(said_of(acme))

    assert asked == [("https://models.example", "s3cret", PUBLIC)]
    # Where it answered, which is below what was typed.
    assert backend.url == "https://models.example/v1"
    worker = Worker.objects.get(backend=backend)
    assert (worker.project, worker.tiers, worker.url, worker.agent) == (acme, [], "", None)
    assert (worker.model_name, worker.slots, worker.operations) == (CHAT, 4, ["chat/completions"])
    assert (worker.context_length, worker.engine) == (2048, "vllm")
    assert OutboxEntry.objects.filter(topic="worker", subject_id=worker.pk).exists()
    assert WorkerShift.objects.filter(worker=worker, ended_at=None).exists()


def test_credential_is_sealed_and_in_no_log(acme: Project, asked: Asked) -> None:
    backend = backends.add_backend(said_of(acme))

    assert "s3cret" not in backend.credential
    assert vault.unseal(backend.credential) == "s3cret"
    assert "s3cret" not in repr(said_of(acme))
    log = str([entry.said() for entry in AuditEntry.objects.all()])
    assert "backend.added" in log
    assert "s3cret" not in log
    assert backend.credential not in log


def test_networks_that_operators_opened_are_open_to_projects(
    acme: Project, asked: Asked, settings: Settings
) -> None:
    settings.OUTGOING_ALLOW = ["10.1.0.0/16"]

    backends.add_backend(said_of(acme))

    assert asked[0][2] == Reach(networks(["10.1.0.0/16"]))


def test_backend_that_can_not_be_asked_is_not_added(
    acme: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Found("x", fault="Nothing answers there.")
    monkeypatch.setattr("agents.asking.ask", lambda *_: fault)

    with pytest.raises(BackendUnreachable, match="Nothing answers there") as refused:
        backends.add_backend(said_of(acme))

    assert refused.value.param == "url"
    assert not Backend.objects.exists()


def test_private_address_is_refused_with_what_an_operator_can_do(acme: Project) -> None:
    with pytest.raises(BackendUnreachable, match="XEROTIER_OUTGOING_ALLOW"):
        look(project=acme, url="http://169.254.169.254/latest", credential="")


@pytest.mark.parametrize(
    "url", ["ftp://x", "https://a:b@x", "http://x:25", "https://bücher.example"]
)
def test_url_that_is_none_is_asked_by_nobody(acme: Project, asked: Asked, url: str) -> None:
    with pytest.raises(WorkerUrlMalformed):
        look(project=acme, url=url, credential="")

    assert asked == []


def test_servers_are_asked_so_many_times_a_minute(
    acme: Project, rival: Project, asked: Asked, settings: Settings
) -> None:
    settings.BACKEND_QUESTIONS_PER_MIN = 2
    for _ in range(2):
        look(project=acme, url=FOUND.url, credential="")

    with pytest.raises(TooOften, match="2 times a minute"):
        look(project=acme, url=FOUND.url, credential="")

    look(project=rival, url=FOUND.url, credential="")
    assert len(asked) == 3


def test_no_more_servers_are_asked_at_once_than_connections_can_wait(
    acme: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    nested: list[str] = []

    def ask(*_: object) -> Found:
        try:
            look(project=acme, url=FOUND.url, credential="")
        except Busy as busy:
            nested.append(busy.message)
        return FOUND

    monkeypatch.setattr("agents.asking.ask", ask)
    look(project=acme, url=FOUND.url, credential="")
    look(project=acme, url=FOUND.url, credential="")

    # The innermost of each found no place, and all gave theirs back.
    assert nested == ["Too many servers are being asked at this moment. Try again."] * 2


@pytest.mark.parametrize(
    ("chosen", "refusal", "says"),
    [
        ({}, BackendModelsMalformed, "Choose 1 to 32"),
        ({f"m{n}": CHAT for n in range(33)}, BackendModelsMalformed, "Choose 1 to 32"),
        ({"gpt": CHAT}, BackendModelsMalformed, "It serves no “gpt”. It serves: smollm2"),
        ({CHAT: "gpt"}, ModelUnknown, "The catalog lists no model “gpt”"),
    ],
    ids=["none", "too many", "not served", "not known"],
)
def test_model_that_can_not_be_served_is_not_chosen(
    acme: Project, asked: Asked, chosen: dict[str, str], refusal: type[Exception], says: str
) -> None:
    with pytest.raises(refusal, match=says):
        backends.add_backend(said_of(acme, chosen=chosen))

    assert not Backend.objects.exists()


def test_model_of_another_name_serves_as_one_of_the_catalog(acme: Project, asked: Asked) -> None:
    backend = backends.add_backend(said_of(acme, chosen={"OF-nobody": CHAT.upper()}))

    assert backend.chosen == {"of-nobody": CHAT}
    assert workers_of(backend) == [("of-nobody", CHAT, True)]


def test_name_is_one_among_the_living_of_a_project(
    acme: Project, rival: Project, asked: Asked
) -> None:
    first = backends.add_backend(said_of(acme))
    backends.add_backend(said_of(rival))
    with pytest.raises(BackendNameTaken):
        backends.add_backend(said_of(acme))

    backends.remove_backend(backend=first)

    assert backends.add_backend(said_of(acme)).pk != first.pk
    with pytest.raises(NameMalformed):
        backends.add_backend(said_of(acme, name="a\u202eb"))


def test_project_has_no_more_backends_than_one_may(
    acme: Project, asked: Asked, settings: Settings
) -> None:
    settings.BACKENDS_PER_PROJECT = 1
    first = backends.add_backend(said_of(acme))
    with pytest.raises(TooManyBackends, match="may have 1 backends"):
        backends.add_backend(said_of(acme, name="second"))

    backends.remove_backend(backend=first)

    backends.add_backend(said_of(acme, name="second"))


def test_paused_backend_serves_nothing_until_it_is_resumed(acme: Project) -> None:
    backend = make_backend(acme)

    backends.pause_backend(backend=backend)
    assert workers_of(backend) == [(CHAT, CHAT, False)]
    assert not WorkerShift.objects.filter(ended_at=None).exists()

    backends.resume_backend(backend=backend)
    assert workers_of(backend) == [(CHAT, CHAT, True)]


def test_removed_backend_forgets_its_credential_and_never_comes_back(acme: Project) -> None:
    backend = make_backend(acme)

    backends.remove_backend(backend=backend)

    backend.refresh_from_db()
    assert (backend.state, backend.credential, backend.chosen) == ("removed", "", {})
    assert workers_of(backend) == [(CHAT, CHAT, False)]
    assert selectors.backend_of(project=acme, public_id=backend.public_id) is None
    with pytest.raises(BackendUnknown):
        backends.resume_backend(backend=backend)


def test_model_that_is_chosen_anew_is_another_worker(acme: Project) -> None:
    backend = make_backend(acme)
    make_model(EMBED)

    backends.change_backend(backend=backend, chosen={CHAT: EMBED})
    assert workers_of(backend) == [(CHAT, CHAT, False), (CHAT, EMBED, True)]

    backends.change_backend(backend=backend, chosen={CHAT: CHAT}, slots=7)
    assert workers_of(backend) == [(CHAT, CHAT, True), (CHAT, EMBED, False)]
    assert Worker.objects.get(backend=backend, model_name=CHAT).slots == 7


def test_change_of_what_has_changed_since_it_was_read_is_refused(acme: Project) -> None:
    backend = make_backend(acme)
    old = Backend.objects.get(pk=backend.pk)
    backends.change_backend(backend=backend, name="other")

    with pytest.raises(Stale):
        backends.pause_backend(backend=old)

    assert Backend.objects.get(pk=backend.pk).state == "active"


def test_other_credential_is_tried_first_and_told_to_gateways(acme: Project, asked: Asked) -> None:
    backend = make_backend(acme)
    worker = Worker.objects.get(backend=backend)
    OutboxEntry.objects.all().delete()

    backends.rekey_backend(backend=backend, credential="n3w")

    assert asked == [(backend.url, "n3w", PUBLIC)]
    assert vault.unseal(Backend.objects.get().credential) == "n3w"
    assert Worker.objects.get(backend=backend).version > worker.version
    assert OutboxEntry.objects.filter(topic="worker", subject_id=worker.pk).exists()


def test_credential_that_the_server_does_not_take_leaves_the_old_one(
    acme: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = make_backend(acme)
    wants = Found("x", fault="x wants a credential, or another one (401).")
    monkeypatch.setattr("agents.asking.ask", lambda *_: wants)

    with pytest.raises(BackendUnreachable, match="another one"):
        backends.rekey_backend(backend=backend, credential="n3w")

    assert vault.unseal(Backend.objects.get().credential) == "s3cret"


def test_backend_is_asked_again_with_what_it_has_and_keeps_what_was_chosen(
    acme: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = make_backend(acme)
    asked: list[str] = []

    def ask(url: str, credential: str, reach: Reach) -> Found:
        asked.append(credential)
        return replace(FOUND, models=(Served("newer", 8192),))

    monkeypatch.setattr("agents.asking.ask", ask)
    backends.ask_again(backend=backend)

    assert asked == ["s3cret"]
    assert [one["name"] for one in backend.found] == ["newer"]
    assert workers_of(backend) == [(CHAT, CHAT, True)]
    assert backend.version == 1


def test_what_a_project_sees_of_backends_is_its_own(acme: Project) -> None:
    ours, theirs = make_backend(acme), make_backend(make_project())

    assert list(selectors.backends_of(project=acme)) == [ours]
    assert selectors.backend_of(project=acme, public_id=theirs.public_id) is None


def test_credentials_are_sealed_anew_and_told_to_gateways(
    acme: Project, settings: Settings
) -> None:
    backend = make_backend(acme)
    version = Worker.objects.get(backend=backend).version
    settings.KEYRING = [Fernet.generate_key().decode(), *settings.KEYRING]
    work = vault.Resealing()

    backends.reseal_credentials(work=work)

    renewed = Backend.objects.get()
    assert work.changed == 1
    assert renewed.credential != backend.credential
    assert vault.unseal(renewed.credential) == "s3cret"
    assert Worker.objects.get(backend=backend).version == version + 1


def test_each_decision_is_on_record_with_who_made_it(acme: Project, asked: Asked) -> None:
    backend = make_backend(acme)
    for act in (backends.pause_backend, backends.resume_backend):
        act(backend=backend)
    backends.rekey_backend(backend=backend, credential="")
    backends.change_backend(backend=backend, name="other")
    backends.remove_backend(backend=backend)

    found = AuditEntry.objects.filter(object_kind="backend").order_by("id")
    acts = ["added", "paused", "resumed", "rekeyed", "changed", "removed"]
    assert [entry.action for entry in found] == [f"backend.{act}" for act in acts]
    assert {entry.project for entry in found} == {acme.public_id}
