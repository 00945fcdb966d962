"""Texts of the simulator: how many tokens they are, and an answer that shows its question; pure.

An answer begins with ``[…]``, the first twelve digits of the SHA-256 of the last thing said to
it, so that whoever gets an answer to somebody else's question notices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from random import Random
from typing import Any

from xim.sim.cache import BLOCK_TOKENS

TOKEN_BYTES = 4
BLOCK_BYTES = BLOCK_TOKENS * TOKEN_BYTES
SHORTEST, LONGEST = 16, 200
WORDS = (
    *("the", "model", "thinks", "about", "what", "was", "said", "and", "then", "goes", "on"),
    *("one", "word", "after", "another", "until", "it", "has", "nothing", "left", "to", "say"),
)


def mark_of(text: str) -> str:
    """Return what an answer to ``text`` begins with."""
    return f"[{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:12]}]"


def tokens_in(text: bytes) -> int:
    """Return how many tokens a text is."""
    return max(1, -(-len(text) // TOKEN_BYTES))


def blocks_of(text: bytes) -> tuple[int, ...]:
    """Return the blocks of a prompt, each named by all that stands before it."""
    found, before = [], b""
    for start in range(0, len(text) - BLOCK_BYTES + 1, BLOCK_BYTES):
        piece = text[start : start + BLOCK_BYTES]
        before = hashlib.blake2b(before + piece, digest_size=8).digest()
        found.append(int.from_bytes(before))
    return tuple(found)


def text_of(content: Any) -> str:
    """Return the text of a message's content, whatever its form."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def prompt_of(body: dict[str, Any]) -> tuple[bytes, str]:
    """Return a request's whole prompt, and the last thing said in it."""
    messages = body.get("messages")
    if isinstance(messages, list) and messages:
        said = [one for one in messages if isinstance(one, dict)]
        lines = [f"{one.get('role')}\n{text_of(one.get('content'))}\n" for one in said]
        last = text_of(said[-1].get("content")) if said else ""
        return "".join(lines).encode(errors="replace"), last
    prompt = body.get("prompt", "")
    last = "\n".join(map(str, prompt)) if isinstance(prompt, list) else str(prompt)
    return last.encode(errors="replace"), last


def natural_length(seed: int, mark: str) -> int:
    """Return how long an answer would be if nothing limited it."""
    return Random(f"{seed}{mark}").randint(SHORTEST, LONGEST)  # noqa: S311 - no secret


def answer(last: str, count: int) -> Iterator[str]:
    """Return the tokens of an answer, ``count`` of them: what it answers to, then words."""
    text = f"{mark_of(last)} You said: {' '.join(last.split())[:200]} "
    given = 0
    for start in range(0, len(text), TOKEN_BYTES):
        if given == count:
            return
        yield text[start : start + TOKEN_BYTES]
        given += 1
    for number in range(count - given):
        yield WORDS[number % len(WORDS)] + " "
