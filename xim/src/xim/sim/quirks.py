"""How engines differ in what they say, as far as a gateway must live with it; values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SERVER = 500


@dataclass(frozen=True, slots=True)
class Quirks:
    """An engine's ways."""

    name: str = "sim"
    says_cached: bool = True
    usage_twice: bool = False
    null_details: bool = False
    """``prompt_tokens_details: null``: not known, which is not none."""
    numeric_code: bool = False
    late_refusals: bool = False
    """A streamed prompt that is too long gets 200, and an error as its first event."""
    computes_on: bool = False
    """Goes on for a caller of a plain answer who has left."""
    timings: bool = False
    any_model: bool = False
    queue: int | None = None
    sequences: int | None = None
    gauges: tuple[str, str, str, str] | None = (
        "vllm:num_requests_running",
        "vllm:num_requests_waiting",
        "vllm:kv_cache_usage_perc",
        "vllm:generation_tokens_total",
    )


QUIRKS = {
    "sim": Quirks(),
    "vllm": Quirks(
        "vllm", says_cached=False, usage_twice=True, null_details=True, numeric_code=True
    ),
    "sglang": Quirks(
        "sglang",
        says_cached=False,
        numeric_code=True,
        late_refusals=True,
        computes_on=True,
        gauges=(
            "sglang:num_running_reqs",
            "sglang:num_queue_reqs",
            "sglang:token_usage",
            "sglang:generation_tokens_total",
        ),
    ),
    "llamacpp": Quirks(
        "llamacpp",
        numeric_code=True,
        computes_on=True,
        timings=True,
        any_model=True,
        sequences=4,
        gauges=(
            "llamacpp:requests_processing",
            "llamacpp:requests_deferred",
            "",
            "llamacpp:tokens_predicted_total",
        ),
    ),
    "ollama": Quirks("ollama", says_cached=False, queue=512, sequences=1, gauges=None),
}


def error_of(quirks: Quirks, status: int, message: str, code: str) -> dict[str, Any]:
    """Return an error as this engine words it."""
    if quirks.name == "llamacpp" and code == "context_length_exceeded":
        kind = "exceed_context_size_error"
    else:
        kind = "invalid_request_error" if status < SERVER else "server_error"
    said: int | str = status if quirks.numeric_code else code
    return {"error": {"message": message, "type": kind, "param": None, "code": said}}
