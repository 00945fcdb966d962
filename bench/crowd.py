"""The four crowds of ``bench.availability``: each a bounded flood that stops when it is told.

A crowd is a process of its own, as it would be elsewhere: what it costs to make its requests must
not be what the steady caller waits for, so it has the lowest priority there is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from typing import Protocol
from urllib.parse import urlencode

from bench.scene import Scene
from inference.contracts.keys import BASE62, checksum

Flood = Callable[[Scene, asyncio.Event], Awaitable[int]]


class _Head(Protocol):
    """Makes a request's bytes; asked anew for each, so that no two need be alike."""

    def __call__(self) -> bytes: ...


DEAR_BODY = b'{"model":"x","\\u0061":1,' + b'"a":1,' * (250 * 1024 // 6) + b'"z":'
"""Many members, an escape in a name, and no end: dear to read, and no request at all (S4)."""


async def dear_bodies(scene: Scene, ending: asyncio.Event) -> int:
    """Eight connections of another endpoint's key, each at once again."""
    head = scene.inference_head(scene.other_path, len(DEAR_BODY))
    return await _loops(scene, ending, 8, lambda: head + DEAR_BODY)


async def leak_reports(scene: Scene, ending: asyncio.Event) -> int:
    """Twelve unsigned reports at a time, a thousand well-formed keys in each (S5)."""

    def report() -> bytes:
        found = [{"token": _key(), "type": "x", "url": "u", "source": "s"} for _ in range(1000)]
        return scene.request("POST", "/api/key-scanning/report", json.dumps(found).encode())

    reports = [report() for _ in range(4)]
    return await _loops(scene, ending, 12, lambda: secrets.choice(reports))


async def sign_ins(scene: Scene, ending: asyncio.Event) -> int:
    """Sixteen sign-ins at a time by people nobody knows (S14)."""
    cookie, token = await _form(scene, "/auth/login")

    def attempt() -> bytes:
        who = f"nobody-{secrets.token_hex(4)}@example.net"
        form = {"csrfmiddlewaretoken": token, "login": who, "password": "not the password"}
        return scene.request(
            "POST",
            "/auth/login",
            urlencode(form).encode(),
            f"Cookie: {cookie}\r\nReferer: {scene.url}/auth/login\r\n",
            "application/x-www-form-urlencoded",
        )

    return await _loops(scene, ending, 16, attempt)


async def descriptions(scene: Scene, ending: asyncio.Event) -> int:
    """Twelve loops that read the API's description (S15)."""
    asked = scene.request("GET", "/api/openapi.json")
    return await _loops(scene, ending, 12, lambda: asked)


FLOODS: dict[str, Flood] = {
    "bodies": dear_bodies,
    "reports": leak_reports,
    "sign-ins": sign_ins,
    "openapi": descriptions,
}


@contextlib.contextmanager
def gathered(name: str, scene: Scene) -> Iterator[Callable[[], int]]:
    """Let a crowd loose; yield what ends it and says how many requests it sent."""
    command = [sys.executable, "-m", "bench.crowd", name, json.dumps(asdict(scene))]
    crowd = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def disperse() -> int:
        crowd.send_signal(signal.SIGTERM)
        said, _ = crowd.communicate(timeout=60)
        return int(said)

    try:
        yield disperse
    finally:
        crowd.kill()
        crowd.wait()


async def _be(name: str, scene: Scene) -> int:
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    return await FLOODS[name](scene, ending)


async def _loops(scene: Scene, ending: asyncio.Event, count: int, make: _Head) -> int:
    async def loop() -> int:
        sent = 0
        while not ending.is_set():
            try:
                reader, writer = await scene.connect()
                while not ending.is_set():
                    writer.write(make())
                    sent += 1
                    if not await scene.take(reader):
                        break
                writer.close()
            except (OSError, EOFError, ValueError):
                await asyncio.sleep(0.01)
        return sent

    return sum(await asyncio.gather(*(loop() for _ in range(count))))


async def _form(scene: Scene, path: str) -> tuple[str, str]:
    reader, writer = await scene.connect()
    writer.write(scene.request("GET", path))
    head, body = await scene.read(reader)
    writer.close()
    cookie = re.search(rb"(?i)set-cookie: ((?:__Host-)?csrftoken=[^;]+)", head)
    token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', body)
    if cookie is None or token is None:
        raise RuntimeError("The sign-in page has no form.")
    return cookie[1].decode(), token[1].decode()


def _key() -> str:
    text = "xero_bench_" + "".join(secrets.choice(BASE62) for _ in range(43))
    return text + checksum(text)


if __name__ == "__main__":
    os.nice(19)
    print(asyncio.run(_be(sys.argv[1], Scene(**json.loads(sys.argv[2])))))
