"""The chat engine: SmolLM2 on llama.cpp's own OpenAI server, as a process of its own.

    python -m xim.bundled.chat --port 8101 --model FILE.gguf --api-key-file FILE

What makes the small model presentable (a system line where the caller gave none,
temperature 0, repeat penalty 1.1) are defaults of this start-up: a caller's own values win,
and whatever stands in front passes requests on unchanged.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from xim.bundled import machine

UNAVAILABLE = 69
"""Exit code for "not on this machine": starting again would not help."""

NAME = "smollm2-135m-instruct"
CONTEXT_TOKENS = 8192
SLOTS = 4
"""Requests answered at once; each has a quarter of the context: 2,048 tokens."""

TEMPLATE = (
    "{% if messages[0]['role'] not in ['system', 'developer'] %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for message in messages %}"
    "<|im_start|>{{ 'system' if message['role'] == 'developer' else message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m xim.bundled.chat")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one and prints it")
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--api-key-file", type=Path, required=True)
    parser.add_argument("--name", default=NAME, help="what the model is called")
    parser.add_argument("--context", type=int, default=CONTEXT_TOKENS, help="of all slots together")
    parser.add_argument("--slots", type=int, default=SLOTS)
    parser.add_argument(
        "--as-it-is", action="store_true", help="the file's own template, and no defaults of ours"
    )
    parser.add_argument(
        "--leashed", action="store_true", help="end when standard input does: with the parent"
    )
    return parser.parse_args(argv)


def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    import xllamacpp  # noqa: PLC0415 - on a processor without AVX2 this line ends the process

    # Blocked before the engine starts its threads, which inherit this: only we wait for them.
    farewells = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, farewells)
    if options.leashed:
        threading.Thread(target=_end_with_the_parent, daemon=True).start()
    engine = xllamacpp.Server(_parameters(xllamacpp.CommonParams(), options))
    sys.stdout.write(f"{options.name} listens on {engine.listening_address}\n")
    sys.stdout.flush()
    signal.sigwait(farewells)


def _end_with_the_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _parameters(params: Any, options: argparse.Namespace) -> Any:
    params.model.path = str(options.model)
    params.model_alias = {options.name}
    params.hostnames = [options.host]
    params.port = options.port
    params.api_keys = [options.api_key_file.read_text().strip()]
    params.n_ctx, params.n_parallel = options.context, options.slots
    _forget(params)
    params.endpoint_metrics, params.ui, params.verbosity = True, False, -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = machine.spare_threads()
    if not options.as_it_is:
        params.chat_template = TEMPLATE
        params.sampling.temp = 0.0
        params.sampling.penalty_repeat = 1.1
    return params


def _forget(params: Any) -> None:
    """Reuse nothing of one request for another: they may be of different people.

    What is found in a cache is told by the time it takes and by ``cached_tokens``, so whoever
    guesses at another's prompt could learn it word by word.
    """
    params.cache_prompt = False
    params.cache_ram_mib = 0
    params.slot_prompt_similarity = 0.0
    params.n_ctx_checkpoints = 0


def main(argv: list[str] | None = None) -> int:
    """Check the machine and the weights, then serve."""
    options = arguments(argv)
    if not machine.has_avx2():
        sys.stderr.write("The chat model needs a processor with AVX2; this one has none.\n")
        return UNAVAILABLE
    if not options.model.is_file():
        sys.stderr.write(f"The chat model's weights are not at {options.model}.\n")
        return UNAVAILABLE
    serve(options)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Its threads may still be computing for callers who are gone; nothing is left to save.
    os._exit(code)
