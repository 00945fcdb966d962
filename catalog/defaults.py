"""The tiers and models a new platform starts with. Operators may change all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GB = 10**9


@dataclass(frozen=True, slots=True)
class ShippedTier:
    """A tier and its first terms. Prices are micro-units of the currency (1,000,000 = $1)."""

    slug: str
    name: str
    summary: str
    numbers: Mapping[str, Any]
    is_preemptible: bool = False
    is_self_hosted: bool = False
    accelerator: str = ""


def _paid(price: int, tokens: int, requests: int, concurrent: int, priority: int) -> dict[str, Any]:
    return {
        "price_per_million": price,
        "tokens_per_min": tokens,
        "requests_per_min": requests,
        "concurrent": concurrent,
        "request_timeout_s": 300,
        "idle_timeout_s": 600,
        "priority": priority,
    }


TIERS: tuple[ShippedTier, ...] = (
    ShippedTier(
        "free",
        "Free",
        "To try things out: small models, shared machines, may be preempted.",
        {
            "tokens_per_min": 10_000,
            "requests_per_min": 64,
            "max_model_bytes": 48 * GB,
            "monthly_tokens": 100_000,
            "max_endpoints": 2,
            "max_models": 2,
            "concurrent": 5,
            "request_timeout_s": 30,
            "idle_timeout_s": 120,
            "priority": 10,
        },
        is_preemptible=True,
    ),
    ShippedTier(
        "cpu_amd_optimized",
        "CPU, AMD",
        "Shared AMD machines without accelerators.",
        _paid(500_000, 100_000, 128, 20, 20),
    ),
    ShippedTier(
        "cpu_intel_optimized",
        "CPU, Intel",
        "Shared Intel machines without accelerators.",
        _paid(500_000, 100_000, 128, 20, 20),
    ),
    ShippedTier(
        "gpu_nvidia_shared",
        "GPU, NVIDIA",
        "Shared NVIDIA accelerators.",
        _paid(1_250_000, 500_000, 256, 50, 25),
        accelerator="cuda",
    ),
    ShippedTier(
        "gpu_amd_shared",
        "GPU, AMD",
        "Shared AMD accelerators.",
        _paid(1_000_000, 500_000, 256, 50, 25),
        accelerator="rocm",
    ),
    ShippedTier(
        "gpu_intel_shared",
        "GPU, Intel",
        "Shared Intel accelerators.",
        _paid(1_000_000, 500_000, 256, 50, 25),
        accelerator="xpu",
    ),
    ShippedTier(
        "self_hosted",
        "Self-hosted",
        "Your own machines, joined with a key; billed by agent-hour.",
        {
            "price_per_agent_hour": 27_400,
            "max_model_bytes": 512 * GB,
            "concurrent": 100,
            "request_timeout_s": 1800,
            "idle_timeout_s": 3600,
            "priority": 30,
        },
        is_self_hosted=True,
    ),
)

MODELS: dict[str, dict[str, Any]] = {
    "smollm2-135m-instruct": {
        "title": "SmolLM2 135M Instruct",
        "summary": "A tiny chat model that runs on any processor. For trying the platform out.",
        "card": (
            "A **demo model**: 135 million parameters, quantised to 4 bits, served by "
            "llama.cpp on this machine's processor.\n\n"
            "- It gets simple facts right about three times in four; don't rely on it.\n"
            "- Tools and JSON schemas are ignored.\n"
            "- 2,048 tokens of context (8,192 shared by four slots).\n"
            "- Its engine's own defaults are temperature 0, repeat penalty 1.1 and the system "
            "line “You are a helpful assistant.”\n\n"
            "By Hugging Face, Apache-2.0."
        ),
        "task": "generate",
        "family": "SmolLM2",
        "licence": "Apache-2.0",
        "parameters": "135M",
        "size_bytes": 98_000_000,
        "context_length": 2048,
        "formats": ["gguf"],
        "tags": ["chat", "demo", "cpu"],
        "capabilities": ["chat", "completions", "streaming"],
    },
    "all-minilm-l6-v2": {
        "title": "all-MiniLM-L6-v2",
        "summary": "Sentence embeddings in 384 dimensions, fast on any processor.",
        "card": (
            "Sentence embeddings, 384 dimensions, int8 ONNX, served on this machine's "
            "processor.\n\n"
            "- 256 word pieces of each input are read; the rest is cut off.\n"
            "- `/score` and `/rerank` answer with **bi-encoder similarity** (the cosine of two "
            "embeddings), not with a cross-encoder's judgement.\n\n"
            "By sentence-transformers, Apache-2.0."
        ),
        "task": "embed",
        "family": "MiniLM",
        "licence": "Apache-2.0",
        "parameters": "22M",
        "size_bytes": 23_000_000,
        "context_length": 256,
        "dimensions": 384,
        "formats": ["onnx"],
        "tags": ["embeddings", "demo", "cpu"],
        "capabilities": ["embeddings", "score", "rerank"],
    },
}
