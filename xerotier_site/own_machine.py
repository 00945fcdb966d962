"""The machine that ``make run`` brings along: let in by a join key like any other, and as an agent.

It is let in here, in the process that prepares the database, because no door is open yet. What is
said and what is checked is the same as at the door, and so is what is kept (``embedded.seat``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import transaction

from agents import reports, rules
from agents import selectors as agents
from agents.models import Agent, AgentState, WorkerState
from agents.services import offer_models, retire_worker, withdraw_workers
from catalog import selectors as catalog
from common import clock
from common.problems import Problem
from enrolment import joining, machines_api, services, tokens
from enrolment.joining import Joining
from enrolment.services import NewJoinKey
from xerotier_site.embedded.seat import Seat, Unusable

TIER = "free"
JOIN_KEY_NAME = "make run"
JOIN_KEY_LIFE = timedelta(minutes=5)
BY_URL = ("built-in chat", "built-in embeddings")
"""The workers that earlier versions kept in place of this machine."""
HERE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A model that ``make run`` brings, and the endpoint it is shown behind."""

    model: str
    slug: str
    task: str
    kind: str
    context: int
    operations: tuple[str, ...]


CHAT = BuiltIn(
    "smollm2-135m-instruct",
    "chat",
    "generate",
    "llamacpp",
    2048,
    ("chat/completions", "completions", "responses"),
)
EMBED = BuiltIn(
    "all-minilm-l6-v2", "embeddings", "embed", "openai", 256, ("embeddings", "score", "rerank")
)


def tiers_of_this_machine() -> tuple[str, str]:
    """Return what this machine serves: to try things out, and its processor's tier."""
    cpuinfo = Path("/proc/cpuinfo")
    return TIER, rules.cpu_tier(cpuinfo.read_text() if cpuinfo.is_file() else "")


def settle(folder: Path, url: str, served: Sequence[str]) -> str:
    """Have this machine enrolled, and these models of it on offer; return why not, in words.

    ``folder`` is its state, ``url`` where it reaches the platform. Without models nothing is
    made, and what it served is withdrawn.
    """
    _retire_workers_by_url()
    try:
        with transaction.atomic():
            return _settled(Seat(folder), url, served)
    except (Problem, Unusable) as fault:
        return str(fault)


def _settled(seat: Seat, url: str, served: Sequence[str]) -> str:
    key = seat.public_key
    agent = agents.agent_by_key(key) if key else None
    if not served:
        if agent is not None:
            withdraw_workers(agent)
        return ""
    if agent is None:
        agent = _let_in(seat, url)
    elif agent.state == AgentState.RETIRED:
        return (
            f"{agent.name} was revoked in the console, so it serves nothing. To have it back, "
            "remove the folder xim of the platform's data and start again."
        )
    else:
        seat.renew(url, _told(url, agent))
    _offer(agent, served)
    return ""


def _let_in(seat: Seat, url: str) -> Agent:
    tiers = [tier for tier in tiers_of_this_machine() if tier in catalog.shared_tiers()]
    ends = clock.now() + JOIN_KEY_LIFE
    issued = services.issue_join_key(
        NewJoinKey(JOIN_KEY_NAME, project=None, tiers=tiers, expires_at=ends)
    )
    let_in: list[Agent] = []

    def ask(said: dict[str, Any]) -> dict[str, Any]:
        known = {name: value for name, value in said.items() if name != "xim_version"}
        let_in.append(joining.enrol(Joining(**known), address=HERE).agent)
        return _told(url, let_in[-1])

    seat.join(url, issued.secret, ask)
    services.revoke_join_key(join_key=issued.join_key)
    return let_in[-1]


def _told(url: str, agent: Agent) -> dict[str, Any]:
    # It is told where it is reached from here, today: the port may be another one.
    tunnel = url.replace("http", "ws", 1) + machines_api.TUNNEL
    return {**machines_api.told(agent, tokens.mint(agent)), "tunnel": tunnel}


def _offer(agent: Agent, served: Sequence[str]) -> None:
    """Put on offer what the machine is about to say, so that nobody waits for it to be heard."""
    if agent.state != AgentState.ACTIVE:
        return
    builtin = [one for one in (CHAT, EMBED) if one.model in served]
    state = {
        "models": [
            {
                "name": one.model,
                "status": "ready",
                "task": one.task,
                "context": one.context,
                "operations": list(one.operations),
            }
            for one in builtin
        ],
        "engine": {"kind": ", ".join(one.kind for one in builtin)},
    }
    wanted = reports.offered(state, catalog.tasks())
    offer_models(agent, reports.placed(agent, wanted, catalog.needed_accelerators()))


def _retire_workers_by_url() -> None:
    """End the workers of an earlier version: the agent serves their models."""
    for name in BY_URL:
        worker = agents.worker_by_name(name)
        if worker is not None and worker.state != WorkerState.RETIRED:
            retire_worker(worker=worker)
