"""A glance says what careful reading says, or nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.body import prepare as prepared
from inference.body.fast_read import ANSWER_MAX, asked_in, usage_in
from inference.body.json_members import Malformed
from inference.body.prepare import Prepared, prepare
from inference.body.tokens import Usage, read_usage, usage_of_answer
from inference.contracts.entries import Route, Terms
from inference.http.problems import Refused
from inference.tests.bodies import bodies
from tests.made_up import examples

EXAMPLES = examples(300)
OPERATIONS = ("chat/completions", "completions", "responses", "embeddings", "score")
TERMS = Terms("pro", 1, None, None, 8, 60.0, 30.0, 0)

whole = st.none() | st.booleans() | st.integers(-3, 10**6) | st.floats() | st.text(max_size=3)
prompts = st.text() | st.lists(st.text(), max_size=3) | st.lists(st.integers(), max_size=3)
options = st.none() | st.fixed_dictionaries({}, optional={"include_usage": whole}) | whole
requests = st.fixed_dictionaries(
    {"model": st.text(max_size=5)},
    optional={
        "stream": whole,
        "stream_options": options,
        "n": whole,
        "best_of": whole,
        "max_tokens": whole,
        "max_completion_tokens": whole,
        "max_output_tokens": whole,
        "messages": st.lists(st.fixed_dictionaries({"content": st.text()}), max_size=3),
        "prompt": prompts,
        "input": prompts,
        "tools": st.lists(st.dictionaries(st.text(max_size=8), whole, max_size=2), max_size=2),
        "user": st.text(),
    },
)


def route(context: int | None) -> Route:
    return Route(1, "proj_a", "chat", "ep_a", "m", "generate", TERMS, (), context)


def facts(made: Prepared) -> dict[str, Any]:
    return {name: getattr(made, name) for name in Prepared.__slots__}


def both_ways(body: bytes, operation: str, context: int | None) -> tuple[Any, Any]:
    said: list[Any] = []
    for read in (prepare, prepared._carefully):
        try:
            said.append(facts(read(body, operation, route(context))))
        except (Refused, Malformed) as fault:
            said.append((fault.code, fault.message, fault.param))
    return said[0], said[1]


@EXAMPLES
@given(
    document=requests,
    escaped=st.booleans(),
    operation=st.sampled_from(OPERATIONS),
    context=st.none() | st.integers(1, 50_000),
)
def test_glance_prepares_what_careful_reading_prepares(
    document: dict[str, Any], escaped: bool, operation: str, context: int | None
) -> None:
    body = json.dumps(document, ensure_ascii=escaped).encode("utf-8", "surrogatepass")

    at_a_glance, carefully = both_ways(body, operation, context)

    assert at_a_glance == carefully


@EXAMPLES
@given(body=bodies(), operation=st.sampled_from(OPERATIONS))
def test_it_does_so_however_a_body_is_spelled(body: bytes, operation: str) -> None:
    at_a_glance, carefully = both_ways(body, operation, 4096)

    assert at_a_glance == carefully


@EXAMPLES
@given(
    body=bodies(),
    at=st.integers(0, 10_000),
    dirt=st.sampled_from([b"\xff", b"\x00", b"{", b"}", b'"', b",", b"\\u006d", b"NaN", b" ", b""]),
    cut=st.integers(0, 3),
)
def test_it_refuses_what_careful_reading_refuses(
    body: bytes, at: int, dirt: bytes, cut: int
) -> None:
    at %= len(body)
    spoiled = body[:at] + dirt + body[at + cut :]

    at_a_glance, carefully = both_ways(spoiled, "chat/completions", None)

    assert at_a_glance == carefully


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","max_tokens":1,"max_tokens":9}',
        b'{"model":"m","max_tokens":1,"max_\\u0074okens":9}',
        b'{"model":"m","stream_options":{"include_usage":true,"include_usage":false}}',
        b'{"model":"m","prompt":["a","b"]}',
        b'{"model":"m","n":1.0}',
        b'{"model":""}',
        b'{"model":"m","x":"\xff"}',
    ],
)
def test_what_could_mean_two_things_is_read_carefully(body: bytes) -> None:
    assert asked_in(body) is None


def test_usual_bodies_are_read_at_a_glance() -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "é"}], "n": 2})

    asked = asked_in(body.encode()) if "\\u" not in body else None
    plain = asked_in(json.dumps(json.loads(body), ensure_ascii=False).encode())

    assert asked is None
    assert plain is not None
    assert (plain.model, plain.n) == ("m", 2)


figures = st.none() | st.booleans() | st.integers(-5, 10**6) | st.floats(allow_nan=False)
usages = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": figures,
        "completion_tokens": figures,
        "total_tokens": figures,
        "input_tokens": figures,
        "output_tokens": figures,
        "prompt_tokens_details": st.none()
        | st.fixed_dictionaries({}, optional={"cached_tokens": figures}),
        "input_tokens_details": st.none()
        | st.fixed_dictionaries({}, optional={"cached_tokens": figures}),
    },
)


@EXAMPLES
@given(
    usage=st.none() | usages,
    echo=st.none() | st.fixed_dictionaries({"usage": usages}),
    is_last=st.booleans(),
)
def test_usage_at_a_glance_is_the_usage(
    usage: dict[str, Any] | None, echo: dict[str, Any] | None, is_last: bool
) -> None:
    document: dict[str, Any] = {"id": "x", "echo": echo, "choices": []}
    document = {**document, "usage": usage} if is_last else {"usage": usage, **document}
    answer = json.dumps(document).encode()

    seen = usage_in(answer)

    assert seen is None or Usage(*seen) == read_usage(answer)
    assert usage_of_answer(answer, is_whole=True) == read_usage(answer)


def test_large_answers_are_not_parsed() -> None:
    answer = b'{"data":"%s","usage":{"prompt_tokens":3}}' % (b"x" * ANSWER_MAX)

    assert usage_in(answer) is None
    assert usage_of_answer(answer, is_whole=True) == Usage(3, 0)
