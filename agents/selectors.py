"""Questions about workers, and which of them live."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Count, F, Q, QuerySet, Sum, TextField
from django.db.models.functions import MD5, Cast

from agents import sightings
from agents.models import (
    Agent,
    AgentEvent,
    AgentState,
    Backend,
    BackendState,
    CacheScope,
    Worker,
    WorkerShift,
    WorkerState,
)
from agents.placement import Served, Wish, obstacle
from agents.settled import Standing

if TYPE_CHECKING:
    from projects.models import Project


_WANTED: dict[str, dict[str, object]] = {
    "pending": {"state": AgentState.PENDING},
    "away": {"state": AgentState.ACTIVE, "is_linked": False},
    "retired": {"state": AgentState.RETIRED},
}
SERVES = Q(state=WorkerState.ACTIVE, is_offered=True)
"""Takes work: nobody suspended it, and its machine has the model ready."""


def workers_of_model(model_name: str, *, project: Project | None) -> QuerySet[Worker]:
    """Return every worker of an owner that ever served a model, by age; none: the operator's."""
    rows = Worker.objects.filter(model_name=model_name, project=project)
    return rows.select_related("agent", "backend").order_by("id")


def workers_for(
    *, project: Project, model_name: str | None = None, tier: str | None = None
) -> QuerySet[Worker]:
    """Return the workers that may take work of a project: its own, and the shared ones.

    With a ``tier`` only the shared ones that carry it.
    """
    active = Worker.objects.filter(SERVES).select_related("agent")
    if model_name is not None:
        active = active.filter(model_name=model_name)
    shared = active.filter(project=None)
    if tier is not None:
        return shared.filter(tiers__contains=[tier])
    return shared | active.filter(project=project)


def served_by(worker: Worker) -> Served:
    """Return a worker as its place is decided by; its agent is expected to be loaded."""
    agent = worker.agent
    is_paused = agent is not None and agent.state != AgentState.ACTIVE
    return Served(
        model_name=worker.model_name,
        operations=worker.operations,
        owner=worker.project_id,
        tiers=worker.tiers,
        region=worker.region,
        is_ready=worker.is_offered,
        is_paused=is_paused or worker.state != WorkerState.ACTIVE,
        is_draining=agent is not None and agent.reported.get("drain") is True,
    )


def live_workers(wish: Wish) -> list[Worker]:
    """Return the workers that an endpoint could be served by right now.

    Placed there by ``placement``, and not seen out by the gateways that look after them.
    """
    owner = wish.project if wish.is_self_hosted else None
    rows = Worker.objects.filter(SERVES, model_name=wish.model_name, project=owner)
    found = alive(rows.select_related("agent").order_by("id"))
    return [worker for worker in found if not obstacle(served_by(worker), wish)]


def carrying(tier: str, *, is_self_hosted: bool) -> QuerySet[Worker]:
    """Return the active workers of a tier, whoever they serve: for operators."""
    active = Worker.objects.filter(SERVES)
    if is_self_hosted:
        return active.exclude(project=None)
    return active.filter(project=None, tiers__contains=[tier])


def serving(model_name: str) -> QuerySet[Worker]:
    """Return the active workers of a model, whoever they serve: for operators."""
    return Worker.objects.filter(SERVES, model_name=model_name)


def shared_alive(*, model_name: str, tier: str) -> list[Worker]:
    """Return the operator's live workers of a model on a tier: what anybody is served by."""
    shared = workers_of_model(model_name, project=None)
    return alive(shared.filter(SERVES, tiers__contains=[tier]))


def alive(workers: QuerySet[Worker]) -> list[Worker]:
    """Return those that no gateway has found out."""
    found = list(workers)
    health = sightings.worker_health({worker.public_id for worker in found})
    return [worker for worker in found if not health[worker.public_id].is_out]


def worker_by_name(name: str) -> Worker | None:
    """Return a worker with a URL of an operator's by its name."""
    return Worker.objects.filter(name=name, agent=None, backend=None).first()


def worker_by_id(public_id: str) -> Worker | None:
    """Return a worker by its public id."""
    return Worker.objects.filter(public_id=public_id).first()


def workers_with(primary_keys: Iterable[str]) -> QuerySet[Worker]:
    """Return the workers of these rows that are not retired yet, by name: for operators."""
    rows = Worker.objects.filter(pk__in=[key for key in primary_keys if key.isdecimal()])
    return rows.exclude(state=WorkerState.RETIRED).order_by("name")


def groups() -> QuerySet[Worker]:
    """Return one worker of each owner and model that ever had one: pools hang on both."""
    return (
        Worker.objects.select_related("project")
        .order_by("model_name", "project_id", "id")
        .distinct("model_name", "project_id")
    )


def all_workers() -> QuerySet[Worker]:
    """Return every worker, by name."""
    return Worker.objects.select_related("project", "backend").order_by("name")


def own_active(project: Project) -> QuerySet[Worker]:
    """Return a project's own workers that take work."""
    return Worker.objects.filter(SERVES, project=project).order_by("id")


def own_names(*, project: Project, worker_ids: Collection[str]) -> dict[str, str]:
    """Return what a project calls those of these workers that are its own, by id."""
    rows = Worker.objects.filter(project=project, public_id__in=worker_ids)
    return {
        row.public_id: (row.agent or row.backend or row).name
        for row in rows.select_related("agent", "backend")
    }


def with_open_cache(worker_ids: Collection[str]) -> set[str]:
    """Return those of these workers whose engines reuse prompts across projects."""
    rows = Worker.objects.filter(public_id__in=worker_ids, cache_scope=CacheScope.PLATFORM)
    return set(rows.values_list("public_id", flat=True))


def shifts_due(moment: datetime) -> QuerySet[WorkerShift]:
    """Return the times of own workers that have hours not billed yet."""
    is_unbilled = Q(billed_until=None) | Q(ended_at=None, billed_until__lte=moment)
    has_more = Q(ended_at__gt=F("billed_until"))
    return (
        WorkerShift.objects.filter(is_unbilled | has_more)
        .select_related("worker__project")
        .order_by("id")
    )


def agents_of(*, project: Project | None) -> QuerySet[Agent]:
    """Return the agents of an owner that are not retired, by name; none: the operator's."""
    rows = Agent.objects.filter(project=project).exclude(state=AgentState.RETIRED)
    return rows.prefetch_related("workers").order_by("name", "id")


def found_agents(*, project: Project, query: str, state: str) -> QuerySet[Agent]:
    """Return a project's agents whose name or id holds a text: in a state, or all that live."""
    rows = Agent.objects.filter(project=project).prefetch_related("workers")
    rows = rows.filter(**_WANTED[state]) if state in _WANTED else rows
    if state != AgentState.RETIRED:
        rows = rows.exclude(state=AgentState.RETIRED)
    return rows.filter(Q(name__icontains=query) | Q(public_id=query)) if query else rows


def has_any(*, project: Project) -> bool:
    """Say whether a project ever had an agent."""
    return Agent.objects.filter(project=project).exists()


def all_agents() -> QuerySet[Agent]:
    """Return every agent, whoever's it is, retired ones too: for the platform itself."""
    return Agent.objects.select_related("project").order_by("id")


def standings() -> list[Standing]:
    """Return what the rows of every living agent hold, in one question: for the platform itself."""
    rows = Agent.objects.exclude(state=AgentState.RETIRED).annotate(
        said=MD5(Cast("reported", TextField())),
        facts_said=MD5(Cast("facts", TextField())),
        served=Count("workers"),
        told=Sum("workers__version"),
    )
    own = ("public_id", "state", "version", "is_linked", "is_dead", "seen_at", "enrolled_at")
    found = rows.order_by("id").values_list(*own, "said", "facts_said", "served", "told")
    return [Standing(*row) for row in found]


def agents_with_workers(public_ids: Collection[str]) -> QuerySet[Agent]:
    """Return these agents with what they serve: for the platform itself."""
    return all_agents().filter(public_id__in=public_ids).prefetch_related("workers")


def agent_of(*, project: Project | None, public_id: str) -> Agent | None:
    """Return an agent of an owner by its id, retired or not."""
    return Agent.objects.filter(project=project, public_id=public_id).first()


def agent_by_key(public_key: str) -> Agent | None:
    """Return the agent that has this key, whoever's it is: for the machine itself."""
    return Agent.objects.select_related("project").filter(public_key=public_key).first()


def agent_by_id(public_id: str) -> Agent | None:
    """Return an agent by its id, whoever's it is: for the machine itself."""
    return Agent.objects.select_related("project").filter(public_id=public_id).first()


def is_agent_name_taken(name: str, *, project: Project | None) -> bool:
    """Say whether a living agent of this owner has the name."""
    return agents_of(project=project).filter(name=name).exists()


def events_of(agent: Agent) -> QuerySet[AgentEvent]:
    """Return what happened to an agent, newest first."""
    return AgentEvent.objects.filter(agent=agent).order_by("-id")


def backends_of(*, project: Project) -> QuerySet[Backend]:
    """Return the backends of a project that are not removed, newest first."""
    rows = Backend.objects.filter(project=project).exclude(state=BackendState.REMOVED)
    return rows.prefetch_related("workers").order_by("-id")


def backend_of(*, project: Project, public_id: str) -> Backend | None:
    """Return a backend of a project by its id; none if it was removed."""
    return backends_of(project=project).filter(public_id=public_id).first()
