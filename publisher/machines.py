"""Entries of machines: agents as they stand, and the pools of workers of each model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from agents import lifecycle, selectors, services
from agents.models import Agent, AgentState, WorkerState
from agents.models import Worker as WorkerRow
from catalog import selectors as catalog
from inference.contracts import agents as contract
from inference.contracts.entries import Pool, Worker, dump
from inference.contracts.names import agent_key, own_pool, pool_key, shared_pool
from publisher.entries import Entry

if TYPE_CHECKING:
    from projects.models import Project

BATCH = 500


def everything() -> Iterator[Entry]:
    """Yield the entries of all machines and pools there are."""
    for one in selectors.groups():
        yield from pools_of(one.model_name, one.project)
    for agent in selectors.all_agents().iterator(chunk_size=BATCH):
        yield agent_entry(agent)


def of_worker(primary_key: int) -> Iterator[Entry]:
    """Yield the pools that a worker is in, or was."""
    for worker in selectors.all_workers().filter(pk=primary_key):
        yield from pools_of(worker.model_name, worker.project)


def of_agents(primary_keys: Iterable[int]) -> Iterator[Entry]:
    """Yield the entries of these agents."""
    for agent in selectors.all_agents().filter(pk__in=primary_keys):
        yield agent_entry(agent)


def of_project(primary_key: int) -> Iterator[Entry]:
    """Yield the entries of a project's machines, as it was closed or restored."""
    yield from of_agents(lifecycle.touch_agents(project_id=primary_key))
    services.touch_workers(project_id=primary_key)
    for one in selectors.groups().filter(project_id=primary_key):
        yield from pools_of(one.model_name, one.project)


def pools_of(model_name: str, owner: Project | None) -> Iterator[Entry]:
    """Yield the pools of an owner's workers of a model: one, or one for each shared tier.

    All have the same version, the sum of the versions of all the owner's workers of the
    model: none ever leaves the sum, and none changes owner or model. So a worker that moves
    between tiers raises the pools it leaves as well.
    """
    rows = list(selectors.workers_of_model(model_name, project=owner))
    version = sum(row.version for row in rows)
    active = [row for row in rows if row.state == WorkerState.ACTIVE and row.is_offered]
    if owner is not None and owner.delete_after is not None:
        active = []  # Nobody asks them any more, probes neither.
    if owner is not None:
        yield _pool(own_pool(owner.public_id, model_name), version, active)
        return
    for tier in catalog.shared_tiers():
        carrying = [row for row in active if tier in row.tiers]
        yield _pool(shared_pool(tier, model_name), version, carrying)


def _pool(name: str, version: int, rows: Iterable[WorkerRow]) -> Entry:
    workers = tuple(
        Worker(
            worker_id=row.public_id,
            url=row.url,
            model=row.model_name,
            served_name=row.served_name,
            operations=tuple(row.operations),
            credential=row.backend.credential if row.backend else row.credential,
            slots=row.slots,
            agent=row.agent.public_id if row.agent else "",
            region=row.region,
            tenant_url=row.backend.url if row.backend else "",
        )
        for row in rows
    )
    payload = dump(Pool(version, name, workers))
    return Entry(pool_key(name), version, payload, pool=name, is_staffed=bool(workers))


def agent_entry(agent: Agent) -> Entry:
    """Return the entry of an agent; a tombstone if it or its project is closed."""
    project = agent.project
    is_gone = agent.state == AgentState.RETIRED or (
        project is not None and project.delete_after is not None
    )
    is_draining = agent.state == AgentState.ACTIVE and agent.drain_asked_at is not None
    entry = contract.AgentEntry(
        version=agent.version,
        agent=agent.public_id,
        project=project.public_id if project else "",
        state=_told_state(agent.state, is_gone=is_gone, is_draining=is_draining),
        gone=is_gone,
    )
    return Entry(agent_key(agent.public_id), agent.version, contract.dump(entry))


def _told_state(state: str, *, is_gone: bool, is_draining: bool) -> str:
    if is_gone:
        return contract.SUSPENDED
    return contract.DRAINING if is_draining else state
