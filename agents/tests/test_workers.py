"""A worker's life: added, changed, suspended, resumed, retired for good; each on record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agents import selectors, services, shifts
from agents.errors import (
    OperationUnknown,
    TierNotForWorkers,
    WorkerNameTaken,
    WorkerRetired,
    WorkerUrlMalformed,
)
from agents.models import CacheScope, Worker, WorkerShift, WorkerState
from agents.services import Enrolment, add_worker, change_worker
from audit.models import AuditEntry
from common import vault
from common.models import OutboxEntry
from projects.models import Project
from tests.make import make_tier, make_worker

pytestmark = pytest.mark.django_db

SHARED = Enrolment(
    name="gpu-1",
    url="http://gpu-1:8000/v1/",
    model_name="llama",
    operations=["chat/completions"],
    credential="s3cret",
    tiers=["free"],
)


@pytest.fixture(autouse=True)
def tiers(db: None) -> None:
    make_tier("free")
    make_tier("gpu_nvidia_shared")
    make_tier("self_hosted")


def last_entry() -> AuditEntry:
    return AuditEntry.objects.order_by("-id")[0]


def notes() -> int:
    return OutboxEntry.objects.filter(topic="worker").count()


def test_added_worker_is_what_was_said_of_it_and_its_credential_is_sealed() -> None:
    said = replace(
        SHARED, served_name="Llama", slots=4, engine="vllm", context_length=4096, cache_scope="none"
    )

    worker = Worker.objects.get(pk=add_worker(said).pk)

    assert (worker.name, worker.url, worker.model_name) == (
        "gpu-1",
        "http://gpu-1:8000/v1",
        "llama",
    )
    assert (worker.operations, worker.tiers) == (["chat/completions"], ["free"])
    assert (worker.served_name, worker.slots, worker.engine) == ("Llama", 4, "vllm")
    assert (worker.context_length, worker.cache_scope) == (4096, CacheScope.NONE)
    assert (worker.state, worker.project) == (WorkerState.ACTIVE, None)
    assert "s3cret" not in worker.credential
    assert vault.unseal(worker.credential) == "s3cret"
    assert worker.public_id.startswith("wrk_")


def test_prompts_are_reused_for_nobody_unless_the_operator_says_otherwise() -> None:
    assert add_worker(SHARED).cache_scope == CacheScope.NONE


def test_addition_is_on_record_without_the_credential_and_is_announced() -> None:
    worker = add_worker(SHARED)

    entry = last_entry()
    assert (entry.action, entry.project) == ("worker.added", "")
    assert (entry.object_kind, entry.object_id) == ("worker", worker.public_id)
    assert entry.after == {
        "name": "gpu-1",
        "url": "http://gpu-1:8000/v1",
        "model": "llama",
        "tiers": ["free"],
        "operations": ["chat/completions"],
    }
    assert OutboxEntry.objects.get(topic="worker").subject_id == str(worker.pk)


def test_what_is_done_to_a_projects_own_worker_is_in_its_projects_log(acme: Project) -> None:
    worker = add_worker(replace(SHARED, project=acme, tiers=[]))

    assert last_entry().project == acme.public_id
    services.retire_worker(worker=worker)
    assert (last_entry().action, last_entry().project) == ("worker.retired", acme.public_id)


@pytest.mark.parametrize(
    ("said", "refusal", "param"),
    [
        ({"url": "gpu-1:8000"}, WorkerUrlMalformed, "url"),
        ({"url": "http://[::1/v1"}, WorkerUrlMalformed, "url"),
        ({"operations": []}, OperationUnknown, "operations"),
        ({"operations": ["chat/completions", "chat"]}, OperationUnknown, "operations"),
        ({"tiers": []}, TierNotForWorkers, "tiers"),
        ({"tiers": ["free", "gold"]}, TierNotForWorkers, "tiers"),
        ({"tiers": ["self_hosted"]}, TierNotForWorkers, "tiers"),
    ],
)
def test_worker_nobody_could_use_is_refused_and_leaves_nothing(
    said: dict[str, Any], refusal: type[Exception], param: str
) -> None:
    with pytest.raises(refusal) as refused:
        add_worker(replace(SHARED, **said))

    assert getattr(refused.value, "param", "") == param
    assert not Worker.objects.exists()
    assert not AuditEntry.objects.filter(object_kind="worker").exists()


def test_refusals_name_what_could_be_chosen() -> None:
    with pytest.raises(OperationUnknown, match="chat/completions, completions, responses"):
        add_worker(replace(SHARED, operations=["chat"]))
    with pytest.raises(TierNotForWorkers, match="free, gpu_nvidia_shared"):
        add_worker(replace(SHARED, tiers=["gold"]))


def test_projects_own_worker_carries_no_tier(acme: Project) -> None:
    with pytest.raises(TierNotForWorkers, match="carries no tier"):
        add_worker(replace(SHARED, project=acme))

    assert add_worker(replace(SHARED, project=acme, tiers=[])).tiers == []


def test_name_belongs_to_one_worker_even_after_its_end() -> None:
    services.retire_worker(worker=add_worker(SHARED))
    before = notes()

    with pytest.raises(WorkerNameTaken, match="“gpu-1”") as refused:
        add_worker(replace(SHARED, url="http://gpu-2/v1"))

    assert refused.value.param == "name"
    assert (Worker.objects.count(), notes()) == (1, before)


def test_change_is_published_with_a_newer_version_and_what_is_not_said_stays() -> None:
    worker = add_worker(SHARED)
    version, told = worker.version, notes()

    change_worker(worker=worker, url="https://gpu-1/v1/", slots=8)

    found = Worker.objects.get(pk=worker.pk)
    assert (found.url, found.slots, found.tiers) == ("https://gpu-1/v1", 8, ["free"])
    assert (worker.url, worker.slots) == ("https://gpu-1/v1", 8)
    assert vault.unseal(found.credential) == "s3cret"
    assert (found.version, notes()) == (version + 1, told + 1)


def test_change_of_the_credential_is_on_record_and_what_it_is_is_not() -> None:
    worker = add_worker(SHARED)

    change_worker(worker=worker, credential="another-one")

    assert last_entry().after == {"name": "gpu-1", "is_rekeyed": True}
    assert vault.unseal(Worker.objects.get().credential) == "another-one"


def test_credential_that_is_not_said_stays_and_an_empty_one_takes_it_away() -> None:
    worker = add_worker(SHARED)

    change_worker(worker=worker, credential=None, slots=2)
    assert vault.unseal(Worker.objects.get().credential) == "s3cret"
    assert last_entry().after == {"name": "gpu-1", "slots": 2}

    change_worker(worker=worker, credential="")
    assert Worker.objects.get().credential == ""


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ({"url": "gpu-1"}, WorkerUrlMalformed),
        ({"operations": ["chat"]}, OperationUnknown),
        ({"tiers": ["gold"]}, TierNotForWorkers),
        ({"tiers": []}, TierNotForWorkers),
    ],
)
def test_change_is_held_to_what_addition_is(said: dict[str, Any], refusal: type[Exception]) -> None:
    worker = add_worker(SHARED)

    with pytest.raises(refusal):
        change_worker(worker=worker, **said)

    assert Worker.objects.get().version == worker.version


def test_suspended_worker_comes_back_and_the_reason_is_on_record() -> None:
    worker = add_worker(SHARED)

    services.suspend_worker(worker=worker, reason="It smokes.")
    assert Worker.objects.get().state == WorkerState.SUSPENDED
    assert (last_entry().action, last_entry().after) == (
        "worker.suspended",
        {"name": "gpu-1", "reason": "It smokes."},
    )
    services.resume_worker(worker=worker)

    assert Worker.objects.get().state == WorkerState.ACTIVE
    assert (last_entry().action, last_entry().after) == ("worker.resumed", {"name": "gpu-1"})


def test_retired_worker_never_comes_back_nor_changes() -> None:
    worker = add_worker(SHARED)
    services.retire_worker(worker=worker)
    told = notes()

    for act in (services.resume_worker, services.suspend_worker, services.retire_worker):
        with pytest.raises(WorkerRetired, match="add it as a new one"):
            act(worker=worker)
    with pytest.raises(WorkerRetired):
        change_worker(worker=worker, slots=1)

    assert (Worker.objects.get().state, notes()) == (WorkerState.RETIRED, told)


def test_shift_of_an_own_worker_lasts_as_long_as_it_is_live(acme: Project) -> None:
    worker = make_worker(project=acme)
    [first] = WorkerShift.objects.all()
    assert first.ended_at is None

    services.resume_worker(worker=worker)
    assert WorkerShift.objects.count() == 1

    services.suspend_worker(worker=worker)
    first.refresh_from_db()
    ended = first.ended_at
    assert ended is not None
    assert ended >= first.began_at

    services.resume_worker(worker=worker)
    services.retire_worker(worker=worker)
    first.refresh_from_db()
    assert first.ended_at == ended
    assert WorkerShift.objects.filter(ended_at=None).count() == 0
    assert WorkerShift.objects.count() == 2


def test_shared_worker_has_no_shifts_for_nobody_is_billed_for_it() -> None:
    worker = make_worker()

    services.suspend_worker(worker=worker)
    services.resume_worker(worker=worker)

    assert not WorkerShift.objects.exists()


def test_hours_are_due_from_the_start_until_the_last_one_is_billed(acme: Project) -> None:
    worker = make_worker(project=acme)
    [shift] = WorkerShift.objects.all()
    began = shift.began_at

    assert list(selectors.shifts_due(began)) == [shift]
    shifts.note_billed(shift=shift, until=began)
    assert list(selectors.shifts_due(began)) == [shift]
    later = began.replace(year=began.year + 1)
    shifts.note_billed(shift=shift, until=later)
    assert list(selectors.shifts_due(began)) == []

    services.suspend_worker(worker=worker)
    assert list(selectors.shifts_due(began)) == []
    shifts.note_billed(shift=shift, until=began)
    assert list(selectors.shifts_due(began)) == [shift]
