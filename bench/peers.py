"""Other people's gateways: how they are installed and started, each with nothing switched on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.machine import BUILD

VLLM_ROUTER = "vllm-router==0.1.17"
LITELLM = "litellm[proxy]"
KEYS = 10_000
"""Keys in nginx's map: what a small platform has."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A gateway made by others. ``command`` is told where it may write."""

    name: str
    url: str
    command: Callable[[Path], Sequence[str]]
    headers: Sequence[str] = ("Authorization: Bearer sk-bench-00507",)
    env: Mapping[str, str] = field(default_factory=dict)


def _nginx(logs: Path) -> list[str]:
    prefix = logs / "nginx"
    for folder in ("tmp", "logs"):
        (prefix / folder).mkdir(parents=True, exist_ok=True)
    config = prefix / "nginx.conf"
    keys = "\n".join(f'  "Bearer sk-bench-{n:05}" t{n % 500:05};' for n in range(KEYS))
    text = (Path(__file__).parent / "nginx.conf.in").read_text(encoding="utf-8")
    config.write_text(
        text.replace("@KEYS@", keys).replace("@PREFIX@", str(prefix)), encoding="utf-8"
    )
    return [_nginx_binary(), "-c", str(config), "-p", str(prefix)]


def _nginx_binary() -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        raise RuntimeError("nginx is not installed: apt-get install nginx-light")
    return found


def _vllm_router(_logs: Path) -> list[str]:
    command = [str(_venv("vllm-router", VLLM_ROUTER) / "vllm-router")]
    command += ["--worker-urls", "http://127.0.0.1:29100", "http://127.0.0.1:29101"]
    command += ["--policy", "round_robin", "--host", "127.0.0.1", "--port", "28204"]
    command += ["--prometheus-host", "127.0.0.1", "--prometheus-port", "28214"]
    return [*command, "--log-level", "error", "--max-concurrent-requests", "4096"]


def _litellm(logs: Path) -> list[str]:
    config = logs / "litellm.yaml"
    rows = "".join(
        f"  - model_name: mock\n    litellm_params: {{model: openai/mock, api_key: sk-up, "
        f"api_base: 'http://127.0.0.1:{port}/v1'}}\n"
        for port in (29100, 29101)
    )
    config.write_text(f"model_list:\n{rows}general_settings: {{master_key: sk-bench-00507}}\n")
    command = [str(_venv("litellm", LITELLM) / "litellm"), "--config", str(config)]
    return [*command, "--host", "127.0.0.1", "--port", "28208", "--telemetry", "False"]


def _venv(name: str, package: str) -> Path:
    """Install a peer into an environment of its own, once; return its folder of programs."""
    folder = BUILD / "venvs" / name
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "-q", package], check=True)
        (folder / "ready").touch()
    return folder / "bin"


PEERS = (
    Peer("nginx", "http://127.0.0.1:28202/t00007/chat/v1/chat/completions", _nginx),
    Peer("vllm-router", "http://127.0.0.1:28204/v1/chat/completions", _vllm_router),
    Peer(
        "litellm",
        "http://127.0.0.1:28208/v1/chat/completions",
        _litellm,
        env={
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "LITELLM_MODE": "PRODUCTION",
        },
    ),
)
