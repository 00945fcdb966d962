"""The API of joining, as people and machines meet it."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from django.test import override_settings
from rest_framework.test import APIClient

from agents import reports
from agents.models import Agent
from common import clock
from enrolment import proofs
from projects.models import Project
from tests.links import MODEL, READY, link, state_of
from tests.make import Machine, make_agent, make_join_key, make_model

pytestmark = pytest.mark.django_db


def joining(machine: Machine, secret: str, **said: Any) -> dict[str, Any]:
    """Return what a machine sends."""
    proof = machine.sign(proofs.of_joining(secret))
    return {"join_key": secret, "public_key": machine.public_key, "proof": proof, **said}


def proving(machine: Machine, label: bytes, agent: str) -> dict[str, Any]:
    """Return what an enrolled machine sends."""
    said = machine.proof(label, agent)
    return {name: getattr(said, name) for name in said.__slots__}


def test_people_make_a_join_key_and_a_machine_comes_with_it(
    as_ada: APIClient, acme: Project
) -> None:
    path = f"/{acme.public_id}/v1/management/join-keys"
    made = as_ada.post(path, {"name": "rack"}, format="json")
    machine = Machine()

    came = APIClient().post(
        "/v1/enroll", joining(machine, made.json()["secret"], name="gpu1"), format="json"
    )

    assert (made.status_code, came.status_code) == (201, 201)
    told = came.json()
    assert told["agent"] == {
        "id": Agent.objects.get().public_id,
        "name": "gpu1",
        "state": "active",
        "project": acme.public_id,
    }
    assert told["tunnel"].startswith("ws")
    assert told["tunnel"].endswith("/agents/v1/tunnel")
    assert abs(told["server_time"] - clock.now().timestamp()) < 60
    [shown] = as_ada.get(path).json()["data"]
    assert (shown["state"], shown["uses"]) == ("used_up", 1)
    assert [one["name"] for one in shown["agents"]] == ["gpu1"]
    assert "secret" not in shown


def test_same_machine_is_answered_200_the_second_time(acme: Project) -> None:
    machine, secret = Machine(), make_join_key(acme).secret
    said = joining(machine, secret)

    codes = [APIClient().post("/v1/enroll", said, format="json").status_code for _ in range(2)]

    assert codes == [201, 200]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"public_key": "AA"}, "public_key"),
        ({"public_key": "/" * 43}, "public_key"),
        ({"name": "n" * 81}, "name"),
        ({"facts": {"a": "x" * 9000}}, "facts"),
        ({"facts": {"a": "\0"}}, "facts"),
        ({"facts": []}, "facts"),
        ({"hostname": "x"}, "hostname"),
        ({"join_key": "\0"}, "join_key"),
    ],
)
def test_wrong_field_of_a_machine_is_named(
    acme: Project, change: dict[str, Any], param: str
) -> None:
    said = {**joining(Machine(), make_join_key(acme).secret), **change}

    refused = APIClient().post("/v1/enroll", said, format="json")

    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
    assert not Agent.objects.exists()


def test_clock_that_is_off_learns_the_time_from_the_envelope(acme: Project) -> None:
    machine = Machine()
    secret = make_join_key(acme).secret
    came = APIClient().post("/v1/enroll", joining(machine, secret), format="json").json()
    said = proving(machine, proofs.REFRESH, came["agent"]["id"])

    refused = APIClient().post(
        "/v1/enroll/refresh", {**said, "time": said["time"] - 3600}, format="json"
    )

    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (400, "clock_off")
    assert abs(error["server_time"] - clock.now().timestamp()) < 60
    assert APIClient().post("/v1/enroll/refresh", said, format="json").status_code == 200


def test_machine_leaves_by_its_own_word(acme: Project) -> None:
    machine = Machine()
    secret = make_join_key(acme).secret
    came = APIClient().post("/v1/enroll", joining(machine, secret), format="json").json()
    said = proving(machine, proofs.LEAVE, came["agent"]["id"])

    assert APIClient().post("/v1/enroll/leave", said, format="json").status_code == 204
    refused = APIClient().post(
        "/v1/enroll/refresh", proving(machine, proofs.REFRESH, said["agent"]), format="json"
    )

    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "agent_revoked")


@override_settings(ENROLMENTS_PER_MIN=3)
def test_one_address_tries_only_so_often(acme: Project) -> None:
    guesser = APIClient(REMOTE_ADDR="203.0.113.77")
    said = joining(Machine(), make_join_key(acme).secret) | {"join_key": "xjk_acme_guess"}

    codes = [guesser.post("/v1/enroll", said, format="json").status_code for _ in range(4)]

    assert codes == [401, 401, 401, 429]


def test_owner_sees_suspends_resumes_and_revokes_a_machine(
    as_ada: APIClient, acme: Project, valkey: redis.Redis
) -> None:
    make_model(MODEL)
    agent = make_agent(acme)
    link(valkey, agent, state_of(READY, running=2, waiting=1, kv=0.5, tokens_per_s=31.5))
    reports.reconcile()
    path = f"/{acme.public_id}/v1/management/agents/{agent.public_id}"

    shown = as_ada.get(path)
    body = shown.json()
    assert (body["state"], body["links"], body["engine"]) == ("active", 1, "")
    assert body["load"] == {
        "slots": 4, "running": 2, "waiting": 1, "kv": 0.5, "tokens_per_s": 31.5
    }  # fmt: skip
    [model] = body["models"]
    assert (model["name"], model["model"], model["status"]) == (MODEL, MODEL, "ready")
    assert model["worker"].startswith("wrk_")

    said = {"state": "suspended", "reason": "new fans"}
    suspended = as_ada.patch(path, said, format="json", headers={"if-match": shown["ETag"]})
    assert (suspended.json()["state"], suspended.json()["reason"]) == ("suspended", "new fans")
    stale = as_ada.patch(
        path, {"state": "active"}, format="json", headers={"if-match": shown["ETag"]}
    )
    assert stale.status_code == 412
    resumed = as_ada.patch(
        path, {"state": "active"}, format="json", headers={"if-match": suspended["ETag"]}
    )
    assert resumed.json()["state"] == "active"
    assert as_ada.delete(path).status_code == 204
    assert as_ada.get(f"/{acme.public_id}/v1/management/agents").json()["data"] == []
    told = [event["what"] for event in as_ada.get(f"{path}/events").json()["data"]]
    assert told == ["retired", "resumed", "suspended", "linked", "enrolled"]


def test_owner_sees_no_machine_of_another_nor_of_the_platform(
    as_ada: APIClient, acme: Project, rival: Project
) -> None:
    others = [make_agent(rival), make_agent(None)]
    path = f"/{acme.public_id}/v1/management/agents"

    assert as_ada.get(path).json()["data"] == []
    for other in others:
        assert as_ada.get(f"{path}/{other.public_id}").status_code == 404
        assert as_ada.delete(f"{path}/{other.public_id}").status_code == 404
    assert Agent.objects.exclude(state="retired").count() == 2
