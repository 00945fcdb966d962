"""For every body JSON can spell: the splice says what it should, and nothing else changed."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inference.body.splice import (
    Malformed,
    Request,
    read_request,
    splice,
)
from inference.tests.bodies import bodies
from tests.made_up import examples

EXAMPLES = examples(200)


def without(spliced: bytes, original: bytes) -> bytes:
    """Cut what was put in back out: the longest common start and end must cover the original."""
    start = 0
    while start < len(original) and original[start] == spliced[start]:
        start += 1
    return original[:start] + spliced[len(spliced) - (len(original) - start) :]


def plain(body: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(body)
    return document


@EXAMPLES
@given(body=bodies())
def test_reading_agrees_with_a_full_parse(body: bytes) -> None:
    request = read_request(body)
    document = plain(body)

    assert request.model == document["model"]
    assert request.streaming is document["stream"]
    assert request.limit == document.get("max_tokens")
    assert request.asked_usage is bool((document.get("stream_options") or {}).get("include_usage"))


@EXAMPLES
@given(body=bodies())
def test_usage_splice_changes_one_thing(body: bytes) -> None:
    request = read_request(body)
    wanted = plain(body)
    if request.streaming:
        wanted["stream_options"] = {**(wanted.get("stream_options") or {}), "include_usage": True}

    spliced = splice(body, request, usage=request.streaming)

    assert plain(spliced) == wanted
    if request.usage_edit is None or request.usage_edit[0] == request.usage_edit[1]:
        assert without(spliced, body) == body
    else:
        start, end, text = request.usage_edit
        assert body[start:end] in (b"null", b"false")
        if request.streaming:
            assert spliced == body[:start] + text + body[end:]


@EXAMPLES
@given(body=bodies(), limit=st.integers(1, 10**6))
def test_clamp_changes_only_digits(body: bytes, limit: int) -> None:
    request = read_request(body)
    wanted = plain(body)
    if "max_tokens" in wanted:
        wanted["max_tokens"] = min(limit, wanted["max_tokens"])

    clamped = splice(body, request, limit=limit)

    assert plain(clamped) == wanted
    for given_limit in request.limits:
        start, end = given_limit.span
        assert clamped[:start] == body[:start]
        assert clamped.endswith(body[end:])


@EXAMPLES
@given(
    body=bodies(), defaults=st.dictionaries(st.sampled_from(["a", "model", "x-y"]), st.integers())
)
def test_defaults_never_override(body: bytes, defaults: dict[str, int]) -> None:
    spliced = splice(body, read_request(body), defaults=defaults)

    assert plain(spliced) == {**defaults, **plain(body)}
    assert without(spliced, body) == body


@EXAMPLES
@given(body=bodies(), limit=st.integers(1, 10**6))
def test_all_at_once_is_one_after_the_other(body: bytes, limit: int) -> None:
    request: Request = read_request(body)
    defaults = {"seed": 7}

    at_once = splice(
        body, request, usage=request.streaming, limit=limit, defaults=defaults
    )  # fmt: skip
    one_by_one = splice(body, request, defaults=defaults)
    one_by_one = splice(one_by_one, read_request(one_by_one), limit=limit)
    one_by_one = splice(one_by_one, read_request(one_by_one), usage=request.streaming)

    assert plain(at_once) == plain(one_by_one)


@examples(400)
@given(body=bodies(), at=st.integers(0, 400), byte=st.integers(0, 255))
def test_damaged_body_is_refused_exactly_when_it_is_no_json(
    body: bytes, at: int, byte: int
) -> None:
    damaged = bytearray(body)
    damaged[at % len(body)] = byte
    read = verdict(bytes(damaged))

    if isinstance(read, Malformed):
        assert read.code == "invalid_request" or not is_json(bytes(damaged))
    else:
        assert is_json(bytes(damaged))
        assert read.model == plain(bytes(damaged))["model"]


def verdict(body: bytes) -> Request | Malformed:
    try:
        return read_request(body)
    except Malformed as refusal:
        return refusal


def is_json(text: bytes) -> bool:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(text.decode(), parse_constant=refuse)
    except ValueError:
        return False
    return True
