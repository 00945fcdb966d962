"""How many tokens engines would generate for a body, as their sources have it. Plain on purpose:
none of it knows what the gateway reads. A body that an engine refuses generates nothing."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]


def number(value: Any) -> int | None:
    """Read a number as C++ and Go do: nothing else is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value)


def prompts(body: Body) -> int:
    """Count the prompts of a completion."""
    given = body.get("prompt")
    is_list = isinstance(given, list) and bool(given) and not isinstance(given[0], int)
    return len(given) if is_list and isinstance(given, list) else 1


def llama_cpp(body: Body, operation: str, context: int) -> int:
    """``n_predict`` beats all others, -1 is the window; ``n_cmpl`` beats ``n``."""
    names = ["n_predict", "max_completion_tokens", "max_tokens"]
    if operation == "responses" and number(body.get("max_output_tokens")) is not None:
        names.append("max_output_tokens")
    limits = [number(body.get(name)) for name in names]
    limit = next((one for one in limits if one is not None), -1)
    answers = number(body.get("n_cmpl")) or number(body.get("n")) or 1
    each = context if limit < 0 else min(limit, context)
    return max(answers, 1) * each * prompts(body)


def vllm(body: Body, operation: str, context: int) -> int:
    """It refuses what is out of range, and knows no name but OpenAI's and ``min_tokens``."""
    names = {
        "chat/completions": ("max_completion_tokens", "max_tokens"),
        "completions": ("max_tokens",),
        "responses": ("max_output_tokens",),
    }[operation]
    limits = [body[name] for name in names if body.get(name) is not None]
    limit = limits[0] if limits else context
    answers, least = body.get("n") or 1, body.get("min_tokens") or 0
    if not all(isinstance(given, int | float) for given in (limit, answers, least)):
        return 0
    if limit < 1 or limit > context or answers < 1 or least > limit:
        return 0
    width = number(body.get("beam_width")) or number(body.get("best_of")) or 1
    return int(max(answers, width) * limit) * prompts(body)


def ollama(body: Body, operation: str, context: int) -> int:
    """Go's JSON: names in any case, the last one counts. Only ``max_tokens`` is a limit.

    Newer releases take ``max_completion_tokens``, too; of older ones ADR 0019 tells.
    """
    known = {"max_tokens", "max_completion_tokens", "max_output_tokens"}
    own = {"responses": "max_output_tokens"}.get(operation, "max_tokens")
    read: Body = {}
    for name, value in body.items():
        if name.casefold() in known:
            read[name.casefold()] = value
    limit = read.get(own)
    if limit is None and operation == "chat/completions":
        limit = read.get("max_completion_tokens")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
        return 0
    if isinstance(body.get("prompt"), list):
        return 0
    return context if limit is None or limit < 1 else min(limit, context)


def ollama_like(body: Body, operation: str, context: int) -> int:
    """Fronts that open ``options`` and take their own names there or on top."""
    options = body.get("options") if isinstance(body.get("options"), dict) else {}
    merged = {**body, **(options or {})}
    limit = number(merged.get("num_predict"))
    if limit is None:
        return ollama(body, operation, context)
    return context if limit < 0 else min(limit, context)


def tgi(body: Body, operation: str, context: int) -> int:
    """``max_new_tokens`` on top, where a front passes it on; else OpenAI's."""
    limit = number(body.get("max_new_tokens"))
    if limit is not None:
        return context if limit < 1 else min(limit, context) * max(number(body.get("n")) or 1, 1)
    return ollama(body, operation, context)


ENGINES = (llama_cpp, vllm, ollama, ollama_like, tgi)
