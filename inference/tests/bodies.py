"""Request bodies for property tests, with all the freedom JSON gives: white space, escapes,
nesting, any order, unknown fields, numbers written oddly."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from inference.body.dialects import KNOWN

SPACE = st.sampled_from([b"", b"", b" ", b"\n\t ", b"\r\n"])
TEXT = st.text(
    st.characters(blacklist_categories=["Cs"]) | st.sampled_from('"\\{}[],:\n\u2028é日'),
    max_size=12,
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-99, 10**18), TEXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
OTHER = TEXT.filter(lambda name: name.casefold() not in KNOWN | {"include_usage", "logit_bias"})
ODD = st.sampled_from([b"1e3", b"-0", b"1.50", b"0.0001", b"123456789012345678901234567890"])


@st.composite
def spelled(draw: st.DrawFn, value: Any) -> bytes:
    """Write a value in one of the many ways JSON allows."""
    ascii_only = draw(st.booleans())
    indent = draw(st.sampled_from([None, None, 1]))
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    return text.encode()


@st.composite
def names(draw: st.DrawFn, name: str) -> bytes:
    """Write a member's name, sometimes with an escape that need not be there."""
    written = json.dumps(name)
    if name.isalnum() and draw(st.integers(0, 9)) == 0:
        written = '"' + "".join(f"\\u{ord(letter):04x}" for letter in name) + '"'
    return written.encode()


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Draw a valid request body."""
    values: dict[str, Any] = draw(st.dictionaries(OTHER, JSON, max_size=4))
    values["model"] = draw(TEXT.filter(bool))
    values["stream"] = draw(st.sampled_from([True, True, False]))
    if draw(st.booleans()):
        options: Any = draw(st.dictionaries(OTHER, JSON, max_size=2))
        asked = draw(st.sampled_from([None, True, False]))
        if asked is not None:
            options["include_usage"] = asked
        values["stream_options"] = draw(st.sampled_from([options, options, None]))
    if draw(st.booleans()):
        values["max_tokens"] = draw(st.integers(1, 10**6))
    members = [(name, draw(spelled(value))) for name, value in values.items()]
    if draw(st.booleans()):
        members.append(("logit_bias", draw(ODD)))
    return draw(joined(draw(st.permutations(members))))


@st.composite
def joined(draw: st.DrawFn, members: list[tuple[str, bytes]]) -> bytes:
    """Put members together with white space wherever it may stand."""
    pieces = [
        draw(SPACE) + draw(names(name)) + draw(SPACE) + b":" + draw(SPACE) + value + draw(SPACE)
        for name, value in members
    ]
    return draw(SPACE) + b"{" + b",".join(pieces) + b"}" + draw(SPACE)
