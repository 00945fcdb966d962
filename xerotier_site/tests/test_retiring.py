"""Before a worker is retired for good, whoever does it reads which endpoints stop by it."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from agents import services as agents
from agents.models import Worker, WorkerState
from endpoints import services as endpoints
from endpoints.selectors import left_without
from projects.models import Project
from tests.make import make_endpoint, make_worker

pytestmark = pytest.mark.django_db


def backend(*said: str) -> str:
    told = StringIO()
    call_command("backend", *said, stdout=told)
    return told.getvalue()


def page_of(*workers: Worker) -> str:
    ids = "&".join(f"id={worker.pk}" for worker in workers)
    return f"{reverse('retire-workers')}?{ids}"


def names(workers: list[Worker]) -> list[str]:
    return [f"{one.project.slug}/{one.slug}" for one in left_without(workers)]


def test_endpoint_is_left_without_only_when_the_last_worker_of_its_tier_goes(
    acme: Project,
) -> None:
    make_endpoint(acme, "chat", tier="gpu_nvidia_shared")
    make_endpoint(acme, "trial", tier="free")
    first, second = make_worker(), make_worker(tiers=("free",))

    assert names([first]) == ["acme/chat"]
    assert names([second]) == []
    assert names([first, second]) == ["acme/chat", "acme/trial"]


def test_worker_that_takes_no_work_leaves_nobody_and_retired_endpoints_lose_nothing(
    acme: Project,
) -> None:
    chat = make_endpoint(acme, "chat")
    worker, other = make_worker(), make_worker()
    agents.suspend_worker(worker=other)

    assert names([other]) == []
    assert names([worker]) == ["acme/chat"]
    endpoints.retire_endpoint(endpoint=chat)
    assert names([worker]) == []


def test_machine_of_a_project_leaves_its_own_endpoints_and_no_others(
    acme: Project, rival: Project
) -> None:
    for project in (acme, rival):
        make_endpoint(project, "own", tier="self_hosted")
    mine = make_worker(project=acme)
    make_worker(project=rival)

    assert names([mine]) == ["acme/own"]


def test_console_names_what_stops_and_asks_before_it_retires(
    as_operator: Client, acme: Project
) -> None:
    make_endpoint(acme, "chat")
    worker = make_worker("the-last-one")
    listed = reverse("admin:agents_worker_changelist")

    chosen = as_operator.post(listed, {"action": "retire", "_selected_action": [worker.pk]})
    page = as_operator.get(chosen["Location"]).content.decode()
    unseen = as_operator.post(page_of(worker))

    assert "These endpoints lose their last worker" in page
    assert ">acme</a> / chat" in page
    assert "Tick this first" in unseen.content.decode()
    assert Worker.objects.get().state == WorkerState.ACTIVE
    done = as_operator.post(page_of(worker), {"seen": "on"})
    assert done["Location"] == listed
    assert Worker.objects.get().state == WorkerState.RETIRED


def test_worker_that_nobody_needs_is_retired_after_one_question(as_operator: Client) -> None:
    worker = make_worker()

    assert "No endpoint loses its last worker" in as_operator.get(page_of(worker)).content.decode()
    assert Worker.objects.get().state == WorkerState.ACTIVE
    as_operator.post(page_of(worker))
    assert Worker.objects.get().state == WorkerState.RETIRED
    again = as_operator.get(page_of(worker))
    assert again["Location"] == reverse("admin:agents_worker_changelist")


def test_command_names_what_stops_and_wants_force(acme: Project) -> None:
    make_endpoint(acme, "chat")
    worker = make_worker("gpu-1")

    with pytest.raises(CommandError, match="--force"):
        backend("retire", "gpu-1")
    assert Worker.objects.get().state == WorkerState.ACTIVE

    assert "acme/chat loses its last worker" in backend("retire", worker.public_id, "--force")
    assert Worker.objects.get().state == WorkerState.RETIRED
    with pytest.raises(CommandError, match="retired for good"):
        backend("retire", "gpu-1")
    with pytest.raises(CommandError, match="no worker 'gpu-2'"):
        backend("retire", "gpu-2")


def test_whose_cache_it_is_can_be_declared_anew_and_is_listed(as_operator: Client) -> None:
    make_worker("gpu-1")
    assert "cache: none" in backend("list")

    backend("set", "gpu-1", "--cache", "platform")

    assert "cache: platform" in backend("list")
    shown = as_operator.get(reverse("admin:agents_worker_changelist")).content.decode()
    assert "prompts are reused across projects" in shown
