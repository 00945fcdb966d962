"""Reports of agents, reconciled with the rows: what a machine says wins over what we remembered.

Every second the links that are there now are held against the agents that there should be.
Level-triggered: a second that was missed is made up for by the next. A machine that leaves is
*disconnected* at once and *dead* after ``DEAD_AFTER``; only then its models are off the list,
because gateways see by themselves who does not answer, and most machines come back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agents import links, placement, rules, selectors
from agents.lifecycle import end_drain, note_event
from agents.models import Agent, AgentState, Worker
from agents.rules import DEFAULT_OPERATIONS, OPERATIONS, count, text
from agents.services import Offered, offer_models, withdraw_workers
from agents.settled import Settled, Standing
from catalog import selectors as catalog
from common import clock
from inference.contracts.agents import LinkReport

logger = logging.getLogger(__name__)

DEAD_AFTER = timedelta(minutes=15)
SEEN_EVERY = timedelta(seconds=15)
"""How old ``seen_at`` may be of a machine that is there: not a write for every beat."""
SERVING = ("ready", "sleeping")
"""A sleeping model is loaded by the first request for it."""
MODELS_MAX = 64
SIZE_MAX = 2**50
"""Bytes of a model; who says more has miscounted."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalog knows: what each model is for, and what tiers ask of machines."""

    tasks: Mapping[str, str]
    needs: Mapping[str, str] = field(default_factory=dict)


_settled = Settled()


def reconcile() -> int:
    """Hold the links there are against the agents there should be; return how many changed.

    Rows are read whole only of machines for which something may have to be done.
    """
    present = links.freshest()
    if present is None:
        return 0
    known = Known(catalog.tasks(), catalog.needed_accelerators())
    living = {row.public_id: row for row in selectors.standings()}
    _settled.forget_others(living)
    reports = {name: present.get(name) for name in living}
    odd = {name for name, row in living.items() if _is_odd(row, reports[name], known)}
    changed = 0
    for agent in selectors.agents_with_workers(odd):
        changed += _settle(agent, living[agent.public_id], reports[agent.public_id], known)
    _see(row for name, row in living.items() if name not in odd and reports[name])
    return changed


def _is_odd(row: Standing, report: LinkReport | None, known: Known) -> bool:
    """Say whether a machine has to be looked at closely."""
    if report is None:
        return row.is_linked or _is_long_gone(row.is_dead, row.seen_at or row.enrolled_at)
    return not row.is_linked or not _settled.has(row, report, known)


def _see(rows: Iterable[Standing]) -> None:
    """Note that machines are there whose word is older than it may be, all at once."""
    now = clock.now()
    due = [row.public_id for row in rows if row.seen_at is None or now - row.seen_at > SEEN_EVERY]
    if due:
        Agent.objects.filter(public_id__in=due).update(seen_at=now)


def _settle(agent: Agent, row: Standing, report: LinkReport | None, known: Known) -> bool:
    try:
        if report is None:
            return _missed(agent)
        is_changed = _heard(agent, report, known)
    except Exception:  # broad on purpose: one tenant's machine must never stop the others
        logger.exception("agent %s was left as it is", agent.public_id)
        return False
    if not is_changed:
        _settled.note(row, report, known)
    return is_changed


def lasting(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a state is worth a row, in one form: nothing an agent says is trusted."""
    engine = state.get("engine")
    said = engine if isinstance(engine, dict) else {}
    return {
        "models": [_lasting_model(one) for one in _models(state)],
        "engine": {name: text(said.get(name)) for name in ("kind", "version", "quirks")},
        "xim": text(state.get("xim")),
        "slots": count(state.get("slots")),
        "drain": state.get("drain") is True,
    }


def _lasting_model(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: text(one.get(name)) for name in ("name", "status", "reason", "task")},
        "context": count(one.get("context")),
        "size_bytes": count(one.get("size_bytes"), SIZE_MAX),
        "operations": _spoken(one),
    }


def offered(state: Mapping[str, Any], tasks: Mapping[str, str]) -> list[Offered]:
    """Return the models of a state that can serve: ready, and what the catalog takes them for."""
    by_name = {name.lower(): name for name in tasks}
    found: dict[str, Offered] = {}
    for one in _models(state):
        name = by_name.get(one["name"].lower())
        if name is not None and one.get("status") in SERVING:
            offer = _offer(one, name, state)
            if placement.speaks(tasks[name], offer.operations):
                found.setdefault(one["name"], offer)
    return list(found.values())


def misplaced_models(state: Mapping[str, Any], tasks: Mapping[str, str]) -> dict[str, str]:
    """Return the models of which a machine can't do what they are for, with what that is."""
    by_name = {name.lower(): task for name, task in tasks.items()}
    known = [(one, by_name.get(one["name"].lower(), "")) for one in _models(state)]
    return {
        one["name"]: task
        for one, task in known
        if task and not placement.speaks(task, _offer(one, one["name"], state).operations)
    }


def unknown_models(state: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return the names a machine serves models by that the catalog does not know."""
    known = {name.lower() for name in names}
    return [one["name"] for one in _models(state) if one["name"].lower() not in known]


def _offer(one: Mapping[str, Any], name: str, state: Mapping[str, Any]) -> Offered:
    spoken = _spoken(one)
    task = one.get("task")
    usual = DEFAULT_OPERATIONS.get(task if isinstance(task, str) else "generate", ())
    return Offered(
        served_name=one["name"],
        model_name=name,
        operations=spoken or list(usual) or list(DEFAULT_OPERATIONS["generate"]),
        slots=count(state.get("slots")),
        context_length=count(one.get("context")),
        engine=lasting(state)["engine"]["kind"][:24],
    )


def _spoken(one: Mapping[str, Any]) -> list[str]:
    said = _list(one.get("operations"))
    return [operation for operation in OPERATIONS if operation in said]


def _heard(agent: Agent, report: LinkReport, known: Known) -> bool:
    now = clock.now()
    changes: dict[str, Any] = {}
    if not agent.is_linked:
        changes |= {"is_linked": True, "is_dead": False, "seen_at": now}
        note_event(agent, "linked", report.peer)
    elif agent.seen_at is None or now - agent.seen_at > SEEN_EVERY:
        changes["seen_at"] = datetime.fromtimestamp(min(report.seen, now.timestamp()), UTC)
    kept = lasting(report.state)
    if report.state and kept != agent.reported:
        changes["reported"] = kept
    if report.facts and report.facts != agent.facts and rules.fault_in_facts(report.facts) is None:
        changes["facts"] = report.facts
    _write(agent, changes)
    if agent.drain_asked_at is not None and report.since > agent.drain_asked_at.timestamp():
        end_drain(agent, "started again")  # Whoever drains dials no more.
    # Also where nothing changed here: the catalog may know a model since, or a person decided.
    moved = 0
    if agent.state == AgentState.ACTIVE and report.state:
        wanted = placed(agent, offered(report.state, known.tasks), known.needs)
        moved = 0 if _is_offered(agent, wanted) else offer_models(agent, wanted)
    return bool(changes.keys() - {"seen_at"} or moved)


def placed(agent: Agent, wanted: Sequence[Offered], needs: Mapping[str, str]) -> list[Offered]:
    """Return what is offered with where it may serve, by what its machine is fit for."""
    tiers = placement.fitting_tiers(agent.tiers, needs, agent.facts)
    return [replace(one, tiers=tiers, region=agent.region) for one in wanted]


def _is_offered(agent: Agent, wanted: Sequence[Offered]) -> bool:
    """Say whether the rows are as the machine says: so they are nearly always."""
    rows = {row.served_name: row for row in agent.workers.all() if row.is_offered}
    return rows.keys() == {one.served_name for one in wanted} and all(
        _is_as_said(rows[one.served_name], one) for one in wanted
    )


def _is_as_said(row: Worker, one: Offered) -> bool:
    return all(getattr(row, name) == getattr(one, name) for name in one.__slots__)


def _missed(agent: Agent) -> bool:
    if agent.is_linked:
        _write(agent, {"is_linked": False})
        if agent.drain_asked_at is None:
            note_event(agent, "lost")
        else:
            end_drain(agent, "drained")
        return True
    if not _is_long_gone(agent.is_dead, agent.seen_at or agent.enrolled_at):
        return False
    _write(agent, {"is_dead": True})
    withdraw_workers(agent)
    if agent.seen_at is not None:
        note_event(agent, "dead")
    return True


def _is_long_gone(is_dead: bool, last: datetime) -> bool:
    return not is_dead and clock.now() - last >= DEAD_AFTER


def _write(agent: Agent, changes: dict[str, Any]) -> None:
    # The version stays: it counts what gateways are told, and they told us this.
    if changes:
        Agent.objects.filter(pk=agent.pk).update(**changes)
        for name, value in changes.items():
            setattr(agent, name, value)


def _models(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [row for row in _list(state.get("models")) if isinstance(row, dict)]
    return [row for row in rows if text(row.get("name")) == row.get("name") != ""][:MODELS_MAX]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
