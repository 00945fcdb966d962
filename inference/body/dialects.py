"""Names under which engines take the same things: limits, numbers of answers, log probabilities.

A worker may be any engine, and each has words of its own beside OpenAI's. Whatever one of them
would obey counts here, so that none generates more than was held for it:

- of several limits the largest counts, whoever knows it;
- where no limit of the operation itself is given there is none: the engine that ignores the
  names of others would stop at nothing but its context window;
- "none at all" (-1, or 0) under any name is none at all;
- what multiplies an answer without adding tokens to it (log probabilities) is bounded;
- inside a member that some engines open (``options``) none of these may stand.

Engines written in Go read names whatever their case: such a spelling is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from inference.body.fast_shapes import CHOICES_MAX
from inference.body.json_members import Malformed, flag, not_json, whole

CHAT_LIMITS: Final = ("max_completion_tokens", "max_tokens")
STANDARD_LIMITS: Final = (*CHAT_LIMITS, "max_output_tokens")
"""OpenAI's names of the token limit: chat has two, completions the second, Responses the third."""

LIMITS_OF: Final = {
    "chat/completions": CHAT_LIMITS,
    "completions": ("max_tokens",),
    "responses": ("max_output_tokens",),
}
MOST: Final = (
    *STANDARD_LIMITS,
    "n_predict",  # llama.cpp, where it beats all others
    "num_predict",  # Ollama
    "max_new_tokens",  # TGI, SGLang, Transformers
    "max_length",  # Transformers
    "max_tokens_to_sample",
    "max_gen_len",
)
"""What an answer may have at most."""

LEAST: Final = ("min_tokens", "min_new_tokens", "min_length")
"""What it must have at least: where that is more than the limit, engines differ."""

LIMITS: Final = (*MOST, *LEAST)
CHOICES: Final = ("n", "best_of", "n_cmpl", "num_beams", "beam_width", "num_return_sequences")
LOGPROBS: Final = (
    "logprobs",
    "top_logprobs",
    "n_probs",  # llama.cpp
    "prompt_logprobs",  # vLLM
    "top_n_tokens",  # TGI
    "top_logprobs_num",  # SGLang
)
LOGPROBS_MAX: Final = 20
"""As with OpenAI and vLLM: each token of the answer (or prompt) carries so many others along."""

HOLDERS: Final = (
    "options",
    "extra_body",
    "parameters",
    "sampling_params",
    "generation_config",
    "nvext",
)
"""Members with an engine's own settings inside."""

OTHERS: Final = (
    "cache_prompt",  # llama.cpp, and so are the next two
    "id_slot",
    "slot_id",
    "session_params",  # SGLang
    "bootstrap_host",
    "bootstrap_room",
    "kv_transfer_params",  # vLLM
    "prompt_embeds",
)
"""What reaches for something that an earlier request left in an engine, or past its text. It may
have been another project's, and what is found there tells what was asked."""

VALUE_MAX: Final = 4096
"""Bytes of a value that is read here."""

_COUNTED: Final = frozenset((*LIMITS, *CHOICES, *LOGPROBS))
_NOT_INSIDE: Final = _COUNTED.union(OTHERS)
READ: Final = frozenset(("model", "stream", *_COUNTED, *HOLDERS, *OTHERS))
"""Members whose value is read."""
KNOWN: Final = READ | {"stream_options", "prompt"}
"""Members that must be spelled as they are."""


def check_name(name: str) -> None:
    """Refuse another spelling of a name that counts: to some engines it is the same."""
    known = name.casefold()
    if known != name and known in KNOWN:
        raise Malformed("invalid_request", f"Write '{known}' for '{name}'.", name)


def read_value(name: str, raw: bytes) -> Any:
    """Read a value that counts, and refuse what no engine should be asked for.

    Raises ``Malformed``.
    """
    if len(raw) > VALUE_MAX:
        raise Malformed("invalid_request", f"'{name}' is too long.", name)
    try:
        value = json.loads(raw)
        _check(name, value)
    except ValueError as wrong:
        raise not_json(f"bad value of {name}") from wrong
    except RecursionError as wrong:
        raise not_json("it is nested too deeply") from wrong
    return value


def limits_in(values: Mapping[str, Any]) -> dict[str, int]:
    """Return the limits that are given, with 0 for one that means none."""
    found = {}
    for name in LIMITS:
        tokens = whole(values, name)
        if tokens is not None and (tokens > 0 or name not in LEAST):
            found[name] = max(tokens, 0)
    return found


def limit_in(values: Mapping[str, Any], operation: str | None) -> int | None:
    """Return how long an answer may be at most, whichever engine answers; none if nobody knows."""
    found = limits_in(values)
    own = LIMITS_OF.get(operation or "", STANDARD_LIMITS)
    is_sure = any(name in found for name in own) and all(found.values())
    return max(found.values()) if is_sure else None


def choices_in(values: Mapping[str, Any]) -> int:
    """Return how many answers each prompt has, whichever engine answers."""
    return max(1, *[whole(values, name) or 1 for name in CHOICES])


def _check(name: str, value: Any) -> None:
    if value is None:
        return
    if name in LOGPROBS:
        _check_logprobs(name, value)
    elif name in CHOICES:
        _check_choices(name, whole({name: value}, name))
    elif name in LIMITS:
        whole({name: value}, name)
    elif name in HOLDERS:
        _check_inside(name, value)
    elif name in OTHERS:
        _check_others(name, value)
    elif name == "stream":
        flag({name: value}, name)


def _check_logprobs(name: str, value: Any) -> None:
    if isinstance(value, bool):
        return
    if not isinstance(value, int | float) or not 0 <= value <= LOGPROBS_MAX:
        raise Malformed("invalid_request", f"'{name}' must be from 0 to {LOGPROBS_MAX}.", name)


def _check_choices(name: str, value: int | None) -> None:
    if value is not None and value > CHOICES_MAX:
        raise Malformed("invalid_request", f"'{name}' must be {CHOICES_MAX} at most.", name)


def _check_others(name: str, value: Any) -> None:
    # The wish for nothing of the kind is fulfilled.
    if value is not False and value != -1:
        message = f"'{name}' can't be set: what an engine keeps of a request is for nobody else."
        raise Malformed("invalid_request", message, name)


def _check_inside(name: str, value: Any) -> None:
    members = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else members
    for key, inner in items:
        if isinstance(key, str) and key.casefold() in _NOT_INSIDE:
            message = f"'{key}' must stand on the top level of the body, not inside '{name}'."
            raise Malformed("invalid_request", message, f"{name}.{key}")
        _check_inside(name, inner)
