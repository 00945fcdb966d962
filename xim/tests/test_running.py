"""What is guarded: ``xim run`` as people run it: a process that serves, tells, renews and ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack
import pytest

from scripted_gateway import ASSIGN, DRAIN, TOKEN, Gateway, Peer, frame
from scripted_platform import JOIN_KEY, Platform, platform
from test_link import ask, mark
from xim.bundled import machine
from xim.cli.main import main
from xim.faults import DONE, NO_FOLDER, NOT_ENROLLED, REVOKED, UNREACHABLE, USAGE
from xim.link.frames import Code
from xim.web.call import Address, fetch

pytestmark = [pytest.mark.anyio, pytest.mark.slow]  # each starts an interpreter or two

SOURCES = Path(__file__).parents[1] / "src"


@dataclass
class Machine:
    """A running xim, its gateway and its platform."""

    process: asyncio.subprocess.Process
    gateway: Gateway
    platform: Platform
    home: Path
    log: list[str] = field(default_factory=list)

    async def said(self, pattern: str) -> re.Match[str]:
        """Wait for a line of its log."""
        async with asyncio.timeout(60):
            while True:
                for line in self.log:
                    if (found := re.search(pattern, line)) is not None:
                        return found
                await asyncio.sleep(0.02)

    async def listen(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line.decode())

    async def ended(self) -> int:
        async with asyncio.timeout(60):
            return await self.process.wait()


def environment() -> dict[str, str]:
    return {"PYTHONPATH": str(SOURCES), "PATH": os.environ["PATH"]}  # noqa: TID251


async def xim(*argv: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "xim", *argv),
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def told(*argv: str) -> tuple[int, str, str]:
    process = await xim(*argv)
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def machine_of(home: Path, *argv: str, life_s: int = 3600) -> AsyncIterator[Machine]:
    gateway = Gateway()
    engine = argv or ("--engine", "sim", "--sim-scale", "0.05")
    with platform() as there:
        there.life_s = life_s
        async with gateway.open():
            there.tunnel = gateway.address
            asked = ["enroll", "--url", there.url, "--join-key", JOIN_KEY, "--state", str(home)]
            assert await asyncio.to_thread(main, asked, {}) == DONE
            process = await xim("run", "--state", str(home), *engine)
            made = Machine(process, gateway, there, home)
            async with asyncio.TaskGroup() as group:
                group.create_task(made.listen())
                try:
                    yield made
                finally:
                    if process.returncode is None:
                        process.kill()
                    await process.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def served(peer: Peer, text: str, **more: Any) -> str:
    answer = await peer.over(await peer.open(ask(text, max_tokens=20, **more)))
    assert answer.ended, answer
    return answer.body.decode()


async def test_enrolled_machine_serves_and_tells_how_it_is_doing(tmp_path: Path) -> None:
    async with machine_of(tmp_path, "--engine", "sim", "--metrics-port", "0") as made:
        peer = await made.gateway.link()
        assert mark("hello") in await served(peer, "hello")
        code, out, _ = await told("status", "--state", str(tmp_path))
        _, as_json, _ = await told("status", "--json", "--state", str(tmp_path))
        port = int((await made.said(r"metrics http://127\.0\.0\.1:(\d+)"))[1])
        address = Address("127.0.0.1", port, "", is_secured=False)
        _, metrics = await fetch(address, "/metrics", most=1 << 16)

    assert code == DONE
    assert "links      1 live; live" in out
    assert "model      sim: ready" in out
    assert json.loads(as_json)["requests"] == 0
    assert b"\nxim_links 1\n" in metrics
    assert b'\nxim_requests_total{ended="done"} 1\n' in metrics
    assert not any("Traceback" in line for line in made.log)


async def test_sigterm_finishes_what_runs_and_ends_with_0(tmp_path: Path) -> None:
    async with machine_of(tmp_path) as made:
        peer = await made.gateway.link()
        body = ask("slow", max_tokens=400, ignore_eos=True, stream=True)
        running = await peer.open(body)
        await peer.until(lambda: running.status == 200)
        made.process.send_signal(signal.SIGTERM)
        await peer.until(lambda: any(kind == DRAIN for kind, _ in peer.others))
        await peer.over(running)
        code = await made.ended()

    assert code == DONE
    assert running.ended
    assert running.body.endswith(b"data: [DONE]\n\n")
    assert peer.close_code == 1000
    assert not (tmp_path / "xim.sock").exists()


@pytest.mark.parametrize("how", ["twice", "grace"])
async def test_stop_that_is_urgent_does_not_wait_for_ever(tmp_path: Path, how: str) -> None:
    grace = "0.2" if how == "grace" else "600"
    async with machine_of(tmp_path, "--engine", "sim", "--grace", grace) as made:
        peer = await made.gateway.link()
        await peer.open(ask("x", model="sim-hang"))
        await peer.open(ask("x", model="sim-hang"))
        made.process.send_signal(signal.SIGTERM)
        await peer.until(lambda: any(kind == DRAIN for kind, _ in peer.others))
        if how == "twice":
            made.process.send_signal(signal.SIGTERM)
        assert await made.ended() == DONE


async def test_drain_waits_until_the_machine_has_stopped(tmp_path: Path) -> None:
    async with machine_of(tmp_path) as made:
        await made.gateway.link()
        code, out, _ = await told("drain", "--state", str(tmp_path))
        ended = await made.ended()

    assert (code, ended) == (DONE, DONE)
    assert out == "Draining; 0 requests still run.\nDone: xim has stopped.\n"


async def test_token_is_renewed_at_half_of_its_life_and_kept(tmp_path: Path) -> None:
    async with machine_of(tmp_path, life_s=2) as made:
        peer = await made.gateway.link()
        await peer.until(lambda: any(kind == TOKEN for kind, _ in peer.others))
        kept = json.loads((tmp_path / "enrollment.json").read_text())

    assert kept["token"] != "token-1"
    assert "/v1/enroll/refresh" in [path for path, _ in made.platform.asked]


async def test_platform_that_is_away_costs_no_link_and_is_asked_again(tmp_path: Path) -> None:
    async with machine_of(tmp_path, life_s=2) as made:
        made.platform.refusals += [(503, b"", {})] * 2
        peer = await made.gateway.link()
        await made.said("token not renewed yet")
        await peer.until(lambda: any(kind == TOKEN for kind, _ in peer.others))

    assert len(made.gateway.peers) == 1


async def test_revoked_machine_ends_with_77_and_one_sentence(tmp_path: Path) -> None:
    async with machine_of(tmp_path) as made:
        peer = await made.gateway.link()
        await peer.wire.close(4403)
        code = await made.ended()

    assert code == REVOKED
    assert made.log[-1].startswith("xim: the platform revoked this machine: enrol it anew")


async def test_machine_that_is_unknown_by_now_ends_with_77(tmp_path: Path) -> None:
    async with machine_of(tmp_path, life_s=2) as made:
        made.platform.refuse(404, "agent_unknown")
        code = await made.ended()

    assert code == REVOKED
    assert "does not know this machine" in made.log[-1]


async def test_gateway_that_is_away_is_one_clear_line_with_what_comes_next(tmp_path: Path) -> None:
    async with machine_of(tmp_path) as made:
        peer = await made.gateway.link()
        made.gateway.refuses = 1013
        await peer.wire.close(1012)
        said = await made.said(r"WARNING (.*overloaded; trying again in \d+\.\d s)")

    assert said[1].startswith("the gateway is overloaded")


async def test_machine_whose_engine_is_not_there_says_so_and_serves_once_it_is(
    tmp_path: Path,
) -> None:
    port = free_port()
    argv = ("--engine", "openai", "--engine-url", f"http://127.0.0.1:{port}/v1")
    async with machine_of(tmp_path, *argv) as made:
        peer = await made.gateway.link()
        refused = await peer.over(await peer.open(ask("x")))
        _, out, _ = await told("status", "--state", str(tmp_path))
        engine = await xim("sim", "--scale", "0.05", "--port", str(port))
        try:
            await peer.until(lambda: peer.states[-1]["models"])
            answer = await peer.over(await peer.open(ask("hello")))
        finally:
            engine.terminate()
            await engine.communicate()

    assert refused.reset is not None
    assert refused.reset[:2] == (Code.UNREACHABLE, True)
    assert re.search(r"^engine +openai .*127\.0\.0\.1", out, re.MULTILINE)
    assert mark("hello") in answer.body.decode()
    assert not any("Traceback" in line for line in made.log)


async def test_model_that_nobody_knows_is_refused_untouched_by_name(tmp_path: Path) -> None:
    async with machine_of(tmp_path) as made:
        peer = await made.gateway.link()
        refused = await peer.over(await peer.open(ask("x"), model="nobody"))
        served_after = await served(peer, "hello")

    assert refused.reset is not None
    assert refused.reset[:2] == (Code.UNKNOWN_MODEL, True)
    assert "nobody" in refused.reset[2]
    assert mark("hello") in served_after


async def test_two_of_one_folder_do_not_run(tmp_path: Path) -> None:
    async with machine_of(tmp_path) as made:
        await made.gateway.link()
        code, _, err = await told("run", "--engine", "sim", "--state", str(tmp_path))

    assert code == NO_FOLDER
    assert "Another xim runs" in err


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["run", "--engine", "sim"], NOT_ENROLLED, "not enrolled: xim enroll"),
        (["status"], NOT_ENROLLED, "not enrolled"),
        (["drain"], UNREACHABLE, "start it by xim run"),
        (["leave"], NOT_ENROLLED, "not enrolled"),
        (["run"], USAGE, "--engine openai needs --engine-url"),
        (["run", "--engine", "vllm", "--engine-url", "x"], USAGE, "--engine-url: x is no"),
        (["run", "--engine", "vllm", "--gguf", "x"], USAGE, "goes with --engine llamacpp"),
        (["run", "--engine", "llamacpp", "--gguf", "/no/file"], UNREACHABLE, "there is no file"),
        (["run", "--engine", "llamacpp", "--gguf", __file__], UNREACHABLE, "is no GGUF file"),
        (["run", "--engine", "sim", "--sim-faults", "boom"], USAGE, "--sim-faults: a fault is"),
        (["run", "--engine", "sim", "--metrics-port", "x"], USAGE, "--metrics-port takes a port"),
        (["run", "--engine", "sim", "--slots", "-1"], USAGE, "can't be negative"),
        (["run", "--engine", "sim", "--engine-key-file", "/no"], USAGE, "can't be read"),
        (["run", "--engine", "sim", "--engine-key-file", __file__], USAGE, "is no key"),
        (["sim", "--scale", "0"], USAGE, "a scale above 0"),
    ],
)
def test_what_can_not_work_is_one_sentence_and_a_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str], code: int, words: str
) -> None:
    said = {"XEROTIER_AGENT_STATE": str(tmp_path)}

    assert main(argv, said) == code
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_program_loads_nothing_that_its_own_install_does_not_bring() -> None:
    said = "import sys, xim.cli.main; print(*{name.partition('.')[0] for name in sys.modules})"
    argv = [sys.executable, "-c", said]
    done = subprocess.run(  # noqa: S603 - our own words
        argv, env=environment(), capture_output=True, text=True, check=True
    )

    ours = {"websockets", "msgpack", "h11", "cryptography", "xim"}
    others = {"numpy", "starlette", "uvicorn", "anyio", "django", "inference", "xllamacpp"}
    loaded = set(done.stdout.split())
    assert ours <= loaded
    assert not others & loaded


def test_help_lists_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"], {})

    listed = re.findall(r"^ +(\d+)  \w", capsys.readouterr().out, re.MULTILINE)
    assert listed == ["0", "1", "2", "65", "69", "73", "76", "77", "78"]


async def test_simulator_runs_alone_and_says_where(tmp_path: Path) -> None:
    process = await xim("sim", "--models", "tiny", "--scale", "0.05")
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
        address = Address.of(line.rpartition(" ")[2].strip())
        status, said = await fetch(address, "/v1/models", most=1 << 16)
    finally:
        process.terminate()
        await process.communicate()

    assert status == 200
    assert json.loads(said)["data"][0]["id"] == "tiny"


@pytest.mark.skipif(not machine.has_avx2(), reason="The chat engine needs AVX2.")
async def test_file_of_a_model_is_all_it_takes(tmp_path: Path, chat_weights: Path) -> None:
    argv = ("--engine", "llamacpp", "--gguf", str(chat_weights), "--context", "512")
    async with machine_of(tmp_path, *argv, "--slots", "2", "--model-name", "smol") as made:
        peer = await made.gateway.link()
        await peer.until(lambda: peer.states[-1]["models"])
        model = peer.states[-1]["models"][0]
        body = {"model": "smol", "messages": [{"role": "user", "content": "Paris is"}]}
        answer = await peer.open(json.dumps(body | {"max_tokens": 4}).encode(), model="smol")
        await peer.over(answer)
        made.process.kill()
        await made.ended()
        await no_engine_of(chat_weights)

    assert (model["name"], model["status"], model["context"]) == ("smol", "ready", 512)
    assert answer.status == 200
    assert json.loads(answer.body)["choices"][0]["message"]["content"]


async def no_engine_of(weights: Path) -> None:
    """Wait until no process of ours has this file: a killed xim leaves no engine behind."""

    def running() -> bool:
        argv = ["pgrep", "-f", f"xim.bundled.chat --as-it-is.*{weights}"]
        return subprocess.run(argv, check=False, capture_output=True).returncode == 0  # noqa: S603

    async with asyncio.timeout(60):
        while running():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_machine_that_its_owner_drains_by_page_finishes_and_ends_well(tmp_path: Path) -> None:
    async with machine_of(tmp_path) as made:
        peer = await made.gateway.link()
        said = {"version": 2, "state": "draining", "models": [], "gateways": 1}
        await peer.send(frame(ASSIGN, msgpack.packb(said)))
        code = await made.ended()

    assert code == DONE
    assert made.gateway.dials == 1
