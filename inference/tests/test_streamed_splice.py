"""A body that is too large to hold is spliced on its way, however it is cut."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.body import splice as whole
from inference.body.json_members import Malformed
from inference.body.streamed_splice import HELD_MAX, StreamedSplice
from inference.tests.bodies import JSON, TEXT, bodies, joined, spelled
from inference.tests.streams import cuts
from tests.made_up import examples

ASKED = b'"stream_options":{"include_usage":true}'


def send(pieces: list[bytes]) -> tuple[bytes, StreamedSplice]:
    splice = StreamedSplice()
    sent = b"".join([splice.feed(piece) for piece in pieces])
    splice.finish()
    return sent, splice


@examples(200)
@given(data=st.data(), body=bodies())
def test_every_cut_gives_what_the_whole_body_would(data: st.DataObject, body: bytes) -> None:
    request = whole.read_request(body)

    sent, splice = send(data.draw(cuts(body)))

    assert splice.streaming is request.streaming
    assert splice.model == request.model
    assert splice.asked_usage is request.asked_usage
    if request.streaming and b"null" not in body:
        assert sent == whole.splice(body, request, usage=request.streaming)
        assert splice.added_usage is not request.asked_usage
    assert json.loads(sent) == wanted(json.loads(body), added=splice.added_usage)


DEEP = '[[[[[["," , 1]],{"a":[[",]"]]}]]]]'
ENTRY = st.one_of(
    TEXT,
    st.lists(st.integers(0, 9), max_size=3),
    st.sampled_from([json.loads(DEEP), "Q" * 5_000, 'say "a, b", [c]' * 400, None, 1, 0.5, True]),
    JSON,
)
PROMPT = st.one_of(TEXT, ENTRY, st.lists(ENTRY, max_size=5))
COUNT = st.one_of(st.integers(-1, 9), st.sampled_from([None, 2.0]))


@st.composite
def counted_bodies(draw: st.DrawFn) -> bytes:
    """Draw a body that asks for several answers in any of the ways there are."""
    values: dict[str, Any] = {"model": "m", "x": draw(JSON)}
    values |= {name: draw(COUNT) for name in draw(st.sets(st.sampled_from(["n", "best_of"])))}
    if draw(st.booleans()):
        values["prompt"] = draw(PROMPT)
    if draw(st.booleans()):
        values["max_tokens"] = draw(COUNT)
    members = [(name, draw(spelled(value))) for name, value in values.items()]
    return draw(joined(draw(st.permutations(members))))


@examples(300)
@given(data=st.data(), body=counted_bodies())
def test_answers_are_counted_on_the_way_as_in_a_whole_body(
    data: st.DataObject, body: bytes
) -> None:
    request = whole.read_request(body)

    _, splice = send(data.draw(cuts(body)))

    assert (splice.answers, splice.limit) == (request.n, request.limit)


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param(b'"a",' * 3_000_000, id="of short ones"),
        pytest.param(b'["a,b",[1,2]],' * 500_000, id="of lists"),
        pytest.param(b'"%b",' % (b"word, " * 1000) * 1000, id="of long ones"),
    ],
)
def test_long_list_of_prompts_is_counted_and_not_kept(prompt: bytes) -> None:
    body = b'{"model":"m","n":2,"prompt":[%b""]}' % prompt
    splice = StreamedSplice()
    tracemalloc.start()

    for at in range(0, len(body), 65_536):
        splice.feed(body[at : at + 65_536])
    splice.finish()

    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert splice.answers == 2 * len(json.loads(body)["prompt"])
    assert most < len(body) // 2


@pytest.mark.parametrize("step", [1, 1000, 100_000])
def test_number_is_read_however_much_white_space_follows_it(step: int) -> None:
    body = b'{"model":"m","n":3%b,"stream":true%b}' % (b" " * 5_000, b"\n" * 5_000)

    _, splice = send([body[at : at + step] for at in range(0, len(body), step)])

    assert (splice.answers, splice.streaming) == (3, True)


def wanted(body: dict[str, Any], *, added: bool) -> dict[str, Any]:
    if added:
        body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    return body


def test_null_options_are_replaced_only_once_it_is_known_to_stream() -> None:
    late, _ = send([b'{"model":"m","stream_options":null,"stream":true}'])
    early, splice = send([b'{"model":"m","stream":true,"stream_options":null}'])

    assert late == b'{"model":"m","stream_options":null,"stream":true}'
    assert early == b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
    assert splice.added_usage


def test_huge_options_pass_as_they_are_and_are_never_held() -> None:
    body = b'{"model":"m","stream":true,"stream_options":{"x":"%b"}}' % (b"y" * 100_000)
    splice = StreamedSplice()
    sent = 0
    for at in range(0, len(body), 1000):
        sent += len(splice.feed(body[at : at + 1000]))
        assert at + 1000 - sent <= HELD_MAX + 1000

    splice.finish()
    assert sent == len(body)
    assert not splice.added_usage


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "json_parse_error"),
        (b"[]", "invalid_request"),
        (b'{"model":"m"', "json_parse_error"),
        (b'{"model":"m"}}', "json_parse_error"),
        (b'{"model":"m",}', "json_parse_error"),
        (b'{"model" "m"}', "json_parse_error"),
        (b"{}", "invalid_request"),
        (b'{"model":7}', "invalid_request"),
        (b'{"model":"m","stream":"yes"}', "invalid_request"),
        (b'{"model":"m","stream":tru}', "json_parse_error"),
        (b'{"model":"m","stream_options":[]}', "invalid_request"),
        (b'{"model":"m","n":"2"}', "invalid_request"),
        (b'{"model":"m","best_of":1.5}', "invalid_request"),
        (b'{"model":"m","n":1%b2}' % (b" " * 5_000), "json_parse_error"),
        (b'{"model":"m","n":100.%b}' % (b"0" * 5_000), "invalid_request"),
        (b'{"model":"m","stream":true,"\\u0073tream":false}', "invalid_request"),
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_what_is_no_request_is_refused(body: bytes, code: str, step: int) -> None:
    with pytest.raises(Malformed) as refusal:
        send([body[at : at + step] for at in range(0, len(body), step)])

    assert refusal.value.code == code
