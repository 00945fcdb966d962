"""What is guarded: the machine that came along is not taken for one of the operator's own."""

from __future__ import annotations

import socket

import pytest

from accounts.models import User
from agents.models import Agent, AgentState
from tests.make import make_agent, make_worker
from xerotier_site.to_set_up import tasks


def has_machine(operator: User) -> bool:
    found = {task.title: task.is_done for task in tasks(operator)}
    return found["Add a machine of your own"]


@pytest.mark.parametrize(
    ("hostname", "state", "expected"),
    [
        (socket.gethostname(), AgentState.ACTIVE, False),
        ("rack-7.example.com", AgentState.ACTIVE, True),
        ("rack-7.example.com", AgentState.RETIRED, False),
    ],
    ids=["this one", "another", "another that is gone"],
)
def test_machine_of_ones_own_is_another_one(
    operator: User, hostname: str, state: AgentState, *, expected: bool
) -> None:
    agent = make_agent()
    Agent.objects.filter(pk=agent.pk).update(facts={"hostname": hostname}, state=state)

    assert has_machine(operator) is expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://127.0.0.1:9/v1", False), ("http://10.0.0.5:8000/v1", True)],
    ids=["here", "elsewhere"],
)
def test_worker_by_url_counts_where_it_is_elsewhere(
    operator: User, url: str, *, expected: bool
) -> None:
    make_worker(url=url)

    assert has_machine(operator) is expected
