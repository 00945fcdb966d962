"""A machine joins with a join key, once, and only who is meant; nothing is half done."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta

import jwt
import pytest
from django.db import connections
from django.utils import timezone

from agents.lifecycle import retire_agent
from agents.models import Agent, AgentState
from apikeys import passes
from audit.models import AuditEntry
from common import clock
from common.models import OutboxEntry
from enrolment import proofs
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
from enrolment.joining import enrol, leave, refresh
from enrolment.models import JoinKey, JoinKeyUse
from enrolment.services import revoke_join_key
from projects.models import Project
from tests.make import Machine, make_join_key

pytestmark = pytest.mark.django_db


def test_machine_becomes_the_agent_of_the_join_keys_project(acme: Project) -> None:
    issued = make_join_key(acme, region="eu-west")
    machine = Machine()

    enrolled = enrol(machine.joining(issued.secret, facts={"hostname": "gpu1.lan"}), address="::1")

    agent = Agent.objects.get()
    assert enrolled.is_new
    assert (agent.project, agent.name, agent.region) == (acme, "gpu1", "eu-west")
    assert (agent.state, agent.public_key) == (AgentState.ACTIVE, machine.public_key)
    use = JoinKeyUse.objects.get()
    assert (use.join_key, use.agent, use.address) == (issued.join_key, agent, "::1")
    assert AuditEntry.objects.filter(action="agent.enrolled").exists()
    assert OutboxEntry.objects.filter(topic="agent", subject_id=str(agent.pk)).exists()


def test_neither_the_join_key_nor_its_beginning_is_kept(acme: Project) -> None:
    issued = make_join_key(acme)

    row = JoinKey.objects.get()

    assert issued.secret.startswith("xjk_acme_")
    assert issued.secret not in json.dumps(JoinKey.objects.values().get(), default=str)
    assert len(row.hint) < len("xjk_acme_") + 6


def test_token_is_bound_to_the_key_and_to_gateways(acme: Project) -> None:
    machine = Machine()

    token = enrol(machine.joining(make_join_key(acme).secret)).token

    keys = jwt.PyJWKSet.from_dict(passes.jwks(clock.now()))
    kid = jwt.get_unverified_header(token.text)["kid"]
    said = jwt.decode(token.text, keys[kid], ["EdDSA"], audience="xerotier-agent")
    assert said["jkt"] == proofs.thumbprint(machine.public_key)
    assert (said["sub"], said["prj"]) == (Agent.objects.get().public_id, acme.public_id)
    assert said["exp"] - said["iat"] == 3600
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token.text, keys[kid], ["EdDSA"], audience="xerotier-inference")


def test_same_machine_again_is_no_second_one_and_takes_no_second_use(acme: Project) -> None:
    machine, secret = Machine(), make_join_key(acme, uses_max=1).secret
    first = enrol(machine.joining(secret))

    again = enrol(machine.joining(secret))

    assert not again.is_new
    assert again.agent == first.agent
    assert JoinKey.objects.get().uses == 1


def test_single_use_lets_no_second_machine_in(acme: Project) -> None:
    secret = make_join_key(acme, uses_max=1).secret
    enrol(Machine().joining(secret))

    with pytest.raises(JoinKeyUsedUp):
        enrol(Machine().joining(secret))

    assert Agent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_machines_with_the_last_use_one_comes_in(acme: Project) -> None:
    secret = make_join_key(acme, uses_max=1).secret
    refused: list[type[Exception]] = []

    def come() -> None:
        try:
            enrol(Machine().joining(secret))
        except JoinKeyUsedUp as fault:
            refused.append(type(fault))
        finally:
            connections.close_all()

    comers = [threading.Thread(target=come) for _ in range(4)]
    for comer in comers:
        comer.start()
    for comer in comers:
        comer.join()

    assert len(refused) == 3
    assert Agent.objects.count() == JoinKey.objects.get().uses == 1


def test_closed_join_key_lets_nobody_in_and_says_why(acme: Project) -> None:
    revoked, expired = make_join_key(acme), make_join_key(acme)
    revoke_join_key(join_key=revoked.join_key)
    JoinKey.objects.filter(pk=expired.join_key.pk).update(expires_at=timezone.now())

    with pytest.raises(JoinKeyRevoked):
        enrol(Machine().joining(revoked.secret))
    with pytest.raises(JoinKeyExpired):
        enrol(Machine().joining(expired.secret))

    assert not Agent.objects.exists()


def test_revoking_a_join_key_leaves_its_machines_alone(acme: Project) -> None:
    issued, machine = make_join_key(acme, uses_max=None), Machine()
    agent = enrol(machine.joining(issued.secret)).agent

    revoke_join_key(join_key=issued.join_key)

    assert refresh(machine.proof(proofs.REFRESH, agent.public_id))[0].state == AgentState.ACTIVE
    assert enrol(machine.joining(issued.secret)).agent == agent


@pytest.mark.parametrize("change", [lambda key: key[:-1], lambda key: key[:-1] + "0", str.upper])
def test_mistyped_join_key_is_nobodys(acme: Project, change: object) -> None:
    secret = make_join_key(acme).secret
    assert callable(change)
    typed = change(secret)
    assert typed != secret

    with pytest.raises(JoinKeyInvalid):
        enrol(Machine().joining(typed))


def test_join_key_without_the_machines_signature_opens_nothing(acme: Project) -> None:
    secret = make_join_key(acme).secret
    said = Machine().joining(secret)
    stolen = Machine().joining(secret).proof

    with pytest.raises(SignatureInvalid):
        enrol(replace(said, proof=stolen))

    assert not Agent.objects.exists()


def test_machine_that_needs_approval_waits(acme: Project) -> None:
    secret = make_join_key(acme, needs_approval=True).secret

    agent = enrol(Machine().joining(secret)).agent

    assert agent.state == AgentState.PENDING


def test_pattern_says_which_names_come_in(acme: Project) -> None:
    secret = make_join_key(acme, name_pattern="gpu-*", uses_max=None).secret

    with pytest.raises(NameNotAllowed) as refused:
        enrol(Machine().joining(secret, facts={"hostname": "laptop"}))
    agent = enrol(Machine().joining(secret, name="gpu-7")).agent

    assert "gpu-*" in refused.value.message
    assert "--name" in refused.value.message
    assert agent.name == "gpu-7"


def test_machines_of_one_host_name_get_numbers(acme: Project) -> None:
    secret = make_join_key(acme, uses_max=None).secret

    names = [
        enrol(Machine().joining(secret, facts={"hostname": "node"})).agent.name for _ in range(3)
    ]

    assert names == ["node", "node-2", "node-3"]


def test_enrolled_machine_is_not_taken_over_by_another_join_key(
    acme: Project, rival: Project
) -> None:
    machine = Machine()
    enrol(machine.joining(make_join_key(acme).secret))

    with pytest.raises(AlreadyEnrolled):
        enrol(machine.joining(make_join_key(rival).secret))

    assert Agent.objects.get().project == acme


def test_revoked_machine_comes_back_by_nothing_it_has(acme: Project) -> None:
    machine, secret = Machine(), make_join_key(acme, uses_max=None).secret
    agent = enrol(machine.joining(secret)).agent
    retire_agent(agent=agent)

    with pytest.raises(AgentRevoked):
        refresh(machine.proof(proofs.REFRESH, agent.public_id))
    with pytest.raises(AgentRevoked):
        enrol(machine.joining(secret))


def test_refresh_needs_the_machines_own_key_and_signature(acme: Project) -> None:
    machine, other = Machine(), Machine()
    agent = enrol(machine.joining(make_join_key(acme).secret)).agent
    proof = machine.proof(proofs.REFRESH, agent.public_id)

    with pytest.raises(AgentNotEnrolled):
        refresh(other.proof(proofs.REFRESH, agent.public_id))
    with pytest.raises(SignatureInvalid):
        refresh(replace(proof, signature=other.proof(proofs.REFRESH, agent.public_id).signature))
    with pytest.raises(SignatureInvalid):
        refresh(replace(proof, signature=machine.proof(proofs.LEAVE, agent.public_id).signature))
    with pytest.raises(AgentNotEnrolled):
        refresh(replace(proof, agent="agt_nobody"))
    assert refresh(proof)[0] == agent


@pytest.mark.parametrize("off_s", [-301, 301, float("nan"), float("inf")])
def test_clock_that_is_off_is_told_the_time(acme: Project, off_s: float) -> None:
    machine = Machine()
    agent = enrol(machine.joining(make_join_key(acme).secret)).agent
    at = clock.now().timestamp() + off_s
    proof = replace(machine.proof(proofs.REFRESH, agent.public_id), time=at)

    with pytest.raises(ClockOff) as refused:
        refresh(proof)

    told = refused.value.more["server_time"]
    assert isinstance(told, float)
    assert abs(told - clock.now().timestamp()) < 60
    assert "UTC" in refused.value.message


def test_machine_that_leaves_is_retired_and_may_say_so_twice(acme: Project) -> None:
    machine = Machine()
    agent = enrol(machine.joining(make_join_key(acme).secret)).agent

    leave(machine.proof(proofs.LEAVE, agent.public_id))
    leave(machine.proof(proofs.LEAVE, agent.public_id))

    agent.refresh_from_db()
    assert (agent.state, agent.reason) == (AgentState.RETIRED, "it left")


def test_project_that_is_marked_for_deletion_takes_no_machines(acme: Project) -> None:
    secret = make_join_key(acme).secret
    Project.objects.filter(pk=acme.pk).update(delete_after=clock.now() + timedelta(days=7))

    with pytest.raises(JoinKeyRevoked):
        enrol(Machine().joining(secret))
