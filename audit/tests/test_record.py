"""Whatever was written down stays written down, and whoever touches it is found out."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import export, rules, selectors, services
from audit.models import AuditAnchor, AuditEntry
from audit.rules import Damage, Fault, Link
from audit.selectors import Filter
from common.actor import SYSTEM, Actor, ActorKind

ACME = "proj_acme00000000"
ADA = Actor(ActorKind.PERSON, "7", "ada@example.com", "203.0.113.9", "req_1")


def note(action: str = "thing.done", *, project: str = ACME, **said: Any) -> AuditEntry:
    with transaction.atomic():
        return services.record(
            by=ADA, action=action, project=project, subject=("thing", "t_1"), **said
        )


def tamper(statement: str, *parameters: str | int) -> None:
    """Do what only a database administrator could: switch the trigger off first."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement, parameters)
        cursor.execute("SET session_replication_role = DEFAULT")


def found() -> list[tuple[str, int, Damage]]:
    return [(one.chain, one.fault.number, one.fault.damage) for one in selectors.faults()]


@pytest.mark.django_db
def test_entry_says_who_did_what_from_where() -> None:
    entry = note(before={"name": "old"}, after={"name": "new"})

    entry.refresh_from_db()
    assert (entry.actor_kind, entry.actor_id, entry.actor_name) == (
        "person",
        "7",
        "ada@example.com",
    )
    assert (entry.address, entry.request_id, entry.number) == ("203.0.113.9", "req_1", 1)
    assert (entry.before, entry.after) == ({"name": "old"}, {"name": "new"})
    assert entry.link().is_intact


@pytest.mark.django_db
def test_each_project_has_a_chain_of_its_own() -> None:
    numbers = [note(project=project).number for project in (ACME, ACME, "", ACME, "")]

    assert numbers == [1, 2, 1, 3, 2]
    assert found() == []


@pytest.mark.django_db(transaction=True)
def test_entry_outside_a_transaction_is_refused() -> None:
    with pytest.raises(RuntimeError, match="transaction of its change"):
        services.record(by=SYSTEM, action="thing.done", subject=("thing", "1"))

    assert not AuditEntry.objects.exists()


@pytest.mark.django_db
def test_entry_goes_away_with_the_change_that_was_rolled_back() -> None:
    with transaction.atomic():
        note()
        transaction.set_rollback(True)

    assert not AuditEntry.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE audit_auditentry SET action = 'x'", id="update"),
        pytest.param("DELETE FROM audit_auditentry", id="delete"),
        pytest.param("UPDATE audit_auditanchor SET entry_hash = 'x'", id="update an anchor"),
        pytest.param("DELETE FROM audit_auditanchor", id="delete an anchor"),
    ],
)
def test_database_refuses_to_change_history(statement: str) -> None:
    note()
    services.anchor_heads()

    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    assert (AuditEntry.objects.count(), AuditAnchor.objects.count()) == (1, 1)


def edit(number: int) -> None:
    tamper("UPDATE audit_auditentry SET after = '{}' WHERE number = %s", number)


def edit_hash_and_all(number: int) -> None:
    entry = AuditEntry.objects.get(number=number)
    entry.actor_name = "rex@example.com"
    tamper(
        "UPDATE audit_auditentry SET actor_name = %s, hash = %s WHERE number = %s",
        entry.actor_name,
        rules.hash_of(entry.prev_hash, entry.said()),
        number,
    )


def delete(number: int) -> None:
    tamper("DELETE FROM audit_auditentry WHERE number = %s", number)


def swap_with_next(number: int) -> None:
    tamper("UPDATE audit_auditentry SET number = 99 WHERE number = %s", number)
    tamper("UPDATE audit_auditentry SET number = %s WHERE number = %s", number, number + 1)
    tamper("UPDATE audit_auditentry SET number = %s WHERE number = 99", number + 1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("act", "number", "damage"),
    [
        pytest.param(edit, 1, [(1, "edited")], id="first edited"),
        pytest.param(edit, 3, [(3, "edited")], id="middle edited"),
        pytest.param(edit, 5, [(5, "edited")], id="last edited"),
        pytest.param(edit_hash_and_all, 3, [(3, "rewritten")], id="rewritten with its hash"),
        pytest.param(edit_hash_and_all, 5, [(5, "rewritten")], id="last rewritten"),
        pytest.param(delete, 1, [(1, "missing")], id="first deleted"),
        pytest.param(delete, 3, [(3, "missing")], id="middle deleted"),
        pytest.param(delete, 5, [(5, "missing")], id="last deleted"),
        pytest.param(swap_with_next, 2, [(2, "edited"), (3, "edited")], id="two swapped"),
    ],
)
def test_tampering_is_found_at_its_very_row(
    act: Callable[[int], None], number: int, damage: list[tuple[int, str]]
) -> None:
    for step in range(5):
        note(after={"step": step})
    services.anchor_heads()

    act(number)

    assert found() == [(ACME, row, kind) for row, kind in damage]


@pytest.mark.django_db
def test_tampering_with_the_anchors_is_found() -> None:
    for project in (ACME, "proj_b", "proj_c"):
        note(project=project)
    services.anchor_heads()

    tamper("UPDATE audit_auditanchor SET at = at - interval '1 day' WHERE number = 2")

    assert found() == [("anchors", 2, "edited")]


@pytest.mark.django_db
def test_heads_are_anchored_once_and_again_when_they_grew() -> None:
    note()
    note(project="proj_b")

    assert services.anchor_heads() == 2
    assert services.anchor_heads() == 0
    note()
    assert services.anchor_heads() == 1
    assert found() == []


@pytest.mark.django_db
def test_verify_fails_with_the_row_in_its_words() -> None:
    note()
    note(after={"step": 2})
    said = io.StringIO()
    call_command("audit", "verify", stdout=said)
    assert "whole" in said.getvalue()

    edit(2)

    with pytest.raises(CommandError, match="1 place,"):
        call_command("audit", "verify", stdout=said)
    assert f"{ACME} entry 2: edited" in said.getvalue()


@pytest.mark.slow  # Fifty writers on fifty connections wait for one another.
@pytest.mark.django_db(transaction=True)
def test_fifty_writers_at_once_keep_the_chain_whole() -> None:
    def write(step: int) -> int:
        try:
            return note(after={"step": step}).number
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as writers:
        numbers = sorted(writers.map(write, range(50)))

    assert numbers == list(range(1, 51))
    assert found() == []


@pytest.mark.django_db
def test_no_secret_enters_an_entry() -> None:
    key = "xero_acme_" + "a" * 49
    secrets = {"secret": "s3", "password": "p", "note": f"use {key} now", "digest": "d"}

    entry = note(after={**secrets, "nested": [{"credential": "c"}], "name": "ci", "token": None})

    entry.refresh_from_db()
    hidden = rules.HIDDEN
    assert entry.after == {
        "secret": hidden,
        "password": hidden,
        "note": f"use {hidden} now",
        "digest": hidden,
        "nested": [{"credential": hidden}],
        "name": "ci",
        "token": None,
    }


@pytest.mark.django_db
def test_exported_lines_can_be_checked_without_us() -> None:
    for step in range(3):
        note(after={"step": step, "text": "line\nbreak, “quote”, =1+1"})
    note(project="proj_rival")

    lines = [json.loads(line) for line in "".join(export.json_lines(project=ACME)).splitlines()]

    head = rules.GENESIS
    for line in lines:
        own = line.pop("hash")
        assert line.pop("prev_hash") == head
        assert own == rules.hash_of(head, line)
        head = own
    assert [line["number"] for line in lines] == [1, 2, 3]


@pytest.mark.django_db
def test_filters_and_pages_name_their_project() -> None:
    for action in ("apikey.issued", "apikey.revoked", "endpoint.opened"):
        note(action)
    note("apikey.issued", project="proj_rival")

    keys = selectors.entries(project=ACME, wanted=Filter(action="apikey."))
    first, has_more = selectors.page(project=ACME, wanted=Filter(), limit=2)
    rest, ends = selectors.page(project=ACME, wanted=Filter(), before=first[-1].number, limit=2)

    assert [entry.action for entry in keys] == ["apikey.revoked", "apikey.issued"]
    assert ([entry.number for entry in first], has_more) == ([3, 2], True)
    assert ([entry.number for entry in rest], ends) == ([1], False)
    now = datetime.now(UTC) + timedelta(minutes=1)  # noqa: TID251 - later than anything written
    assert not selectors.entries(project=ACME, wanted=Filter(since=now)).exists()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


# Values that nest take their time to be drawn on a machine that others use as well.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_canonical_form_survives_a_json_column(said: dict[str, Any]) -> None:
    stored = json.loads(json.dumps(rules.plain(said)))

    assert rules.canonical(stored) == rules.canonical(said)


@given(st.integers(2, 8), st.data())
def test_any_single_change_is_found_at_its_row(length: int, data: st.DataObject) -> None:
    chain: list[Link] = []
    head = rules.GENESIS
    for number in range(1, length + 1):
        head = rules.hash_of(head, {"number": number})
        before = chain[-1].hash if chain else rules.GENESIS
        chain.append(Link(number, {"number": number}, before, head))
    assert list(rules.faults(chain)) == []

    victim = data.draw(st.integers(1, length))
    link = chain[victim - 1]
    chain[victim - 1] = Link(victim, {"number": victim, "x": 1}, link.prev_hash, link.hash)

    assert list(rules.faults(chain)) == [Fault.at(victim, Damage.EDITED)]
