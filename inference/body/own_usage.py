"""The usage block of a stream that is there only because we asked for it: what is left of it.

Engines put figures of their own beside the usage (llama.cpp its ``timings``). Those are the
caller's; only ``usage`` is taken out then, and of a block that holds nothing else nothing is
left. A list of choices that is empty would trip up clients that read the first one, and none
would be there had we not asked: it gets a choice that says nothing.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from inference.body.json_members import Malformed, body_members

USUAL: Final = frozenset(
    [
        "id",
        "object",
        "created",
        "model",
        "choices",
        "usage",
        "system_fingerprint",
        "service_tier",
        "obfuscation",
    ]
)
"""Members of any block: alone with these, usage is all that a block says."""

_NO_WORD: Final = b'[{"index":0,"delta":{},"finish_reason":null}]'
_NO_TEXT: Final = b'[{"index":0,"text":"","logprobs":null,"finish_reason":null}]'
_LINE: Final = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")
_BOM: Final = b"\xef\xbb\xbf"


def is_ours(document: Any) -> bool:
    """Say whether an event is the one that comes for ``include_usage``."""
    return (
        isinstance(document, dict)
        and isinstance(document.get("usage"), dict)
        and not document.get("choices")
    )


def rest_of(block: bytes, payload: bytes, document: dict[str, Any]) -> bytes:
    """Return what to relay of such a block, without its last line end; nothing mostly."""
    if not any(name not in USUAL and _says(value) for name, value in document.items()):
        return b""
    lines = [match[1] for match in _LINE.finditer(block.removeprefix(_BOM)) if match[1]]
    kept = [line for line in lines if line.partition(b":")[0] != b"data"]
    return b"\n".join([*kept, b"data: " + _without_usage(payload, document)])


def _says(value: Any) -> bool:
    """Say whether a member is more than a label, of which any block has the same."""
    return isinstance(value, dict | list) and bool(value)


def _without_usage(payload: bytes, document: dict[str, Any]) -> bytes:
    payload = payload.replace(b"\n", b" ")
    no_choice = _NO_TEXT if document.get("object") == "text_completion" else _NO_WORD
    try:
        spans, _ = body_members(payload)
    except Malformed:
        left = {name: value for name, value in document.items() if name != "usage"}
        return json.dumps(left).encode()
    kept: list[bytes] = []
    begin = at = payload.index(b"{") + 1
    for name, (start, end) in spans.items():
        if name == "choices":
            kept.append(payload[at:start] + no_choice)
        elif name != "usage":
            kept.append(payload[at:end])
        at = end
    first = kept[0].lstrip().removeprefix(b",") if kept else b""
    return b"".join((payload[:begin], first, *kept[1:], payload[at:]))
