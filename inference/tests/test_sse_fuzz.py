"""Megabytes of odd streams, cut at random: what the filter does is what the oracle says.

The property test draws cleverly and little; this one draws blindly and much
(``pytest --fuzz-bytes=…``).
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from inference.body.sse import StreamFilter
from inference.tests.streams import whole

PARTS = [
    b'data: {"choices":[{"delta":{"content":"hi"}}]}',
    b'data: {"choices":[{"delta":{"content":"\xe6\x97\xa5"}}],"usage":null}',
    b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}',
    b'data:{"choices": [], "usage": {"total_tokens": 3}}',
    b'data: {"choices":[],\ndata: "usage":{"prompt_tokens":1}}',
    b'event: response.completed\ndata: {"response":{"usage":{"input_tokens":9}}}',
    b'data: {"choices":[{"delta":{"content":"\\"usage\\": [DONE] \\n\\n"}}]}',
    b"data: [DONE]",
    b": keep-alive, and a comment that is longer than a short block",
    b"data",
    b"id: 1\nretry: 5",
    b"x" * 300,
    b"",
]
ENDS = [b"\n\n", b"\n\n", b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b"\r\n\n", b"\n", b"\r", b""]


def stream_of(chance: random.Random) -> bytes:
    blocks = [chance.choice(PARTS) + chance.choice(ENDS) for _ in range(chance.randrange(1, 30))]
    ending = chance.choice([b"\n", b"\r\n", b"\r"])
    return b"".join(blocks).replace(b"\n", ending) if chance.random() < 0.3 else b"".join(blocks)


def cut(chance: random.Random, data: bytes) -> list[bytes]:
    pieces, at = [], 0
    reach = chance.choice([1, 5, 60, 2000])
    while at < len(data):
        step = chance.randrange(1, reach + 1)
        pieces.append(data[at : at + step])
        at += step
    return pieces


def test_blind_streams_agree_with_the_oracle(
    request: pytest.FixtureRequest, record_testsuite_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(request.config.getoption("--fuzz-seed"))
    fed = 0
    while fed < request.config.getoption("--fuzz-bytes"):
        stream = stream_of(chance)
        drop = chance.random() < 0.7
        scan = StreamFilter(drop_usage=drop)
        pieces = cut(chance, stream)

        relayed = b"".join([scan.feed(piece) for piece in pieces]) + scan.finish()

        fed += len(stream)
        wanted = whole(stream, drop_usage=drop)
        assert relayed == wanted.relayed, pieces
        said = (scan.usage, scan.done, scan.events, scan.deltas, scan.text_bytes)
        assert said == (
            wanted.usage,
            wanted.done,
            wanted.events,
            wanted.deltas,
            wanted.text_bytes,
        ), pieces
    record_testsuite_property("fuzz_stream_bytes", fed)
