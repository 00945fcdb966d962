"""A platform that signs tokens of agents, and agents that have one: both ends of the trust."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from inference.contracts import pass_keys
from inference.contracts.agents import ACTIVE, AUDIENCE, AgentEntry
from inference.contracts.names import agent_key
from inference.contracts.pass_keys import PassKey, PassKeys
from inference.fleet.tunnel.trust import OnFound, proof_of, thumb_of

ISSUER = "https://xerotier.test"
NOW = 1_800_000_000.0


def text_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw_public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


@dataclass
class Platform:
    """The control plane, as gateways see it: what is published, and whether it can be asked."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    entries: dict[str, object] = field(default_factory=dict)
    is_away: bool = False

    def __post_init__(self) -> None:
        public = PassKey("k1", text_of(raw_public(self.key)))
        keys = PassKeys(1, ISSUER, pass_keys.AUDIENCE, (public,))
        self.entries[pass_keys.NAME] = keys

    def resolve(self, names: Sequence[str], then: OnFound) -> None:
        found: Mapping[str, object] = {name: self.entries.get(name) for name in names}
        then({} if self.is_away else found, not self.is_away)

    def publish(self, entry: AgentEntry) -> None:
        self.entries[agent_key(entry.agent)] = entry

    def token(self, claims: dict[str, Any], head: dict[str, Any] | None = None) -> str:
        said = {"alg": "EdDSA", "typ": "JWT", "kid": "k1", **(head or {})}
        parts = [text_of(json.dumps(part).encode()) for part in (said, claims)]
        signed = ".".join(parts).encode()
        return f"{signed.decode()}.{text_of(self.key.sign(signed))}"


class Identity:
    """An agent that has enrolled."""

    def __init__(self, platform: Platform, agent: str = "agt_1", state: str = ACTIVE) -> None:
        self.platform = platform
        self.agent = agent
        self.key = Ed25519PrivateKey.generate()
        self.public = raw_public(self.key)
        self.now = NOW
        self.entry = AgentEntry(1, agent, "", state)
        platform.publish(self.entry)

    def claims(self) -> dict[str, Any]:
        now = self.now
        return {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": self.agent,
            "prj": "",
            "jkt": thumb_of(self.public),
            "iat": int(now) - 10,
            "exp": int(now) + 3000,
        }

    def token(self, **other: Any) -> str:
        return self.platform.token({**self.claims(), **other})

    def hello(self, gateway: str, nonce: bytes, token: str = "", **other: Any) -> dict[str, Any]:
        token = token or self.token()
        signature = self.key.sign(proof_of(gateway, nonce, token))
        return {
            "version": 1,
            "token": token,
            "key": self.public,
            "signature": signature,
            "boot": hashlib.sha256(self.agent.encode()).hexdigest()[:16],
            "epoch": 1,
            "xim": "0.1",
            "features": [],
            **other,
        }

    def state(self, boot: str, seq: int = 1, **other: Any) -> dict[str, Any]:
        return {
            "seq": seq,
            "boot": boot,
            "drain": False,
            "slots": 64,
            "running": 0,
            "waiting": 0,
            "kv": None,
            "tokens_per_s": 0.0,
            "xim": "0.1",
            "models": [served("mock")],
            "engine": {"kind": "sim", "version": "1", "quirks": "vllm"},
            **other,
        }


def served(name: str, status: str = "ready", running: int = 0) -> dict[str, Any]:
    """Return a model as STATE names it."""
    return {
        "name": name,
        "status": status,
        "reason": "",
        "progress": None,
        "task": "generate",
        "context": 4096,
        "operations": ["chat/completions"],
        "size_bytes": None,
        "running": running,
    }
