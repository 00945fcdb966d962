"""A machine and its page say the same fingerprint: people compare them by eye."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agents.models import Agent
from enrolment import proofs
from xim.identity import Identity


def test_page_and_machine_write_a_fingerprint_alike() -> None:
    key = Ed25519PrivateKey.generate()
    agent = Agent(public_key=proofs.encoded(key.public_key().public_bytes_raw()))

    assert agent.fingerprint == Identity(key).fingerprint
    assert len(agent.fingerprint.split()) == 8
