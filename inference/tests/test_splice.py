"""Bodies reach the worker as they were written, apart from the one splice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inference.body.splice import Malformed, read_request, with_defaults, with_limit, with_usage

BASE = b'{"model": "m", "messages": [{"role": "user", "content": "h\\u00e9"}], "stream": true%b}'


@pytest.mark.parametrize(
    ("more", "spliced"),
    [
        (b"", b',"stream_options":{"include_usage":true}'),
        (b', "stream_options": null', b', "stream_options": {"include_usage":true}'),
        (b', "stream_options":{ }', b', "stream_options":{ "include_usage":true}'),
        (b', "stream_options":{"x": 1.0}', b', "stream_options":{"x": 1.0,"include_usage":true}'),
        (
            b', "stream_options":{"include_usage" : false, "y":{}}',
            b', "stream_options":{"include_usage" : true, "y":{}}',
        ),
        (
            b', "stream_options":{"include_usage":true}',
            b', "stream_options":{"include_usage":true}',
        ),
    ],
)
def test_usage_is_asked_for_by_one_splice(more: bytes, spliced: bytes) -> None:
    body = BASE % more
    request = read_request(body)

    assert with_usage(body, request) == BASE % spliced
    assert request.asked_usage is (more == spliced)


def test_limit_is_lowered_wherever_it_stands() -> None:
    body = b'{"max_tokens" : 9000,"model":"m","max_completion_tokens":100, "messages":[]}'
    request = read_request(body)

    assert (request.limit, request.limit_field) == (9000, "max_tokens")
    assert with_limit(body, request, 500) == body.replace(b"9000", b"500")
    assert with_limit(body, request, 9000) is body


def test_defaults_fill_only_what_is_missing() -> None:
    body = b'{"model":"m","temperature":null }'
    request = read_request(body)

    assert (
        with_defaults(body, request, {"temperature": 0, "top_p": 0.5})
        == b'{"model":"m","temperature":null ,"top_p":0.5}'
    )


def test_splices_can_follow_one_another() -> None:
    body = BASE % b', "max_tokens": 900'
    request = read_request(body)

    done = with_limit(with_usage(with_defaults(body, request, {"a": 1}), request), request, 7)

    assert json.loads(done) == {
        **json.loads(body), "a": 1, "stream_options": {"include_usage": True}, "max_tokens": 7
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"", "json_parse_error", None),
        (b"{", "json_parse_error", None),
        (b'{"model":"m"', "json_parse_error", None),
        (b'{"model":"m",}', "json_parse_error", None),
        (b'{"model":"m"} x', "json_parse_error", None),
        (b'{"model":"m" "a":1}', "json_parse_error", None),
        (b'{"model":"m","a":NaN}', "json_parse_error", None),
        (b'\xef\xbb\xbf{"model":"m"}', "json_parse_error", None),
        (b'{"model":"\xff"}', "json_parse_error", None),
        ('{"model":"m"}'.encode("utf-16"), "json_parse_error", None),
        (b"[" * 100_000, "json_parse_error", None),
        (b"[]", "invalid_request", None),
        (b"{}", "invalid_request", "model"),
        (b'{"model":""}', "invalid_request", "model"),
        (b'{"model":1}', "invalid_request", "model"),
        (b'{"model":"m","stream":1}', "invalid_request", "stream"),
        (b'{"model":"m","stream_options":[]}', "invalid_request", "stream_options"),
        (b'{"model":"m","stream_options":{"include_usage":1}}', "invalid_request", "include_usage"),
        (b'{"model":"m","max_tokens":"9"}', "invalid_request", "max_tokens"),
        (b'{"model":"m","n":1.5}', "invalid_request", "n"),
        (b'{"model":"m","stream":true,"str\\u0065am":false}', "invalid_request", "stream"),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, code: str, param: str | None) -> None:
    with pytest.raises(Malformed) as refusal:
        read_request(body)

    assert (refusal.value.code, refusal.value.param) == (code, param)


def test_refusal_repeats_a_name_that_stands_twice_but_not_without_end() -> None:
    body = b'{"model":"m","%b":1,"%b":2}' % (b"n" * 9000, b"n" * 9000)

    with pytest.raises(Malformed, match="is given twice") as refusal:
        read_request(body)

    assert len(refusal.value.message) < 200


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"stream": None}, {"streaming": False}),
        ({"stream": True}, {"streaming": True}),
        ({"model": "mö/日"}, {"model": "mö/日"}),
        ({"n": 3}, {"n": 3}),
        ({"prompt": ["a", "b"], "n": 2}, {"n": 4}),
        ({"prompt": [1, 2, 3]}, {"n": 1}),
        ({"max_tokens": 1e3}, {"limit": 1000}),
        ({"max_tokens": -1}, {"limit": None, "limit_field": None}),
        ({"messages": [{"content": "x" * 400}]}, {"prompt_bytes": 417}),
    ],
)
def test_request_says_what_admission_asks(fields: dict[str, Any], wanted: dict[str, Any]) -> None:
    body = json.dumps({"model": "m", **fields}, ensure_ascii=False).encode()
    request = read_request(body)

    assert {name: getattr(request, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("fields", "operation", "limit"),
    [
        pytest.param({"max_tokens": 50}, "chat/completions", 50, id="its own"),
        pytest.param({"max_completion_tokens": 7}, "chat/completions", 7, id="its other own"),
        pytest.param({"max_output_tokens": 1}, "chat/completions", None, id="another's alone"),
        pytest.param({"max_completion_tokens": 7}, "completions", None, id="that of chats alone"),
        pytest.param({"max_tokens": 5, "max_output_tokens": 99}, "responses", 99, id="the largest"),
        pytest.param({"max_tokens": 50, "max_output_tokens": 1}, "responses", 50, id="any largest"),
        pytest.param({"max_tokens": 1, "n_predict": 40}, "completions", 40, id="llama.cpp's"),
        pytest.param({"max_tokens": 1, "n_predict": -1}, "completions", None, id="none at all"),
        pytest.param({"max_tokens": 9, "max_output_tokens": -1}, "", None, id="none by another"),
        pytest.param({"max_tokens": None, "n_predict": 40}, "completions", None, id="null"),
        pytest.param({"n_predict": 40}, "chat/completions", None, id="llama.cpp's alone"),
        pytest.param({"max_tokens": 5, "min_tokens": 60}, "completions", 60, id="at least"),
        pytest.param({"max_tokens": 5, "min_tokens": 0}, "completions", 5, id="at least nothing"),
    ],
)
def test_limit_is_the_largest_that_any_engine_would_obey(
    fields: dict[str, int], operation: str, limit: int | None
) -> None:
    body = json.dumps({"model": "m", **fields}).encode()

    assert read_request(body, operation).limit == limit
