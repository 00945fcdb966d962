"""Bodies reach the worker as they were written, apart from the one splice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inference.body.splice import OTHER_FREE, Malformed, read_request, splice, with_model

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

    assert splice(body, request, usage=True) == BASE % spliced
    assert request.asked_usage is (more == spliced)


def test_limit_is_lowered_wherever_it_stands() -> None:
    body = b'{"max_tokens" : 9000,"model":"m","max_completion_tokens":100, "messages":[]}'
    request = read_request(body)

    assert (request.limit, request.limit_field) == (9000, "max_tokens")
    assert splice(body, request, limit=500) == body.replace(b"9000", b"500")
    assert splice(body, request, limit=9000) is body


def test_defaults_fill_only_what_is_missing() -> None:
    body = b'{"model":"m","temperature":null }'
    request = read_request(body)

    assert (
        splice(body, request, defaults={"temperature": 0, "top_p": 0.5})
        == b'{"model":"m","temperature":null ,"top_p":0.5}'
    )


def test_splices_are_made_together_wherever_they_stand() -> None:
    body = BASE % b', "max_tokens": 900'

    done = splice(body, read_request(body), usage=True, limit=7, defaults={"a": 1})

    assert json.loads(done) == {
        **json.loads(body), "a": 1, "stream_options": {"include_usage": True}, "max_tokens": 7
    }  # fmt: skip
    late = b'{"stream_options":{},"model":"m","max_tokens":900}'
    assert splice(late, read_request(late), usage=True, limit=7) == (
        b'{"stream_options":{"include_usage":true},"model":"m","max_tokens":7}'
    )


@pytest.mark.parametrize(
    ("body", "defaults", "filled"),
    [
        (b'{"model":"m"}', {"max_tokens": 5}, b'{"model":"m","max_tokens":5}'),
        (b'{"model":"m","n_predict":9}', {"max_tokens": 5}, b'{"model":"m","n_predict":9}'),
        (b'{"model":"m","max_tokens":9}', {"top_k": 5}, b'{"model":"m","max_tokens":9,"top_k":5}'),
        (b'{"model":"m","top_k":1}', {"top_k": 5}, b'{"model":"m","top_k":1}'),
    ],
)
def test_default_limit_stands_back_for_any_limit_of_the_callers(
    body: bytes, defaults: dict[str, int], filled: bytes
) -> None:
    assert splice(body, read_request(body), defaults=defaults) == filled


@pytest.mark.parametrize(
    ("body", "renamed"),
    [
        (b'{"model":"m","a":1}', b'{"model":"n\xc3\xb6","a":1}'),
        (b'{"a":{"b":"model"},"model" : "m"}', b'{"a":{"b":"model"},"model" : "n\xc3\xb6"}'),
        (b'{"a":{"model":"x"},"model":"m"}', b'{"a":{"model":"x"},"model":"n\xc3\xb6"}'),
        (b'{"mod\\u0065l":"m","b":"model"}', b'{"mod\\u0065l":"n\xc3\xb6","b":"model"}'),
        (
            b'{"mod\\u0065l":"m","b":{"model":"x"}}',
            b'{"mod\\u0065l":"n\xc3\xb6","b":{"model":"x"}}',
        ),
        (b'{"model":"a\\"b"}', b'{"model":"n\xc3\xb6"}'),
        (b'{"b":"\\"model","model":"m"}', b'{"b":"\\"model","model":"n\xc3\xb6"}'),
    ],
)
def test_model_is_named_as_its_worker_knows_it_and_nothing_else_is(
    body: bytes, renamed: bytes
) -> None:
    assert with_model(body, "n\xf6") == renamed


@pytest.mark.parametrize(
    ("prompt", "n"),
    [
        ([], 1), ([""], 1), ("a", 1), (["a"], 1), (["a", "b"], 2), ([1, 2], 1), ([[1], [2, 3]], 2),
        ([["a"]], 1),
    ],
)  # fmt: skip
def test_each_text_of_a_list_of_prompts_is_an_answer(prompt: object, n: int) -> None:
    body = json.dumps({"model": "m", "prompt": prompt}).encode()

    assert read_request(body).n == n


def test_what_is_no_prompt_is_free_up_to_a_bound() -> None:
    small = b'{"model":"m","prompt":"abc","x":"%b"}' % (b"x" * 100)
    large = b'{"model":"m","prompt":"abc","x":"%b"}' % (b"x" * 5000)

    assert read_request(small).prompt_bytes == len('"abc"')
    assert read_request(large).prompt_bytes == len(large) - OTHER_FREE


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


def test_picture_counts_as_prompt_for_less_than_its_bytes() -> None:
    def body(url: str) -> bytes:
        parts = [{"type": "image_url", "image_url": {"url": url}}]
        return json.dumps({"model": "m", "messages": [{"role": "user", "content": parts}]}).encode()

    pictured = read_request(body("data:image/png;base64," + "A" * 40_000)).prompt_bytes
    plain = read_request(body("https://example.net/a.png")).prompt_bytes

    assert plain + 4000 < pictured < plain + 6000


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"messages": [1], "model": "m"}', [b"[1]"]),
        (b'{"messages": [1], "model": "m", "tools": [2]}', [b"[2]", b"[1]"]),
        (b'{"prompt": "p", "model": "m", "response_format": {}}', [b"{}", b'"p"']),
        (b'{"model": "m", "input": ["a"], "functions": [3]}', [b"[3]", b'["a"]']),
        (b'{"model": "m", "tools": [2]}', []),
    ],
)
def test_what_an_engine_reads_is_found_in_its_order_the_prompt_last(
    body: bytes, read: list[bytes]
) -> None:
    spans = read_request(body).prompt_spans

    assert [body[begin:end] for begin, end in spans] == read
