"""Usage counts where it is the answer's own; nothing a caller wrote can pass for it."""

from __future__ import annotations

import json

import pytest

from inference.body.fast_shapes import COUNT_MAX
from inference.body.tokens import (
    Usage,
    estimate_tokens,
    merged,
    read_usage,
    usage_from,
    usage_of,
    usage_of_answer,
)

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


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        pytest.param({"prompt_tokens": 0, "completion_tokens": 0}, Usage(0, 0), id="nothing"),
        pytest.param({"completion_tokens": 3}, Usage(0, 3), id="only what was written"),
        pytest.param({"prompt_tokens": COUNT_MAX}, Usage(COUNT_MAX, 0), id="as many as can be"),
        pytest.param({"prompt_tokens": COUNT_MAX + 1}, None, id="one more than can be"),
        pytest.param({"completion_tokens": 4, "total_tokens": 13}, Usage(9, 4), id="input follows"),
        pytest.param(
            {"completion_tokens": 4, "total_tokens": 3}, Usage(0, 4), id="total too small"
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 30},
            Usage(9, 21),
            id="thoughts that were not counted",
        ),
        pytest.param(
            {**CHAT, "prompt_tokens_details": {"cached_tokens": 10}},
            Usage(9, 4, 9),
            id="no more was cached than there was",
        ),
        pytest.param({**CHAT, "prompt_cache_hit_tokens": 3}, Usage(9, 4, 3), id="DeepSeek"),
        pytest.param({**CHAT, "cached_tokens": 2}, Usage(9, 4, 2), id="Kimi"),
        pytest.param(
            {**CHAT, "cached_tokens": 2, "prompt_tokens_details": {"cached_tokens": 5}},
            Usage(9, 4, 5),
            id="details win",
        ),
        pytest.param(
            {**CHAT, "cached_tokens": 2, "prompt_tokens_details": {}}, Usage(9, 4, 2), id="empty"
        ),
    ],
)
def test_what_is_left_out_follows_from_the_rest(
    usage: dict[str, object], read: Usage | None
) -> None:
    assert usage_from(usage) == read


@pytest.mark.parametrize(
    ("document", "read"),
    [
        ({"usage": CHAT}, Usage(9, 4)),
        ({"response": {"usage": CHAT}}, Usage(9, 4)),
        ({"usage": CHAT, "response": {"usage": {"prompt_tokens": 1}}}, Usage(9, 4)),
        ({"usage": "much", "response": {"usage": CHAT}}, None),
        ({"response": "done"}, None),
        ({"response": {}}, None),
        ({"usage": []}, None),
        ({}, None),
        ([CHAT], None),
        ("usage", None),
        (None, None),
    ],
)
def test_usage_stands_on_top_or_in_the_response(document: object, read: Usage | None) -> None:
    assert usage_of(document) == read


@pytest.mark.parametrize(
    ("known", "said", "merged_to"),
    [
        (None, None, None),
        (Usage(1, 2), None, Usage(1, 2)),
        (None, Usage(1, 2), Usage(1, 2)),
        (Usage(9, 1, 4), Usage(5, 3), Usage(9, 3, 4)),
        (Usage(5, 3), Usage(9, 1, 4), Usage(9, 3, 4)),
        (Usage(5, 3, 4), Usage(5, 3, 1), Usage(5, 3, 1)),
    ],
)
def test_later_claim_takes_nothing_back(
    known: Usage | None, said: Usage | None, merged_to: Usage | None
) -> None:
    assert merged(known, said) == merged_to


def test_answer_that_is_whole_is_read_at_a_glance_and_any_other_by_its_end() -> None:
    odd = b'{"usage":{"prompt_tokens":9,"completion_tokens":4,"input_tokens_details":{}}}'

    for whole in (json.dumps({"usage": CHAT}).encode(), odd):
        assert usage_of_answer(whole, is_whole=True) == Usage(9, 4)
        assert usage_of_answer(b'"x"}],' + whole[1:], is_whole=False) == Usage(9, 4)
    assert usage_of_answer(b"{}", is_whole=True) is None


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"usage":{"prompt_tokens":1}}', Usage(1, 0)),
        (b'"usage":{"prompt_tokens":1}}', Usage(1, 0)),  # Cut off right before it.
        (b',"usage":{"prompt_tokens":1}}', Usage(1, 0)),
        (b'{"a":1,' + b" " * 60 + b'"usage":{"prompt_tokens":1}}', Usage(1, 0)),
        (b'{"a":{"usage":{"prompt_tokens":1}}}', None),
        (b'{"a"="usage":{"prompt_tokens":1}}', None),
        (b'{"usage":{"prompt_tokens":1},"a":"}}"}', Usage(1, 0)),
        (b'{"usage":{"prompt_tokens":1},"a":[{}]}', Usage(1, 0)),
        (b'{"usage":{"prompt_tokens":1', None),
        (b"", None),
    ],
)
def test_usage_is_found_only_as_a_member_of_the_answer(body: bytes, read: Usage | None) -> None:
    assert read_usage(body) == read


@pytest.mark.parametrize(("count", "is_found"), [(7, True), (8, False)])
def test_only_so_many_places_are_looked_at(count: int, is_found: bool) -> None:
    body = b'{"usage":{"prompt_tokens":1},"a":[' + b'{"usage":0},' * count + b"1]}"

    assert (read_usage(body) == Usage(1, 0)) is is_found


def test_usage_of_a_stream_event_lies_one_deeper() -> None:
    event = b'{"response":{"usage":{"prompt_tokens":1}}}'

    assert read_usage(event, depth=2) == Usage(1, 0)
    assert read_usage(event) is None
