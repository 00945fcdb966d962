"""Schemas of the fast path: what is read of JSON at a glance, as msgspec is told it.

Fields that are not named here are stepped over.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Raw, UnsetType

NOTHING = Raw()

CHOICES_MAX = 128
"""Answers to a prompt, as with OpenAI."""

Limit = Annotated[int, msgspec.Meta(gt=0)] | None | UnsetType
Choices = Annotated[int, msgspec.Meta(le=CHOICES_MAX)] | None | UnsetType
Number = int | None | UnsetType


class Asked(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """What a request body says. Prompts are kept as they are, for their length only.

    ``UNSET`` is not there at all, which ``null`` is: whoever looks for names that stand twice
    need not look for those. Below are the usual names that mean nothing to the gateway. Any
    other is a reason to read carefully, and so is a number out of its range: to some engine
    it may be a limit.
    """

    model: str = ""
    messages: Raw = NOTHING
    stream: bool | UnsetType | None = UNSET
    stream_options: Raw = NOTHING
    max_tokens: Limit = UNSET
    max_completion_tokens: Limit = UNSET
    max_output_tokens: Limit = UNSET
    n: Choices = UNSET
    best_of: Choices = UNSET
    prompt: Raw = NOTHING
    suffix: Raw = NOTHING
    input: Raw = NOTHING
    instructions: Raw = NOTHING
    tools: Raw = NOTHING
    functions: Raw = NOTHING
    response_format: Raw = NOTHING
    query: Raw = NOTHING
    queries: Raw = NOTHING
    documents: Raw = NOTHING
    text_1: Raw = NOTHING
    text_2: Raw = NOTHING
    temperature: float | None = None
    top_p: float | None = None
    top_k: Raw = NOTHING
    min_p: float | None = None
    stop: Raw = NOTHING
    seed: Raw = NOTHING
    user: Raw = NOTHING
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    tool_choice: Raw = NOTHING
    parallel_tool_calls: Raw = NOTHING
    reasoning_effort: Raw = NOTHING
    service_tier: Raw = NOTHING
    metadata: Raw = NOTHING
    store: Raw = NOTHING
    encoding_format: Raw = NOTHING
    dimensions: Raw = NOTHING
    top_n: Raw = NOTHING
    return_documents: Raw = NOTHING
    reasoning: Raw = NOTHING
    text: Raw = NOTHING
    chat_template_kwargs: Raw = NOTHING
    prompt_cache_key: Raw = NOTHING


class Options(msgspec.Struct, gc=False):
    """``stream_options``."""

    include_usage: bool | None = None


COUNT_MAX = 10**12
"""A figure beyond this is no count of tokens, whatever the engine says."""

Count = Annotated[int, msgspec.Meta(le=COUNT_MAX)]


class Details(msgspec.Struct, gc=False):
    """``prompt_tokens_details``."""

    cached_tokens: int | None = None


class Figures(msgspec.Struct, gc=False):
    """``usage`` in its usual dialect, and what tells that it is another."""

    prompt_tokens: Count = -1
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    prompt_tokens_details: Details | None = None
    output_tokens: Raw = NOTHING
    input_tokens_details: Raw = NOTHING
    prompt_cache_hit_tokens: Raw = NOTHING
    cached_tokens: Raw = NOTHING


class Answer(msgspec.Struct, gc=False):
    """A plain answer, of which only the usage is wanted, if it is none of an error."""

    usage: Figures | None = None
    error: Raw = NOTHING
