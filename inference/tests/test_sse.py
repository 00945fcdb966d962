"""However a stream is cut, the caller gets the same bytes and we count the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.body.sse import HOLD_MAX, StreamFilter
from inference.body.tokens import Usage
from inference.tests.streams import cuts, streams, whole
from tests.made_up import examples

DELTA = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"


def run(pieces: list[bytes], *, drop_usage: bool) -> tuple[bytes, StreamFilter]:
    scan = StreamFilter(drop_usage=drop_usage)
    relayed = [scan.feed(piece) for piece in pieces]
    return b"".join(relayed) + scan.finish(), scan


@examples(300)
@given(data=st.data(), stream=streams(), drop_usage=st.booleans())
def test_no_cut_shows(data: st.DataObject, stream: bytes, drop_usage: bool) -> None:
    pieces = data.draw(cuts(stream))

    relayed, scan = run(pieces, drop_usage=drop_usage)
    at_once, same = run([stream], drop_usage=drop_usage)
    wanted = whole(stream, drop_usage=drop_usage)

    assert relayed == at_once == wanted.relayed
    assert scan.usage == same.usage == wanted.usage
    assert scan.done is same.done is wanted.done
    assert scan.events == same.events == wanted.events
    assert scan.deltas == same.deltas == wanted.deltas
    assert scan.text_bytes == same.text_bytes == wanted.text_bytes


def said(document: object) -> bytes:
    return b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"


@pytest.mark.parametrize("document", [
    {"choices": [{"delta": {"content": "日本"}}]},
    {"choices": [{"delta": {"role": "assistant", "reasoning": "a\n\"b\"\\"}}]},
    {"choices": [{"delta": {"content": None, "thinking": "abcdef"}}], "usage": None},
    {"choices": [{"text": "abcdef", "logprobs": {"tokens": ["abc", "def"]}}]},
    {"choices": [{"delta": {"refusal": "abcdef"}}]},
    {"choices": [{"delta": {"audio": {"id": "a1", "data": "AAAA", "transcript": "abcdef"}}}]},
    {"choices": [{"delta": {"tool_calls": [{"id": "c", "function": {"arguments": "{\"ab\":"}}]}}]},
    {"choices": [{"delta": {"a name of tomorrow": "abcdef"}}]},
    {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "abcdef"},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "abcdef"}},
    {"token": {"id": 7, "text": "abcdef"}},
])  # fmt: skip
def test_text_counts_by_its_bytes_under_any_name_and_in_any_frame(document: object) -> None:
    scan = StreamFilter(drop_usage=True)

    for number in range(1, 41):
        assert scan.feed(said(document)) == said(document)
        assert (scan.deltas, scan.text_bytes) == (number, 6 * number)


@pytest.mark.parametrize("document", [
    {"choices": [{"delta": {"content": ""}}]},
    {"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
    {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    {"choices": [{"delta": {"content": None, "reasoning": ""}}]},
    {"choices": []},
])  # fmt: skip
def test_what_brings_no_text_is_no_piece(document: object) -> None:
    scan = StreamFilter(drop_usage=True)

    for _ in range(3):
        scan.feed(DELTA + said(document))
        scan.feed(said(document))

    assert (scan.deltas, scan.text_bytes) == (3, 6)


def test_what_only_looks_like_the_frame_is_read_for_itself() -> None:
    scan = StreamFilter(drop_usage=True)
    scan.feed(DELTA)
    forged = DELTA.replace(b'"hi"', b'"hi","finish_reason":"stop","x":"y"')
    two = DELTA.replace(b"hi", b'a"}}]}\n\ndata: {"choices":[{"delta":{"content":"b')

    scan.feed(forged)
    scan.feed(two)
    scan.feed(DELTA.replace(b"hi", b"\\u00fc"))
    scan.feed(DELTA.replace(b"hi", b"\\\\"))

    assert scan.deltas == 6
    assert scan.text_bytes == 2 + 3 + 1 + 1 + 2 + 1


def test_one_engines_usage_of_everything_so_far_counts_as_it_grows() -> None:
    scan = StreamFilter(drop_usage=True)
    for count in (3, 400, 7):
        usage = {"prompt_tokens": 5, "completion_tokens": count}
        scan.feed(said({"choices": [{"delta": {"content": "x"}}], "usage": usage}))

    assert scan.tokens == 400
    assert scan.seen().claim == Usage(5, 400)


def test_large_block_counts_while_it_passes() -> None:
    scan = StreamFilter(drop_usage=False)
    scan.feed(b'data: {"choices":[{"delta":{"content":"' + b"x" * 400_000)

    assert 80_000 < scan.tokens <= 100_001


def test_figures_beside_our_usage_pass_and_the_rest_of_the_block_is_as_it_was() -> None:
    block = (
        b'data: {"choices" : [],"usage":{"prompt_tokens":1}, "timings":{"ms":1.50},"id":"c"}\n\n'
    )
    left = block.replace(b',"usage":{"prompt_tokens":1}', b"").replace(
        b"[]", b'[{"index":0,"delta":{},"finish_reason":null}]'
    )

    for pieces in ([block], [block[:20], block[20:]], [block[:-2]]):
        relayed, scan = run(pieces, drop_usage=True)
        assert relayed == left
        assert scan.events == 1
        assert scan.usage == Usage(1, 0)


def test_what_is_not_filtered_is_handed_back_as_the_same_object() -> None:
    scan = StreamFilter(drop_usage=False)

    assert all(scan.feed(piece) is piece for piece in (DELTA, DELTA[:9], DELTA[9:], USAGE, DONE))
    assert (scan.events, scan.deltas, scan.done) == (4, 2, True)
    assert scan.usage == Usage(3, 2)


def test_whole_chunks_are_not_delayed_by_the_filter() -> None:
    scan = StreamFilter(drop_usage=True)

    assert scan.feed(DELTA) is DELTA
    assert scan.feed(DELTA + USAGE + DELTA) == DELTA + DELTA
    assert scan.usage == Usage(3, 2)


def test_usage_beside_choices_and_null_usage_pass() -> None:
    full = b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'
    null = b'data: {"choices":[],"usage":null}\n\n'

    relayed, scan = run([full, null], drop_usage=True)

    assert relayed == full + null
    assert scan.usage == Usage(1, 1)


@pytest.mark.parametrize("size", [HOLD_MAX - 200, HOLD_MAX + 1, 1 << 20])
@pytest.mark.parametrize("step", [1000, 65536, 1 << 21])
def test_huge_event_passes_whole_and_its_usage_counts(size: int, step: int) -> None:
    text = {"type": "response.completed", "response": {"text": "x" * size}}
    text["response"]["usage"] = {"input_tokens": 5, "output_tokens": 7}  # type: ignore[index]
    stream = DELTA + b"data: " + json.dumps(text).encode() + b"\n\n" + USAGE + DONE
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]

    scan = StreamFilter(drop_usage=True)
    relayed = b""
    for piece in pieces:
        relayed += scan.feed(piece)
        assert len(scan._block) <= 2 * HOLD_MAX

    assert relayed + scan.finish() == stream.replace(USAGE, b"")
    assert scan.done
    assert scan.events == 3


def test_boundary_is_where_a_comment_cannot_split_a_block() -> None:
    scan = StreamFilter(drop_usage=False)
    assert scan.at_boundary

    scan.feed(DELTA[:-1])
    assert not scan.at_boundary

    scan.feed(DELTA[-1:])
    assert scan.at_boundary


def test_broken_stream_is_not_done() -> None:
    _, scan = run([DELTA, b"data: [DO"], drop_usage=True)

    assert not scan.done


@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.parametrize("step", [1, 5000, 1 << 20])
def test_usage_block_is_dropped_up_to_the_bound_whatever_the_cut(over: int, step: int) -> None:
    start, end = b'data: {"choices":[],"x":"', b'","usage":{"prompt_tokens":1}}'
    block = start + b"x" * (HOLD_MAX + over - len(start) - len(end)) + end + b"\n\n"
    pieces = [block[at : at + step] for at in range(0, len(block), step)]

    relayed, scan = run(pieces, drop_usage=True)

    assert relayed == (block if over else b"")
    assert scan.usage == Usage(1, 0)


def test_blank_line_before_a_dropped_block_passes() -> None:
    assert StreamFilter(drop_usage=True).feed(b"\n" + USAGE) == b"\n"


def test_long_comment_among_blocks_is_no_event() -> None:
    _, scan = run([DELTA + b": " + b"x" * 80 + b"\n\n" + DELTA], drop_usage=True)

    assert scan.events == 2


def test_held_block_leaves_a_boundary_and_a_large_one_does_not() -> None:
    scan = StreamFilter(drop_usage=True)
    scan.feed(DELTA[:-1])
    assert scan.at_boundary

    scan.feed(b"x" * (HOLD_MAX + 100))
    assert not scan.at_boundary

    scan.feed(b"\n\n")
    assert scan.at_boundary
