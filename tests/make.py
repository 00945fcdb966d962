"""Rows for tests, with just enough in them to be true.

Plain functions: a default for everything that the test is not about, and a keyword
for everything that it is.
"""

from __future__ import annotations

import itertools
import secrets
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from agents import backends
from agents import services as agents
from agents.asking import Found, Served
from agents.models import Agent, Backend, Worker
from apikeys.services import IssuedKey, issue_key
from catalog import defaults
from catalog import services as catalog
from catalog.models import CatalogModel, ServiceTier
from endpoints.models import Endpoint
from endpoints.services import NewEndpoint, open_endpoint
from enrolment import proofs
from enrolment.joining import Joining, Proof, enrol
from enrolment.services import IssuedJoinKey, NewJoinKey, issue_join_key
from inference.contracts.events import UsageEvent
from projects.models import Membership, Project
from projects.rules import Role

PASSWORD = "a-long-enough-password"

_serial = itertools.count(1)


def make_user(name: str = "", **extra: object) -> User:
    """Return a person nobody has met."""
    name = name or f"user{next(_serial)}"
    return User.objects.create_user(f"{name}@example.com", PASSWORD, **extra)


def make_project(slug: str = "", *, owner: User | None = None) -> Project:
    """Return a project with one owner."""
    slug = slug or f"project{next(_serial)}"
    project = Project.objects.create(slug=slug, name=slug.title())
    seat(project, owner or make_user(), Role.OWNER)
    return project


def seat(project: Project, user: User, role: Role) -> Membership:
    """Give a person a role in a project."""
    return Membership.objects.create(project=project, user=user, role=role)


def prove(client: Client, user: User, *, s_ago: float = 0) -> None:
    """Let a signed-in browser have shown so many seconds ago who is in front of it."""
    session = client.session
    said = {"method": "password", "at": time.time() - s_ago}
    session["account_authentication_methods"] = [said]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()


def session_of(
    user: User, *, proven_s_ago: float | None = 0, headers: dict[str, str] | None = None
) -> APIClient:
    """Return a person who asks the API by their session."""
    client = APIClient(headers=headers)
    client.force_login(user)
    if proven_s_ago is not None:
        prove(client, user, s_ago=proven_s_ago)
    return client


def make_join_key(project: Project | None = None, **said: Any) -> IssuedJoinKey:
    """Return a join key that lets one machine in, made the way the product makes it."""
    said = {"name": f"join{next(_serial)}", **said}
    if project is None:
        said = {"tiers": ("free",), **said}
        make_tier("free")
    return issue_join_key(NewJoinKey(project=project, **said))


@dataclass
class Machine:
    """A machine as the control plane meets it: a key of its own, and what it says."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public_key(self) -> str:
        """Return what it shows."""
        return proofs.encoded(self.key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> str:
        """Sign."""
        return proofs.encoded(self.key.sign(message))

    def joining(self, join_key: str, **said: Any) -> Joining:
        """Return what it says to join."""
        proof = self.sign(proofs.of_joining(join_key))
        return Joining(join_key=join_key, public_key=self.public_key, proof=proof, **said)

    def proof(self, label: bytes, agent: str, at: float | None = None) -> Proof:
        """Return what it says to prove itself."""
        at = time.time() if at is None else at
        signature = self.sign(proofs.of_agent(label, agent, at))
        return Proof(agent=agent, public_key=self.public_key, time=at, signature=signature)


def make_agent(project: Project | None = None, **said: Any) -> Agent:
    """Return a machine that enrolled."""
    said = {"name": f"machine{next(_serial)}", **said}
    joining = Machine().joining(make_join_key(project).secret, **said)
    return enrol(joining).agent


FOUND = Found(
    "https://models.example/v1",
    (Served("smollm2-135m-instruct", 2048, "vllm"), Served("of-nobody")),
    ("chat/completions",),
)
"""What the server of ``make_backend`` says it serves."""


def make_backend(project: Project, name: str = "", *, credential: str = "s3cret") -> Backend:
    """Return a project's own server by URL, which serves the demo chat model."""
    model = make_model().name
    new = backends.NewBackend(
        name=name or f"backend{next(_serial)}",
        project=project,
        url=FOUND.url,
        credential=credential,
        chosen={model: model},
    )
    with answering_backends():
        return backends.add_backend(new)


def answering_backends() -> AbstractContextManager[Any]:
    """Have every backend that is asked answer as the server of ``make_backend``."""
    return patch("agents.asking.ask", return_value=FOUND)


def make_tier(slug: str = "free") -> ServiceTier:
    """Return one of the tiers we ship; the others stay away, as most tests need no more."""
    [(rank, shipped)] = [each for each in enumerate(defaults.TIERS) if each[1].slug == slug]
    catalog._add_tier(rank, shipped)
    return ServiceTier.objects.get(slug=slug)


def make_model(name: str = "smollm2-135m-instruct") -> CatalogModel:
    """Return one of the models we ship, without the others."""
    if not CatalogModel.objects.filter(name=name).exists():
        catalog.add_model(name=name, said=defaults.MODELS[name])
    return CatalogModel.objects.get(name=name)


def make_endpoint(
    project: Project,
    slug: str = "",
    *,
    tier: str = "gpu_nvidia_shared",
    region: str = "",
    fallback: str = "",
) -> Endpoint:
    """Return an endpoint that answers."""
    return open_endpoint(
        NewEndpoint(
            project=project,
            slug=slug or f"endpoint{next(_serial)}",
            model=make_model(),
            tier=make_tier(tier),
            region=region,
            fallback=make_tier(fallback) if fallback else None,
        )
    )


def make_key(
    project: Project,
    *,
    name: str = "",
    scopes: tuple[str, ...] = ("inference",),
    issuer: User | None = None,
) -> IssuedKey:
    """Return a live key of a project, made the way the product makes it."""
    name = name or f"key{next(_serial)}"
    return issue_key(project=project, name=name, scopes=scopes, issuer=issuer)


def make_worker(
    name: str = "",
    *,
    url: str = "http://127.0.0.1:9/v1",
    project: Project | None = None,
    tiers: tuple[str, ...] = ("free", "gpu_nvidia_shared"),
    model: str = "smollm2-135m-instruct",
    **said: Any,
) -> Worker:
    """Return a worker that serves one of our demo models: shared, or a project's own."""
    is_for_chat = defaults.MODELS.get(model, {}).get("task", "generate") == "generate"
    operations = ["chat/completions"] if is_for_chat else ["embeddings"]
    carried = () if project is not None else tiers
    for tier in carried:
        make_tier(tier)
    return agents.add_worker(
        agents.Enrolment(
            name=name or f"worker{next(_serial)}",
            url=url,
            model_name=model,
            credential="worker-secret",
            project=project,
            tiers=carried,
            **{"operations": operations, **said},
        )
    )


def request_id(at: float | None = None) -> str:
    """Return a request id of a moment: ``req_`` and a UUIDv7."""
    milliseconds = int((time.time() if at is None else at) * 1000)
    number = (milliseconds << 80) | (7 << 76) | (secrets.randbits(12) << 64)
    number |= (2 << 62) | secrets.randbits(62)
    return f"req_{number:032x}"


def make_event(project: Project, **said: object) -> UsageEvent:
    """Return what a gateway would report of one finished request."""
    event = UsageEvent(
        request_id=request_id(),
        project=project.public_id,
        endpoint="chat",
        endpoint_id="ep_x",
        model="smollm2-135m-instruct",
        key_id="key_x",
        worker_id="wrk_x",
        operation="chat/completions",
        streamed=False,
        status=200,
        ending="complete",
        source="measured",
        tokens_in=12,
        tokens_out=8,
        tokens_cached=0,
        ttft_ms=20.5,
        latency_ms=100.25,
        tier="free",
        terms_version=1,
    )
    return replace(event, **said)  # type: ignore[arg-type] # why: the caller names its fields
