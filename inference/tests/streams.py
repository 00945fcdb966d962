"""Streams of events for property tests, and the simple whole-stream oracle they are held to."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass

from hypothesis import strategies as st

from inference.body.tokens import Usage, usage_of
from inference.tests.plain_model import stream_facts

ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
WORDS = st.sampled_from(["hi", "ü", "日本", '"usage"', "[DONE]", "\n\n", "data: x", "", "a" * 40])
USAGES = st.fixed_dictionaries(
    {"prompt_tokens": st.integers(0, 999), "completion_tokens": st.integers(0, 999)}
)
CHUNKS = st.one_of(
    WORDS.map(lambda word: {"choices": [{"delta": {"content": word}}]}),
    WORDS.map(lambda word: {"choices": [{"delta": {"content": word}}], "usage": None}),
    WORDS.map(lambda word: {"choices": [{"index": 1, "delta": {"thinking": word}}]}),
    WORDS.map(lambda word: {"type": "response.output_text.delta", "delta": word}),
    USAGES.map(lambda usage: {"choices": [{"delta": {}}], "usage": usage}),
    USAGES.map(lambda usage: {"choices": [], "usage": usage}),
    st.just({"choices": [], "usage": None}),
    st.just({"choices": [], "prompt_filter_results": []}),
    USAGES.map(lambda usage: {"type": "response.completed", "response": {"usage": usage}}),
)


@st.composite
def blocks(draw: st.DrawFn) -> bytes:
    """Draw one block of lines with its closing blank line."""
    end = draw(ENDS)
    gap = draw(st.sampled_from([b"", b" "]))
    tight = draw(st.booleans())
    chunk = json.dumps(
        draw(CHUNKS), ensure_ascii=draw(st.booleans()), separators=(",", ":") if tight else None
    ).encode()
    payload = draw(st.sampled_from([[chunk], [chunk], [chunk], [b"[DONE]"], [b"{", chunk[1:]]]))
    lines = [b"data:" + gap + line for line in payload]
    before = draw(
        st.sampled_from([[], [], [], [b": ping"], [b"event: x"], [b"id: 7", b"data"[:4]]])
    )
    lonely = draw(st.booleans()) and draw(st.booleans())
    lines = [b": keep-alive"] if lonely else before + lines
    return end.join(lines) + end + end


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Draw a stream: perhaps a byte order mark, blocks, stray blank lines, an unfinished end."""
    parts = draw(st.lists(st.one_of(blocks(), st.sampled_from([b"\n", b"\r\n", b""])), max_size=8))
    mark = draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"]))
    whole = mark + b"".join(parts)
    cut = draw(st.sampled_from([0, 0, 0, 1, 2, 5]))
    return whole[: len(whole) - cut] if cut else whole


@st.composite
def cuts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Cut bytes into pieces anywhere, in single bytes too."""
    if draw(st.booleans()) and len(data) < 400:
        return [data[at : at + 1] for at in range(len(data))]
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    edges = [0, *places, len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@dataclass
class Seen:
    """What the oracle makes of a whole stream."""

    relayed: bytes = b""
    usage: Usage | None = None
    done: bool = False
    events: int = 0
    deltas: int = 0
    text_bytes: int = 0


_BLOCK = re.compile(rb"[\r\n]*[^\r\n](?s:.)*?(?:(?>\r\n|\r|\n){2}|\Z)")


def whole(stream: bytes, *, drop_usage: bool) -> Seen:
    """Do what the filter must do, the slow and obvious way."""
    seen = Seen()
    at = 0
    for match in _BLOCK.finditer(stream):
        at = match.end()
        _one(seen, match.group(), drop_usage=drop_usage)
    seen.relayed += stream[at:]
    facts = stream_facts(stream)
    seen.deltas, seen.text_bytes = facts.pieces, facts.text
    return seen


def _one(seen: Seen, block: bytes, *, drop_usage: bool) -> None:
    body = block.lstrip(b"\r\n")
    data = []
    for line in re.split(rb"\r\n|\r|\n", body.removeprefix(b"\xef\xbb\xbf")):
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
    payload = b"\n".join(data).rstrip(b" ")
    document = _parsed(payload)
    seen.usage = usage_of(document) or seen.usage
    seen.done = seen.done or (bool(data) and payload == b"[DONE]")
    if drop_usage and document.get("choices") == [] and isinstance(document.get("usage"), dict):
        seen.relayed += block[: len(block) - len(body)]
        return
    seen.events += bool(data)
    seen.relayed += block


def _parsed(payload: bytes) -> dict[str, object]:
    try:
        document = json.loads(payload)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
