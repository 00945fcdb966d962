"""A chain of entries gives away every change; what looks like a secret never enters it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from audit.rules import (
    GENESIS,
    HIDDEN,
    Damage,
    Fault,
    Link,
    canonical,
    faults,
    hash_of,
    plain,
    without_secrets,
)

BERLIN = timezone(timedelta(hours=2))
NOON = datetime(2026, 5, 1, 12, 0, 0, 5, tzinfo=UTC)


def chain(length: int) -> list[Link]:
    links: list[Link] = []
    head = GENESIS
    for number in range(1, length + 1):
        said = {"number": number}
        links.append(Link(number, said, head, hash_of(head, said)))
        head = links[-1].hash
    return links


def found(links: list[Link]) -> list[tuple[int, str, int]]:
    return [(one.number, one.damage.value, one.until) for one in faults(links)]


@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_chain_nobody_touched_is_whole(length: int) -> None:
    assert found(chain(length)) == []


@pytest.mark.parametrize(
    ("taken", "gaps"),
    [
        ({1}, [(1, "missing", 1)]),
        ({1, 2}, [(1, "missing", 2)]),
        ({3}, [(3, "missing", 3)]),
        ({2, 3, 4}, [(2, "missing", 4)]),
        ({2, 4}, [(2, "missing", 2), (4, "missing", 4)]),
        ({5}, []),
    ],
)
def test_entries_that_were_taken_out_are_missed_but_for_the_last(
    taken: set[int], gaps: list[tuple[int, str, int]]
) -> None:
    assert found([link for link in chain(5) if link.number not in taken]) == gaps


def edited(link: Link) -> Link:
    return Link(link.number, {**link.said, "x": 1}, link.prev_hash, link.hash)


def rewritten(link: Link) -> Link:
    said = {**link.said, "x": 1}
    return Link(link.number, said, link.prev_hash, hash_of(link.prev_hash, said))


@pytest.mark.parametrize("victim", [1, 2, 5])
def test_edited_entry_no_longer_is_what_its_hash_says(victim: int) -> None:
    links = chain(5)
    links[victim - 1] = edited(links[victim - 1])

    assert not links[victim - 1].is_intact
    assert found(links) == [(victim, "edited", victim)]


@pytest.mark.parametrize(
    ("victim", "faulty"), [(1, [(1, "rewritten", 1)]), (4, [(4, "rewritten", 4)]), (5, [])]
)
def test_entry_rewritten_with_its_hash_is_given_away_by_the_next(
    victim: int, faulty: list[tuple[int, str, int]]
) -> None:
    links = chain(5)
    links[victim - 1] = rewritten(links[victim - 1])

    assert links[victim - 1].is_intact
    assert found(links) == faulty


def test_first_entry_that_names_another_beginning_is_rewritten() -> None:
    said = {"number": 1}
    forged = Link(1, said, "f" * 64, hash_of("f" * 64, said))

    assert found([forged]) == [(1, "rewritten", 1)]


def test_entry_whose_hash_was_touched_is_told_once_and_not_its_neighbour() -> None:
    links = chain(3)
    links[1] = Link(2, links[1].said, links[1].prev_hash, "f" * 64)

    assert found(links) == [(2, "edited", 2)]


def test_each_broken_place_is_told_once() -> None:
    links = chain(7)
    links[1] = edited(links[1])
    links[4] = rewritten(links[4])

    assert found(links) == [(2, "edited", 2), (5, "rewritten", 5)]
    assert Fault.at(3, Damage.EDITED) == Fault(3, Damage.EDITED, 3)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (1.5, "1.5"),
        (Decimal("1.50"), "1.50"),
        ("text", "text"),
        ("a\0b", "ab"),
        ("\ud800", "?"),
        (NOON, "2026-05-01T12:00:00.000005+00:00"),
        (NOON.astimezone(BERLIN), "2026-05-01T12:00:00.000005+00:00"),
        (NOON.replace(microsecond=0), "2026-05-01T12:00:00.000000+00:00"),
        (date(2026, 5, 1), "2026-05-01"),
        (("a", 1), ["a", 1]),
        ({1: {"b": NOON.replace(microsecond=0)}}, {"1": {"b": "2026-05-01T12:00:00.000000+00:00"}}),
        (b"raw", "b'raw'"),
        (Damage.EDITED, "edited"),
    ],
)
def test_value_is_reduced_to_what_a_json_column_gives_back(value: Any, kept: Any) -> None:
    assert plain(value) == kept


def test_order_and_zone_change_no_hash_and_content_does() -> None:
    one = {"a": NOON, "b": [1, 2]}
    other = {"b": (1, 2), "a": NOON.astimezone(BERLIN)}

    assert canonical(one) == canonical(other)
    assert hash_of(GENESIS, one) == hash_of(GENESIS, other)
    assert hash_of(GENESIS, one) != hash_of("f" * 64, one)
    assert hash_of(GENESIS, one) != hash_of(GENESIS, {**one, "b": [2, 1]})
    assert canonical({"ü": 1, "a": 2}) == '{"a":2,"ü":1}'


KEY = "xero_acme_" + "a" * 49
TOKEN = "xerop_" + "b" * 49
PASS = "eyJhbGciOiJFZERTQSJ9.eyJzdWIi.c2ln"


@pytest.mark.parametrize(
    "name",
    [
        "secret",
        "client_secret",
        "Password",
        "passwd",
        "token",
        "access_token",
        "digest",
        "credential",
        "pepper",
        "private_key",
        "cookie",
    ],
)
def test_field_that_is_called_like_a_secret_is_hidden(name: str) -> None:
    assert without_secrets({name: "s3"}) == {name: HIDDEN}
    assert without_secrets({"a": [{name: 7}]}) == {"a": [{name: HIDDEN}]}
    assert without_secrets({name: ["s3", ""]}) == {name: [HIDDEN, ""]}


@pytest.mark.parametrize("name", ["name", "tokens", "tokens_per_min", "monthly_tokens", "scopes"])
def test_field_that_is_not_is_kept(name: str) -> None:
    assert without_secrets({name: 7}) == {name: 7}


@pytest.mark.parametrize("value", [None, ""])
def test_that_there_is_no_secret_may_be_told(value: str | None) -> None:
    assert without_secrets({"secret": value}) == {"secret": value}


@pytest.mark.parametrize("secret", [KEY, TOKEN, PASS, "xjk_acme_" + "c" * 30])
def test_text_that_looks_like_a_secret_is_hidden_wherever_it_stands(secret: str) -> None:
    assert without_secrets({"note": f"use {secret} now"}) == {"note": f"use {HIDDEN} now"}
    assert without_secrets([secret]) == [HIDDEN]


@pytest.mark.parametrize(
    "text", ["xero_acme_short", "proj_Ab3dE5fG7hJ9", "eyJ", "xero", "key_Ab3dE5fG7hJ9", "xerop_x"]
)
def test_text_that_does_not_is_kept(text: str) -> None:
    assert without_secrets({"note": text}) == {"note": text}
