"""Join keys: what one may say, how many there may be, and what a name and a clock may be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agents.errors import TierNotForWorkers
from agents.models import Agent, AgentEvent
from common import clock, tenancy
from enrolment import rules, secrets
from enrolment.errors import JoinKeyMalformed, JoinKeyNameTaken, TooManyJoinKeys
from enrolment.models import JoinKey, JoinKeyUse
from enrolment.services import revoke_join_key
from projects.models import Project
from tests.make import make_agent, make_join_key


@pytest.mark.django_db
def test_name_is_free_again_once_its_key_is_revoked(acme: Project, rival: Project) -> None:
    first = make_join_key(acme, name="rack")
    make_join_key(rival, name="rack")

    with pytest.raises(JoinKeyNameTaken):
        make_join_key(acme, name="rack")
    assert revoke_join_key(join_key=first.join_key)
    assert not revoke_join_key(join_key=first.join_key)
    make_join_key(acme, name="rack")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"uses_max": 0}, "uses_max"),
        ({"uses_max": rules.USES_MAX + 1}, "uses_max"),
        ({"name_pattern": "a b"}, "name_pattern"),
        ({"name_pattern": "x" * 81}, "name_pattern"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "expires_at"),
    ],
)
def test_wrong_join_key_is_refused_by_the_name_of_its_field(
    acme: Project, said: dict[str, object], param: str
) -> None:
    with pytest.raises(JoinKeyMalformed) as refused:
        make_join_key(acme, **said)

    assert refused.value.param == param
    assert not JoinKey.objects.exists()


@pytest.mark.django_db
def test_projects_key_carries_no_tier_and_the_operators_needs_one(acme: Project) -> None:
    with pytest.raises(TierNotForWorkers):
        make_join_key(acme, tiers=("free",))
    with pytest.raises(TierNotForWorkers):
        make_join_key(None, tiers=())


@pytest.mark.django_db
def test_open_keys_are_counted_and_closed_ones_are_not(
    acme: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "LIVE_MAX", 2)
    first, _ = make_join_key(acme), make_join_key(acme)

    with pytest.raises(TooManyJoinKeys):
        make_join_key(acme)
    revoke_join_key(join_key=first.join_key)
    make_join_key(acme)


@pytest.mark.django_db
def test_tenant_sees_neither_the_platforms_join_keys_nor_its_machines(
    acme: Project, rival: Project
) -> None:
    for whose in (acme, rival, None):
        make_agent(whose)

    with tenancy.within(acme.pk, acme.public_id):
        assert [key.project for key in JoinKey.objects.all()] == [acme]
        assert [agent.project for agent in Agent.objects.all()] == [acme]
        assert {event.agent.project for event in AgentEvent.objects.all()} == {acme}
        assert [use.agent.project for use in JoinKeyUse.objects.all()] == [acme]


def test_state_names_what_closes_a_key_first_what_people_decided() -> None:
    now = clock.now()
    key = JoinKey(uses_max=2, uses=1, expires_at=now + timedelta(seconds=1))

    assert key.state(now) == "open"
    assert key.state(now + timedelta(seconds=1)) == "expired"
    key.uses = 2
    assert key.state(now) == "used_up"
    key.revoked_at = now
    assert key.state(now) == "revoked"
    assert JoinKey(uses=10**6).state(now) == "open"


def test_secret_is_told_from_a_typo_without_a_lookup() -> None:
    secret = secrets.mint("acme")

    assert secrets.is_whole(secret.plain)
    assert not secrets.is_whole(secret.plain[:-1] + ("a" if secret.plain[-1] != "a" else "b"))
    assert not secrets.is_whole("xero" + secret.plain[3:])
    assert secret.plain not in repr(secret)
    assert secrets.mint("").plain.startswith("xjk_platform_")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("gpu1.example.com", "gpu1"),
        ("Ada's Mac", "Ada-s-Mac"),
        ("", "machine"),
        ("...", "machine"),
        ("ß", "machine"),
        ("n" * 200, "n" * 76),
    ],
)
def test_host_gives_its_machine_a_name(host: str, name: str) -> None:
    assert rules.name_from_host(host) == name


def test_name_that_is_taken_is_numbered_until_one_is_free() -> None:
    assert rules.free_name("a", set()) == "a"
    assert rules.free_name("a", {"a", "a-2"}) == "a-3"


@pytest.mark.parametrize(
    ("pattern", "name", "allowed"),
    [
        ("", "anything", True),
        ("gpu-?", "gpu-1", True),
        ("gpu-?", "gpu-12", False),
        ("gpu-*", "GPU-1", False),
    ],
)
def test_pattern_is_for_the_whole_name(pattern: str, name: str, allowed: bool) -> None:
    assert rules.allows_name(pattern, name) is allowed
