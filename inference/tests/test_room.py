"""A limit is lowered only where an answer of that length surely does not fit."""

from __future__ import annotations

import json

import pytest

from inference.body.prepare import prepare
from inference.body.room import longest_answer
from inference.contracts.entries import Route, Terms

TERMS = Terms("pro", 1, None, None, 8, 60.0, 30.0, 0)
ROUTE = Route(1, "proj_a", "chat", "ep_a", "m", "generate", TERMS, (), 2048)


@pytest.mark.parametrize(
    ("words", "limit", "clamped"),
    [
        pytest.param("international understanding " * 200, 1200, b"", id="long words: 421 tokens"),
        pytest.param("hello " * 900, 1000, b"", id="short words: 921 tokens"),
        pytest.param("\U0001f600\U0001f9e1\U0001f680" * 60, 1900, b"", id="who knows: 560 tokens"),
        pytest.param(" " * 5000, 1990, b"", id="white space"),
        pytest.param("предоставления " * 200, 1500, b"", id="Cyrillic"),
        pytest.param("hi", 2047, b"", id="just what there is"),
        pytest.param("hi", 2048, b"max_tokens=2047", id="one more than there is"),
        pytest.param("hi", 10**9, b"max_tokens=2047", id="far more"),
        pytest.param("word " * 4000, 2048, b"max_tokens=1892", id="beside a long prompt"),
    ],
)
def test_limit_is_lowered_only_where_it_surely_does_not_fit(
    words: str, limit: int, clamped: bytes
) -> None:
    ask = {"model": "m", "messages": [{"role": "user", "content": words}], "max_tokens": limit}
    for escaped in (True, False):
        body = json.dumps(ask, ensure_ascii=escaped).encode()

        prepared = prepare(body, "chat/completions", ROUTE)

        assert prepared.clamped == clamped
        assert prepared.body is not None
        assert json.loads(prepared.body) == {**ask, "max_tokens": prepared.limit}


def test_every_name_of_the_limit_is_lowered() -> None:
    body = b'{"model":"m","max_tokens":9,"n_predict":9000,"min_tokens":5000}'

    prepared = prepare(body, "completions", ROUTE)

    assert prepared.body == b'{"model":"m","max_tokens":9,"n_predict":2047,"min_tokens":2047}'
    assert prepared.clamped == b"n_predict=2047"


@pytest.mark.parametrize(
    ("prompt", "limit", "n", "each"),
    [(48, None, 1, 2000), (48, 7, 1, 7), (48, None, 4, 2047), (4000, None, 1, 1), (640, 0, 2, 0)],
)
def test_answers_hold_what_the_window_leaves_them(
    prompt: int, limit: int | None, n: int, each: int
) -> None:
    assert longest_answer(ROUTE, prompt, limit, n) == each
