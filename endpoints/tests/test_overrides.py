"""Limits that are not the tier's: set, replaced and ended, each with a reason and on record."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.models import AuditEntry
from common import clock
from common.actor import Actor, ActorKind
from common.models import OutboxEntry
from endpoints import overrides, selectors
from endpoints.errors import OverrideMalformed, OverrideUnknown
from endpoints.models import Endpoint, LimitOverride
from projects.models import Project
from tests.make import make_endpoint

pytestmark = pytest.mark.django_db

OLGA = Actor(kind=ActorKind.PERSON, subject="1", name="olga@example.com")


def override(project: Project, endpoint: Endpoint | None = None, **said: Any) -> LimitOverride:
    asked: dict[str, Any] = {"limits": {"concurrent": 9}, "reason": "A launch.", "ends_at": None}
    return overrides.set_override(project=project, endpoint=endpoint, by=OLGA, **(asked | said))


def in_force(project: Project, endpoint: Endpoint | None = None) -> dict[str, int]:
    rows = selectors.overrides_of(project=project, moment=clock.now(), endpoint=endpoint)
    return selectors.limits_over(rows)


def last_entry() -> AuditEntry:
    return AuditEntry.objects.order_by("-id")[0]


@pytest.fixture
def chat(acme: Project) -> Endpoint:
    return make_endpoint(acme, "chat")


def test_override_is_kept_with_its_reason_and_who_made_it(acme: Project) -> None:
    made = LimitOverride.objects.get(pk=override(acme, reason="  A launch.  ").pk)

    assert (made.concurrent, made.tokens_per_min) == (9, None)
    assert (made.reason, made.made_by) == ("A launch.", "olga@example.com")
    assert (made.ends_at, made.ended_at) == (None, None)


def test_override_is_on_record_and_announced(acme: Project, chat: Endpoint) -> None:
    override(acme)
    assert (last_entry().action, last_entry().object_kind) == ("limits.overridden", "project")
    assert last_entry().after == {"concurrent": 9, "reason": "A launch.", "ends_at": None}

    override(acme, chat, limits={"concurrent": 3})
    entry = last_entry()
    assert (entry.object_kind, entry.object_id) == ("endpoint", chat.public_id)
    assert (entry.project, entry.actor_name) == (acme.public_id, "olga@example.com")
    told = OutboxEntry.objects.filter(topic="limits").values_list("subject_id", flat=True)
    assert list(told) == [str(acme.pk)] * 2


def test_endpoints_own_override_wins_over_its_projects(acme: Project, chat: Endpoint) -> None:
    other = make_endpoint(acme, "embed")
    override(acme, limits={"concurrent": 9, "tokens_per_min": 100})
    override(acme, chat, limits={"concurrent": 3})

    assert in_force(acme, chat) == {"concurrent": 3, "tokens_per_min": 100}
    assert in_force(acme, other) == {"concurrent": 9, "tokens_per_min": 100}


def test_override_of_one_project_is_none_of_another(acme: Project, rival: Project) -> None:
    override(acme)

    assert in_force(rival) == {}
    with pytest.raises(OverrideUnknown):
        overrides.end_override(project=rival, endpoint=None, by=OLGA)


def test_new_override_takes_the_place_of_the_one_before(acme: Project) -> None:
    first = override(acme, limits={"concurrent": 9})
    override(acme, limits={"tokens_per_min": 100})

    first.refresh_from_db()
    assert first.ended_at is not None
    assert in_force(acme) == {"tokens_per_min": 100}


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"limits": {}}, "limits"),
        ({"limits": {"price": 1}}, "limits"),
        ({"limits": {"concurrent": 9, "price": 1}}, "limits"),
        ({"limits": {"concurrent": 0}}, "concurrent"),
        ({"limits": {"tokens_per_min": 10**9 + 1}}, "tokens_per_min"),
        ({"reason": ""}, "reason"),
        ({"reason": "   "}, "reason"),
    ],
)
def test_override_that_says_too_little_or_too_much_is_refused(
    acme: Project, said: dict[str, Any], param: str
) -> None:
    override(acme)

    with pytest.raises(OverrideMalformed) as refused:
        override(acme, **said)

    assert refused.value.param == param
    assert in_force(acme) == {"concurrent": 9}


@pytest.mark.parametrize("value", [1, 10**9])
def test_limits_go_from_one_to_a_billion(acme: Project, value: int) -> None:
    assert override(acme, limits={"concurrent": value}).concurrent == value


def test_end_that_has_passed_is_refused(acme: Project) -> None:
    with pytest.raises(OverrideMalformed) as refused:
        override(acme, ends_at=clock.now())

    assert refused.value.param == "ends_at"


def test_override_holds_to_its_end_and_not_a_moment_longer(acme: Project) -> None:
    ends_at = clock.now() + timedelta(hours=1)
    override(acme, ends_at=ends_at)

    def at(moment: datetime) -> int:
        return len(selectors.overrides_of(project=acme, moment=moment))

    assert [at(ends_at - timedelta(microseconds=1)), at(ends_at)] == [1, 0]


def test_overrides_whose_end_has_come_are_ended_once_and_told(acme: Project) -> None:
    due, lasting = override(acme, ends_at=clock.now() + timedelta(hours=1)), make_endpoint(acme)
    kept = override(acme, lasting)
    LimitOverride.objects.filter(pk=due.pk).update(ends_at=clock.now())

    assert [overrides.end_due(), overrides.end_due()] == [1, 0]

    assert (last_entry().action, last_entry().actor_name) == ("limits.restored", "System")
    kept.refresh_from_db()
    assert kept.ended_at is None


def test_ended_override_puts_the_tiers_limits_back_and_is_on_record(acme: Project) -> None:
    override(acme)

    overrides.end_override(project=acme, endpoint=None, by=OLGA)

    assert in_force(acme) == {}
    assert (last_entry().action, last_entry().after) == ("limits.restored", {})
    with pytest.raises(OverrideUnknown, match="no override"):
        overrides.end_override(project=acme, endpoint=None, by=OLGA)


def test_end_of_the_projects_override_leaves_its_endpoints_own(
    acme: Project, chat: Endpoint
) -> None:
    override(acme)
    override(acme, chat, limits={"concurrent": 3})

    overrides.end_override(project=acme, endpoint=None, by=OLGA)

    assert in_force(acme, chat) == {"concurrent": 3}


def run(*said: str) -> str:
    out = StringIO()
    call_command("override", *said, stdout=out)
    return out.getvalue().strip()


def test_command_takes_a_project_by_slug_or_id_and_says_what_is_so_now(
    acme: Project, chat: Endpoint
) -> None:
    reason = ("--reason", "A launch.")

    assert run("acme", "--concurrent", "9", *reason) == "acme has its own limits now."
    assert run(acme.public_id, "--endpoint", "chat", "--concurrent", "3", *reason) == (
        "acme/chat has its own limits now."
    )
    assert in_force(acme, chat) == {"concurrent": 3}
    assert run("acme", "--endpoint", "chat", "--end") == "acme/chat has the limits of its tier now."
    assert in_force(acme, chat) == {"concurrent": 9}


@pytest.mark.parametrize(
    ("until", "ends_at"),
    [
        ("2999-01-31", "2999-01-31T00:00:00+00:00"),
        ("2999-01-31T12:30", "2999-01-31T12:30:00+00:00"),
        ("2999-01-31T12:30+02:00", "2999-01-31T10:30:00+00:00"),
    ],
)
def test_command_reads_an_end_in_utc_unless_it_says_its_zone(
    acme: Project, until: str, ends_at: str
) -> None:
    run("acme", "--concurrent", "9", "--reason", "x", "--until", until)

    [row] = selectors.overrides_of(project=acme, moment=clock.now())
    assert row.ends_at is not None
    assert row.ends_at == datetime.fromisoformat(ends_at)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (("nobody", "--end"), "There is no project 'nobody'."),
        (("acme", "--endpoint", "nope", "--end"), "This project has no endpoint 'nope'."),
        (("acme", "--end"), "There is no override to end."),
        (("acme", "--reason", "x"), "Say which limit is to be another"),
        (("acme", "--concurrent", "1"), "Say why"),
        (("acme", "--concurrent", "1", "--reason", "x", "--until", "soon"), "'soon' is no date"),
    ],
)
def test_command_says_what_is_wrong_and_changes_nothing(
    acme: Project, said: tuple[str, ...], says: str
) -> None:
    with pytest.raises(CommandError, match=says):
        run(*said)

    assert not LimitOverride.objects.exists()
