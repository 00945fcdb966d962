"""What is guarded: both engines answer as processes, and stop when asked."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import openai
import pytest

from xim.bundled import chat, machine
from xim_fixtures import KEY, running

ENDS_WITHIN_S = 10
"""Though a client's connection is open. Most of it is for a machine that has other work."""


@pytest.mark.slow  # loads 98 MB of weights and reads a prompt
# The engine's wheel is compiled for AVX2 and would end with an illegal instruction without it;
# finding out that it is missing is tested below everywhere.
@pytest.mark.skipif(not machine.has_avx2(), reason="The chat engine needs AVX2.")
def test_real_chat_model_knows_the_capital_of_france(chat_weights: Path, key_file: Path) -> None:
    argv = ["xim.bundled.chat", "--model", str(chat_weights), "--api-key-file", str(key_file)]
    address = ""

    def is_up(line: str) -> bool:
        nonlocal address
        address = line.rpartition(" ")[2].strip()
        return "listens on" in line

    with running(argv, is_up) as engine:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0, timeout=60)
        answer = client.chat.completions.create(
            model="any",
            messages=[{"role": "user", "content": "What is the capital of France?"}],
            max_tokens=16,
        )
        again = [
            client.chat.completions.create(
                model="any",
                messages=[{"role": "user", "content": "What is the capital of France?"}],
                max_tokens=1,
            )
            for _ in range(2)
        ]
        engine.terminate()
        engine.wait(ENDS_WITHIN_S)

    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.model == chat.NAME
    # Nobody learns by what is cached what somebody else has asked.
    for one in again:
        assert one.usage is not None
        details = one.usage.prompt_tokens_details
        assert details is None or not details.cached_tokens
    assert engine.returncode == 0


@pytest.mark.slow  # loads its model
def test_real_embedding_engine_answers_the_official_sdk(tokenizer: Path, key_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    argv = [sys.executable, "-m", "xim.bundled.embed", f"--port={port}", f"--tokenizer={tokenizer}"]
    engine = subprocess.Popen([*argv, f"--api-key-file={key_file}"])  # noqa: S603
    try:
        wait_for(f"http://127.0.0.1:{port}/health", engine)
        client = openai.OpenAI(
            base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, max_retries=0, timeout=60
        )
        answer = client.embeddings.create(model="any", input=["one", "two"])
    finally:
        engine.terminate()
        engine.wait(5)

    assert [len(row.embedding) for row in answer.data] == [384, 384]


def wait_for(url: str, engine: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert engine.poll() is None
        try:
            httpx2.get(url)
        except httpx2.ConnectError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("The engine did not come up.")


def test_processor_without_avx2_is_found_out(tmp_path: Path) -> None:
    cpu_file = tmp_path / "cpuinfo"
    cpu_file.write_text("processor : 0\nflags : fpu sse4_2 avx\n")

    assert not machine.has_avx2("x86_64", cpu_file)
    assert machine.has_avx2("aarch64", cpu_file)


def test_chat_engine_says_what_it_misses(
    tmp_path: Path, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--model", str(tmp_path / "none.gguf"), "--api-key-file", str(key_file)]

    assert chat.main(argv) == chat.UNAVAILABLE
    assert "weights are not at" in capsys.readouterr().err


def test_chat_engine_refuses_a_machine_without_avx2(
    monkeypatch: pytest.MonkeyPatch, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "has_avx2", lambda: False)

    assert chat.main(["--model", "any", "--api-key-file", str(key_file)]) == chat.UNAVAILABLE
    assert "AVX2" in capsys.readouterr().err
