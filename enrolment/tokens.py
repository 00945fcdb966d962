"""Tokens of agents: JWTs of an hour (RFC 7519), bound to the machine's key (RFC 7800 in spirit).

Signed by the keys that sign passes, for another audience. A token opens nothing by itself: a
gateway has the machine prove the key as well, on every link.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.conf import settings

from apikeys import passes
from common import clock
from enrolment import proofs
from inference.contracts.agents import AUDIENCE, TOKEN_S

if TYPE_CHECKING:
    from agents.models import Agent


@dataclass(frozen=True, slots=True)
class AgentToken:
    """A token for the one response that may show it; ``expires_at`` in Unix seconds."""

    text: str = field(repr=False)
    expires_at: int


def mint(agent: Agent) -> AgentToken:
    """Sign a token for an agent."""
    issued_at = int(clock.now().timestamp())
    claims: dict[str, object] = {
        "iss": settings.PUBLIC_URL,
        "aud": AUDIENCE,
        "sub": agent.public_id,
        "prj": agent.project.public_id if agent.project else "",
        "jkt": proofs.thumbprint(agent.public_key),
        "iat": issued_at,
        "exp": issued_at + TOKEN_S,
    }
    return AgentToken(passes.sign(claims), issued_at + TOKEN_S)
