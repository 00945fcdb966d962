"""Lifecycle of agents: admitted, approved, suspended, resumed, retired, by whom and why.

Nothing else writes what people decided of an agent; what it says of itself is ``reports``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import F

from agents.errors import AgentNameTaken, AgentRetired
from agents.models import Agent, AgentEvent, AgentState
from agents.services import withdraw_workers
from audit import services as audit
from common import clock, outbox
from common.actor import SYSTEM, Actor, ActorKind
from common.names import check_name
from common.problems import Stale

if TYPE_CHECKING:
    from projects.models import Project

REASON_MAX = 200


@dataclass(frozen=True, slots=True)
class NewAgent:
    """A machine that is let in: whose it is, what it may serve, and its key (base64url)."""

    name: str
    project: Project | None
    public_key: str
    tiers: Sequence[str] = ()
    region: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    waits: bool = False
    """Until its owner approves it."""


def admit_agent(new: NewAgent, *, by: Actor = SYSTEM) -> Agent:
    """Let a machine in. Raises ``NameMalformed`` or ``AgentNameTaken``."""
    check_name(new.name)
    state = AgentState.PENDING if new.waits else AgentState.ACTIVE
    try:
        with transaction.atomic():
            agent = Agent.objects.create(
                name=new.name,
                project=new.project,
                public_key=new.public_key,
                tiers=list(new.tiers),
                region=new.region,
                facts=new.facts,
                state=state,
                enrolled_at=clock.now(),
            )
            told: dict[str, object] = {
                "fingerprint": agent.fingerprint,
                "region": new.region,
                "state": state,
            }
            _note(agent, by, "enrolled", told)
    except IntegrityError as clash:
        raise AgentNameTaken(
            f"There is a machine named “{new.name}” already. Choose another name.", param="name"
        ) from clash
    return agent


def approve_agent(*, agent: Agent, by: Actor = SYSTEM) -> None:
    """Let a machine that waits for its owner's word work. Others it leaves as they are."""
    if agent.state == AgentState.PENDING:
        _decide(agent, by, "approved", AgentState.ACTIVE)


def suspend_agent(*, agent: Agent, reason: str = "", by: Actor = SYSTEM) -> None:
    """Give a machine no new work; what runs goes on, and its link stays.

    Raises ``AgentRetired``, or ``Stale`` if it is no longer as ``agent`` shows it.
    """
    _decide(agent, by, "suspended", AgentState.SUSPENDED, reason)


def resume_agent(*, agent: Agent, by: Actor = SYSTEM) -> None:
    """Let a suspended machine work again. Raises as ``suspend_agent``."""
    _decide(agent, by, "resumed", AgentState.ACTIVE)


def drain_agent(*, agent: Agent, by: Actor = SYSTEM) -> None:
    """Have a machine take nothing new, finish what runs, and end. One that is away it leaves so.

    Only of machines that work: whoever is suspended gets nothing anyhow. Twice is allowed.
    """
    with transaction.atomic():
        there = Agent.objects.filter(
            pk=agent.pk, state=AgentState.ACTIVE, is_linked=True, drain_asked_at=None
        )
        if there.update(drain_asked_at=clock.now(), version=F("version") + 1):
            agent.refresh_from_db()
            _note(agent, by, "drain_asked", {})


def end_drain(agent: Agent, what: str) -> None:
    """Forget that a machine was to drain: it has gone, or was started again."""
    with transaction.atomic():
        asked = Agent.objects.filter(pk=agent.pk).exclude(drain_asked_at=None)
        if asked.update(drain_asked_at=None, version=F("version") + 1):
            agent.refresh_from_db(fields=["drain_asked_at", "version"])
            note_event(agent, what)
            outbox.announce("agent", agent.pk)


def retire_agent(*, agent: Agent, reason: str = "", by: Actor = SYSTEM) -> bool:
    """Revoke a machine for good: its links are cut within a second. Say whether it lived.

    The row stays, because usage names what served it. Twice is allowed.
    """
    with transaction.atomic():
        living = Agent.objects.filter(pk=agent.pk).exclude(state=AgentState.RETIRED)
        changed = living.update(
            state=AgentState.RETIRED,
            reason=reason[:REASON_MAX],
            is_linked=False,
            version=F("version") + 1,
        )
        if changed:
            withdraw_workers(agent)
            _note(agent, by, "retired", {"reason": reason} if reason else {})
    return bool(changed)


def touch_agents(*, project_id: int) -> list[int]:
    """Raise the version of every agent of a project that was closed or restored.

    Returns the primary keys.
    """
    touched = Agent.objects.filter(project=project_id)
    touched.update(version=F("version") + 1)
    return list(touched.values_list("pk", flat=True))


def note_event(agent: Agent, what: str, detail: str = "", *, by: str = "") -> None:
    """Write down something that happened to an agent, for its page."""
    AgentEvent.objects.create(agent=agent, at=clock.now(), what=what, detail=detail[:200], by=by)


def _decide(agent: Agent, by: Actor, what: str, state: AgentState, reason: str = "") -> None:
    with transaction.atomic():
        row = Agent.objects.filter(pk=agent.pk, version=agent.version)
        columns = {"state": state, "reason": reason[:REASON_MAX]}
        if not row.exclude(state=AgentState.RETIRED).update(version=F("version") + 1, **columns):
            _refuse(agent)
        agent.refresh_from_db()
        if state != AgentState.ACTIVE:
            withdraw_workers(agent)
        _note(agent, by, what, {"reason": reason} if reason else {})


def _refuse(agent: Agent) -> None:
    if Agent.objects.filter(pk=agent.pk, state=AgentState.RETIRED).exists():
        raise AgentRetired("This machine was revoked for good; let it enrol again.")
    raise Stale("The machine has changed since you read it. Read it again.")


def _note(agent: Agent, by: Actor, what: str, after: dict[str, object]) -> None:
    who = "" if by.kind is ActorKind.SYSTEM else by.name
    note_event(agent, what, str(after.get("reason", "")), by=who)
    audit.record(
        by=by,
        action=f"agent.{what}",
        project=agent.project.public_id if agent.project else "",
        subject=("agent", agent.public_id),
        after={"name": agent.name, **after},
    )
    outbox.announce("agent", agent.pk)
