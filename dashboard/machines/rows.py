"""Machines as pages show them: words and figures only, so that a template can ask nothing more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.urls import reverse

from agents.rules import shown_state, text
from agents.shapes import load_of
from common.names import visible
from dashboard.machines.served import ModelRow, model_rows
from dashboard.shell.contexts import State
from dashboard.templatetags.figures import size

if TYPE_CHECKING:
    from agents.models import Agent
    from inference.contracts.agents import LinkReport
    from projects.models import Project

MODELS_NAMED = 2
FACTS_SHOWN = 24
FACT_MAX = 200
BYTES_MAX = 2**63
NOTHING = "–"
_LABELS = {"os": "OS", "cpus": "CPUs", "arch": "Architecture", "memory_bytes": "Memory"}
_TONES = {
    "pending": "waiting",
    "active": "good",
    "suspended": "",
    "disconnected": "warning",
    "dead": "bad",
    "retired": "",
}


@dataclass(frozen=True, slots=True)
class LoadRow:
    """What a machine does now, by its own word."""

    at_work: str
    waiting: int
    kv_percent: float | None
    tokens_per_s: str


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One link of a machine: to which gateway, since when, from where, and what runs over it."""

    gateway: str
    peer: str
    since: datetime
    in_flight: int


@dataclass(frozen=True, slots=True)
class MachineRow:
    """A machine in a list, and at the top of its page. Without a link it has no ``load``."""

    public_id: str
    name: str
    url: str
    state: State
    reason: str
    is_draining: bool
    models: tuple[ModelRow, ...]
    load: LoadRow | None
    seen_at: datetime | None
    version: str
    engine: str

    @property
    def named(self) -> tuple[ModelRow, ...]:
        """Return the models that a list has room for."""
        return self.models[:MODELS_NAMED]

    @property
    def unnamed(self) -> int:
        """Count the others."""
        return len(self.models) - len(self.named)


def machine_row(
    project: Project, agent: Agent, links: Sequence[LinkReport], tasks: Mapping[str, str]
) -> MachineRow:
    """Lay out a machine; its workers are expected to be loaded, its links freshest first."""
    word = shown_state(agent.state, is_linked=agent.is_linked, is_dead=agent.is_dead)
    return MachineRow(
        public_id=agent.public_id,
        name=agent.name,
        url=reverse("project:machine", args=[project.public_id, agent.public_id]),
        state=State(_TONES[word], word),
        reason=agent.reason,
        is_draining=agent.reported.get("drain") is True,
        models=model_rows(agent, tasks),
        load=_load_row(links[0]) if links else None,
        # The row's is up to a quarter of a minute old; the link's is of this second.
        seen_at=datetime.fromtimestamp(links[0].seen, UTC) if links else agent.seen_at,
        version=visible(text(agent.reported.get("xim"))),
        engine=_engine(agent.reported.get("engine")),
    )


def link_rows(links: Sequence[LinkReport]) -> tuple[LinkRow, ...]:
    """Lay out the links of a machine."""
    return tuple(
        LinkRow(one.gateway, one.peer, datetime.fromtimestamp(one.since, UTC), one.in_flight)
        for one in links
    )


def fact_rows(facts: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return what a machine says of itself in words: nobody vouches for any of it."""
    named = list(facts.items())[:FACTS_SHOWN]
    return tuple(
        (_LABELS.get(name) or visible(name.replace("_", " ")).capitalize()[:40], _said(name, value))
        for name, value in named
    )


def _load_row(report: LinkReport) -> LoadRow:
    load = load_of(report)
    slots, kv = load["slots"], load["kv"]
    return LoadRow(
        at_work=f"{load['running']:,} of {slots:,}" if slots else f"{load['running']:,}",
        waiting=load["waiting"],
        kv_percent=None if kv is None else kv * 100,
        tokens_per_s=f"{load['tokens_per_s']:,.1f}",
    )


def _engine(said: Any) -> str:
    engine = said if isinstance(said, dict) else {}
    return visible(" ".join(text(engine.get(name)) for name in ("kind", "version"))).strip()


def _said(name: str, value: Any) -> str:
    if isinstance(value, str):
        return visible(value)[:FACT_MAX] or NOTHING
    if name.endswith("_bytes"):
        return _size(value)
    if isinstance(value, list):
        return ", ".join(_thing(one) for one in value)[:FACT_MAX] or NOTHING
    return _thing(value)


def _thing(value: Any) -> str:
    if isinstance(value, str):
        return visible(value)[:FACT_MAX]
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        memory = value.get("memory_bytes")
        more = f" ({_size(memory)})" if memory else ""
        return visible(value["name"])[:FACT_MAX] + more
    try:
        return visible(json.dumps(value, ensure_ascii=False))[:FACT_MAX]
    except (ValueError, RecursionError):
        return NOTHING


def _size(value: Any) -> str:
    is_size = isinstance(value, int) and 0 < value <= BYTES_MAX
    return size(value) if is_size else NOTHING
