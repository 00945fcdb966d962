"""No body, however it is made, keeps the loop for long: neither whole nor on its way up."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from inference.body.body import SLICE_BYTES
from inference.body.json_members import Malformed
from inference.body.prepare import prepare
from inference.body.streamed_splice import StreamedSplice
from inference.contracts.entries import Route, Terms
from inference.http.problems import Refused
from tests.clock import own_time

SIZE = 256 * 1024 - 100
WHOLE_S = 0.035
"""A few milliseconds on a quiet machine; the worst of these took 150 before."""
SLICE_S = 0.012
TERMS = Terms("pro", 1, None, None, 8, 60.0, 30.0, 0)
ROUTE = Route(1, "proj_a", "chat", "ep_a", "m", "generate", TERMS, (), 4096)

ODD = b'{"model":"m","\\u0061":'
DISTINCT = b",".join(b'"%x":1' % number for number in range(26_000))
TOOL = {
    "type": "function",
    "function": {
        "name": "f",
        "parameters": {
            "type": "object",
            "properties": {
                f"p{number}": {
                    "type": "object",
                    "properties": {
                        "a": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {"s": {"type": "string", "enum": ["a", "b"]}},
                            },
                        }
                    },
                }
                for number in range(12)
            },
        },
    },
}
TOOLS = json.dumps({"model": "m", "messages": [], "tools": [TOOL] * 600}).encode()


def filled(front: bytes, filler: bytes, back: bytes) -> bytes:
    return front + filler * ((SIZE - len(front) - len(back)) // len(filler)) + back


HOSTILE = [
    pytest.param(filled(ODD + b"1,", b'"a":1,', b'"z":'), id="broken, of many members"),
    pytest.param(filled(ODD + b"1,", b'"a":1,', b'"z":1}'), id="one member again and again"),
    pytest.param(ODD + b"1," + DISTINCT + b"}", id="many members"),
    pytest.param(filled(ODD + b"[", b"[],", b"[]]}"), id="empty lists"),
    pytest.param(filled(ODD + b"[", b"{},", b"{}]}"), id="empty objects"),
    pytest.param(filled(ODD + b"[", b'"",', b'""]}'), id="empty strings"),
    pytest.param(filled(ODD + b"[", b"1e9,", b"1]}"), id="numbers"),
    pytest.param(ODD + b"{" + DISTINCT + b"}}", id="an object of many members"),
    pytest.param(filled(ODD + b'"', b"\\ud83d", b'"}'), id="halves of surrogate pairs"),
    pytest.param(filled(ODD + b'"', b'\\"', b'"}'), id="escaped quotes"),
    pytest.param(filled(ODD, b"[", b""), id="brackets that never close"),
    pytest.param(filled(ODD + b"[" * 400, b'["",', b""), id="strings in them"),
    pytest.param(filled(b'{"model":"m","prompt":[', b'"",', b'""]}'), id="empty prompts"),
    pytest.param(filled(b'{"model":"m","prompt":[', b"[],", b'""]}'), id="prompts of nothing"),
    pytest.param(filled(b'{"model":"m","messages":["', b'","url', b'"]}'), id="names of files"),
    pytest.param(filled(b'{"model":"m","options":[', b"[],", b"1]}"), id="settings"),
    pytest.param(TOOLS[:SIZE], id="tools that end too early"),
]


def least_s(once: Any) -> float:
    """Return the time of the quickest of three: what others do to this machine is not ours."""
    took = []
    for _ in range(3):
        start = own_time()
        with contextlib.suppress(Refused, Malformed):
            once()
        took.append(own_time() - start)
    return min(took)


@pytest.mark.parametrize("body", HOSTILE)
def test_no_whole_body_keeps_others_waiting(body: bytes) -> None:
    assert least_s(lambda: prepare(body, "completions", ROUTE)) < WHOLE_S


@pytest.mark.parametrize("body", HOSTILE)
def test_no_slice_of_an_upload_keeps_others_waiting(body: bytes) -> None:
    for at in range(0, len(body), SLICE_BYTES):

        def once(start: int = at) -> None:
            splice = StreamedSplice()
            splice.feed(body[: min(64, start)])
            splice.feed(body[max(64, start) : start + SLICE_BYTES])

        assert least_s(once) < SLICE_S


def test_large_set_of_nested_tools_is_an_ordinary_request_on_both_paths() -> None:
    whole = json.dumps({"model": "m", "messages": [], "tools": [TOOL] * 100}).encode()
    splice = StreamedSplice()

    sent = b"".join(
        splice.feed(TOOLS[at : at + SLICE_BYTES]) for at in range(0, len(TOOLS), SLICE_BYTES)
    )
    splice.finish()

    assert sent == TOOLS
    assert splice.prompt_bytes == len(TOOLS) > 1_000_000
    assert prepare(whole, "chat/completions", ROUTE).body == whole


@pytest.mark.parametrize("read", ["whole", "upload"])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(
            b'{"model":"m",' + b",".join(b'"a%d":1' % number for number in range(256)) + b"}",
            "more than 256 fields",
            id="too many fields",
        ),
        pytest.param(b'{"model":"m","a":%b}' % (b"[" * 5000), "nested too deeply", id="deep"),
        pytest.param(b'\xef\xbb\xbf{"model":"m"}', "byte order mark", id="marked"),
    ],
)
def test_both_paths_have_the_same_bounds(read: str, body: bytes, said: str) -> None:
    def take() -> None:
        if read == "whole":
            prepare(body, "chat/completions", ROUTE)
        else:
            StreamedSplice().feed(body)

    with pytest.raises((Refused, Malformed)) as refusal:
        take()

    assert said in str(refusal.value)
