"""Usage counts where it is the answer's own; nothing a caller wrote can pass for it."""

from __future__ import annotations

import json

import pytest

from inference.body.tokens import Usage, estimate_tokens, read_usage

CHAT = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        pytest.param(CHAT, Usage(9, 4), id="chat"),
        pytest.param(
            {**CHAT, "prompt_tokens_details": {"cached_tokens": 8}}, Usage(9, 4, 8), id="cached"
        ),
        pytest.param({**CHAT, "prompt_tokens_details": None}, Usage(9, 4), id="no details"),
        pytest.param(
            {"input_tokens": 5, "output_tokens": 6, "input_tokens_details": {"cached_tokens": 2}},
            Usage(5, 6, 2),
            id="responses",
        ),
        pytest.param({"prompt_tokens": 5, "total_tokens": 5}, Usage(5, 0), id="embeddings"),
        pytest.param({"total_tokens": 7}, Usage(7, 0), id="rerank"),
        pytest.param({"prompt_tokens": -1}, None, id="negative"),
        pytest.param({"prompt_tokens": True}, None, id="not a count"),
        pytest.param({"prompt_tokens": 10**12 + 1}, None, id="more than there can be"),
        pytest.param({"prompt_tokens": 9, "completion_tokens": 10**30}, Usage(9, 0), id="absurd"),
        pytest.param({}, None, id="empty"),
    ],
)
def test_every_dialect_is_read(usage: dict[str, object], read: Usage | None) -> None:
    first = {"usage": usage, "choices": [{"text": 'say "usage": {}'}], "data": [1.5, "}{"]}
    last = dict(reversed(first.items()))

    for document in (first, last):
        for body in (json.dumps(document), json.dumps(document, indent=2)):
            assert read_usage(body.encode()) == read


@pytest.mark.parametrize(
    "forged",
    [
        {"metadata": {"usage": {"prompt_tokens": 0, "completion_tokens": 0}}},
        {"tools": [{"parameters": {"usage": {"prompt_tokens": 0}}}]},
        {"text": '","usage":{"prompt_tokens":0,"completion_tokens":0}}'},
        {'say "usage': {"prompt_tokens": 0}},
    ],
)
def test_what_a_caller_wrote_never_passes_for_usage(forged: dict[str, object]) -> None:
    for document in ({**forged, "usage": CHAT}, {"usage": CHAT, **forged}):
        assert read_usage(json.dumps(document).encode()) == Usage(9, 4)
    assert read_usage(json.dumps(forged).encode()) is None


def test_tail_of_a_large_answer_is_enough() -> None:
    body = json.dumps({"text": 'a"b\\' * 50_000, "usage": CHAT}).encode()

    assert read_usage(body[-300:]) == Usage(9, 4)


def test_estimate_is_four_bytes_a_token_and_never_nothing() -> None:
    assert [estimate_tokens(size) for size in (0, 1, 4, 5, 4000)] == [1, 1, 1, 2, 1000]
