"""Joining: a machine comes with a join key, proves itself for tokens, and leaves.

What it signs is in ``proofs``. All of it is asked for by nobody who has a seat anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

from django.db import transaction
from django.db.models import F

from agents import lifecycle
from agents import selectors as agents
from agents.lifecycle import NewAgent
from agents.models import Agent, AgentState
from common import clock
from common.actor import Actor, ActorKind
from common.problems import Problem
from enrolment import proofs, rules, selectors, tokens
from enrolment.errors import (
    AgentNotEnrolled,
    AgentRevoked,
    AlreadyEnrolled,
    ClockOff,
    JoinKeyExpired,
    JoinKeyInvalid,
    JoinKeyRevoked,
    JoinKeyUsedUp,
    NameNotAllowed,
    SignatureInvalid,
)
from enrolment.models import JoinKey, JoinKeyUse
from enrolment.tokens import AgentToken

_CLOSED: dict[str, tuple[type[Problem], str]] = {
    "revoked": (JoinKeyRevoked, "This join key was revoked. Ask for a new one."),
    "expired": (JoinKeyExpired, "This join key has expired. Ask for a new one."),
    "used_up": (
        JoinKeyUsedUp,
        "As many machines came with this join key as it lets in. Ask for a new one.",
    ),
}


@dataclass(frozen=True, slots=True)
class Joining:
    """What a machine says that wants to join. ``public_key`` and ``proof`` are base64url."""

    join_key: str = field(repr=False)
    public_key: str
    proof: str
    name: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proof:
    """What an enrolled machine says to prove itself: its key, when it signed (Unix), and what."""

    agent: str
    public_key: str
    time: float
    signature: str


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A machine that is in, with a token. ``is_new``: it was not a moment ago."""

    agent: Agent
    token: AgentToken
    is_new: bool


def enrol(said: Joining, *, address: str = "") -> Enrolled:
    """Let a machine in by its join key; the same machine again is no second one.

    Raises what closes a join key, ``SignatureInvalid``, ``NameNotAllowed``, ``NameMalformed``,
    ``AgentNameTaken``, ``AlreadyEnrolled`` or ``AgentRevoked``. Nothing is half done.
    """
    found = selectors.shown(said.join_key)
    if found is None:
        raise JoinKeyInvalid(
            "Nobody made this join key here. Check that it was copied whole, and the address.",
            param="join_key",
        )
    if not proofs.is_signed(said.public_key, said.proof, proofs.of_joining(said.join_key)):
        raise SignatureInvalid("The proof is no signature by this public key.", param="proof")
    with transaction.atomic():
        # Two machines may come with the last use at once.
        key = JoinKey.objects.select_for_update(of=("self",)).get(pk=found.pk)
        known = agents.agent_by_key(said.public_key)
        if known is not None:
            return Enrolled(_again(known, key), tokens.mint(known), is_new=False)
        _check_open(key)
        agent = _admit(said, key, address)
        return Enrolled(agent, tokens.mint(agent), is_new=True)


def refresh(said: Proof) -> tuple[Agent, AgentToken]:
    """Give an enrolled machine a new token.

    Raises ``AgentNotEnrolled``, ``ClockOff``, ``SignatureInvalid`` or ``AgentRevoked``.
    """
    agent = _proven(said, proofs.REFRESH)
    _refuse_revoked(agent)
    return agent, tokens.mint(agent)


def leave(said: Proof, *, address: str = "") -> None:
    """Retire a machine that says so itself. Twice is allowed. Raises as ``refresh``."""
    agent = _proven(said, proofs.LEAVE)
    lifecycle.retire_agent(agent=agent, reason="it left", by=_machine(agent.name, address))


def _check_open(key: JoinKey) -> None:
    closed = _CLOSED.get(key.state(clock.now()))
    if key.project is not None and key.project.delete_after is not None:
        closed = JoinKeyRevoked, "The project of this join key is marked for deletion."
    if closed is not None:
        kind, message = closed
        raise kind(message, param="join_key")


def _again(agent: Agent, key: JoinKey) -> Agent:
    _refuse_revoked(agent)
    brought = selectors.brought_by(agent)
    if brought is None or brought.pk != key.pk:
        raise AlreadyEnrolled(
            f"This machine is enrolled as “{agent.name}”. To join elsewhere, run `xim leave` first."
        )
    return agent


def _admit(said: Joining, key: JoinKey, address: str) -> Agent:
    new = NewAgent(
        name=_name_of(said, key),
        project=key.project,
        public_key=said.public_key,
        tiers=key.tiers,
        region=key.region,
        facts=said.facts,
        waits=key.needs_approval,
    )
    agent = lifecycle.admit_agent(new, by=_machine(f"join key {key.name}", address))
    JoinKey.objects.filter(pk=key.pk).update(uses=F("uses") + 1)
    JoinKeyUse.objects.create(join_key=key, agent=agent, at=clock.now(), address=address)
    return agent


def _name_of(said: Joining, key: JoinKey) -> str:
    host = said.facts.get("hostname")
    wished = said.name or rules.name_from_host(host if isinstance(host, str) else "")
    if not rules.allows_name(key.name_pattern, wished):
        raise NameNotAllowed(
            f"This join key lets in machines named {key.name_pattern}, not “{wished}”. "
            "Give a name with --name.",
            param="name",
        )
    if said.name:
        return wished
    taken = set(agents.agents_of(project=key.project).values_list("name", flat=True))
    return rules.free_name(wished, taken)


def _proven(said: Proof, label: bytes) -> Agent:
    agent = agents.agent_by_id(said.agent)
    if agent is None or agent.public_key != said.public_key:
        raise AgentNotEnrolled(
            "No machine with this id and key is enrolled here. Enrol it with a join key."
        )
    if rules.is_clock_off(said.time, clock.now()):
        _refuse_clock()
    message = proofs.of_agent(label, said.agent, said.time)
    if not proofs.is_signed(said.public_key, said.signature, message):
        raise SignatureInvalid("The signature is not by this machine's key.", param="signature")
    return agent


def _refuse_clock() -> NoReturn:
    now = clock.now()
    minutes = int(rules.SKEW.total_seconds()) // 60
    raise ClockOff(
        f"The machine's clock is more than {minutes} minutes off; here it is {now:%H:%M:%S} UTC. "
        "Set it, or switch on NTP.",
        param="time",
        more={"server_time": now.timestamp()},
    )


def _refuse_revoked(agent: Agent) -> None:
    if agent.state == AgentState.RETIRED:
        raise AgentRevoked(
            "This machine was revoked by its owner. To bring it back, remove its state and enrol "
            "it with a new join key."
        )


def _machine(name: str, address: str) -> Actor:
    return Actor(ActorKind.SYSTEM, "enrolment", name, address)
