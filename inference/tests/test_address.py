"""Paths of the plane: what each names, and those that two parsers might read differently."""

from __future__ import annotations

import pytest

from inference.gate.address import HEALTH, REMEMBERED_MAX, Target, read_target
from inference.http.problems import Refused

READ, POST = (b"GET", b"HEAD"), (b"POST",)
BASE = b"/proj_A/chat/v1"
KEY = "route:proj_A/chat"


def refused(raw: bytes) -> Refused:
    with pytest.raises(Refused) as refusal:
        read_target(raw)
    return refusal.value


@pytest.mark.parametrize(
    ("path", "rest", "operation", "methods"),
    [
        (b"", "", "", ()),
        (b"/", "", "", ()),
        (b"/chat/completions", "chat/completions", "chat/completions", POST),
        (b"/chat/completions/", "chat/completions", "chat/completions", POST),
        (b"/chat/completions?x=//..%2f", "chat/completions", "chat/completions", POST),
        (b"/models", "models", "models", READ),
        (b"/models/tiny", "models/tiny", "models", READ),
        (b"/models/org%2Ftiny-1.5:q4", "models/org/tiny-1.5:q4", "models", READ),
        (b"/modelsx", "modelsx", "modelsx", ()),
        (b"/health", "health", "health", ()),
        (b"/a%20b", "a b", "a b", ()),
    ],
)
def test_target_is_read_as_what_stands_below_v1(
    path: bytes, rest: str, operation: str, methods: tuple[bytes, ...]
) -> None:
    expected = Target("proj_A", "chat", rest, operation, methods, KEY, "/" + rest)

    assert read_target(BASE + path) == expected


def test_health_stands_beside_v1() -> None:
    assert read_target(b"/proj_A/chat/health") == Target(
        "proj_A", "chat", HEALTH, "health", READ, KEY, ""
    )


def test_slug_is_read_without_its_escapes() -> None:
    assert read_target(b"/proj_A/ch%61t/v1").slug == "chat"


@pytest.mark.parametrize(
    "path",
    [
        b"/chat%2fcompletions",
        b"/chat%2Fcompletions",
        b"/models/a%2fb/c%2fd",
        b"/models/%2fa",
        b"/models/a%5cb",
        b"/%2e%2e/models",
        b"/a%00",
        b"/a%1F",
        b"/a%7f",
        b"/a%25",
        b"/a%23b",
        b"/a%3fb",
        b"/a\\b",
        b"/a#b",
        b"/.",
        b"/..",
        b"/../models",
        b"/a/./b",
    ],
)
def test_separators_that_are_encoded_or_dotted_are_refused(path: bytes) -> None:
    refusal = refused(BASE + path)

    assert refusal.code == "invalid_request"
    assert "encoded or dotted" in refusal.message


@pytest.mark.parametrize("path", [b"/...", b"/a..b", b"/models/a.b"])
def test_dots_within_a_name_are_letters(path: bytes) -> None:
    assert read_target(BASE + path).rest == path[1:].decode()


@pytest.mark.parametrize(
    "raw",
    [
        b"/proj_A/chat/v2/models",
        b"/proj_/chat/v1",
        b"/proj_A//v1",
        BASE + b"/\xc3\xa9",
        BASE + b"/a\x01",
        BASE + b"/a\n",
        b"/proj_A/\xff/v1",
    ],
)
def test_path_of_another_form_is_malformed(raw: bytes) -> None:
    refusal = refused(raw)

    assert (refusal.code, refusal.message) == ("invalid_request", "The path is malformed.")


def test_empty_part_is_told_what_was_meant() -> None:
    assert "Did you mean /proj_A/chat/v1/models?" in refused(BASE + b"///models").message


def test_long_targets_are_read_alike_and_only_short_ones_are_remembered() -> None:
    at_most = BASE + b"/" + b"a" * (REMEMBERED_MAX - len(BASE) - 1)

    assert read_target(at_most) is read_target(at_most)
    assert read_target(at_most + b"a") == read_target(at_most + b"a")
    assert read_target(at_most + b"a") is not read_target(at_most + b"a")
    assert read_target(at_most + b"a").rest == "a" * (REMEMBERED_MAX - len(BASE))
