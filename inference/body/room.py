"""How long an answer can be: what the context window leaves for it. Pure arithmetic.

A prompt's tokens are an estimate by its bytes, right within a factor of two for text in most
languages. Where only what is *sure* may count, the prompt is taken for the fewest tokens that
so many bytes can be.
"""

from __future__ import annotations

from typing import Final

from inference.contracts.entries import Route

UNKNOWN_LIMIT: Final = 4096
"""Tokens of an answer where neither the caller nor the model says how long it may be."""

SLICE_TOKENS: Final = 256
"""Tokens of each answer that a stream holds at once, and then renews."""

TOKENS_MAX: Final = 10**12
"""More than any request can use: whoever asks for more (``"n": 1e17``) holds this much."""

LEAST_SHARE: Final = 32
"""The estimate has four bytes a token; no usual vocabulary has one of more than 128."""


def sure_room(context_length: int, prompt_tokens: int) -> int:
    """Return the tokens beyond which an answer surely does not fit; negative if none does."""
    return context_length - max(1, prompt_tokens // LEAST_SHARE)


def longest_answer(route: Route, prompt_tokens: int, limit: int | None, n: int) -> int:
    """Return how many tokens each of ``n`` answers may have, as far as that is known."""
    if limit is not None:
        return max(limit, 0)
    if route.context_length is None:
        return UNKNOWN_LIMIT
    if n > 1:  # A prompt that is shorter than estimated leaves each of them more.
        return max(sure_room(route.context_length, prompt_tokens), 1)
    return max(route.context_length - prompt_tokens, 1)
