"""A control plane that does what a test says, written from the contract and not from xim's code."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

JOIN_KEY = "xjk_acme_0123456789abcdef"


def raw(text: str) -> bytes:
    assert "=" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Platform:
    """Enrols whoever shows ``JOIN_KEY`` and proves a key."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refusals: list[tuple[int, dict[str, Any] | bytes, dict[str, str]]] = []
        self.clock = time.time
        self.agents: dict[str, str] = {}
        self.tunnel = "ws://127.0.0.1:1/agents/v1/tunnel"
        self.life_s = 3600
        self.tokens = 0
        self.url = ""

    def refuse(self, status: int, code: str, **more: Any) -> None:
        """Have the next question refused."""
        error = {"message": f"No: {code}.", "type": "invalid_request_error", "code": code}
        self.refusals.append((status, {"error": {**error, "param": None, **more}}, {}))

    def answer(self, path: str, ask: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        self.asked.append((path, ask))
        if path == "/v1/enroll":
            return self._enrolled(ask)
        if path in {"/v1/enroll/refresh", "/v1/enroll/leave"}:
            return self._signed(path, ask)
        return 404, {"error": {"message": "Nothing here.", "code": "not_found"}}

    def _enrolled(self, ask: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        key = raw(ask["public_key"])
        said = b"xerotier-agent-enroll\0" + hashlib.sha256(ask["join_key"].encode()).digest()
        Ed25519PublicKey.from_public_bytes(key).verify(raw(ask["proof"]), said)
        if ask["join_key"] != JOIN_KEY:
            return 401, {"error": {"message": "Unknown.", "code": "join_key_invalid"}}
        is_known = ask["public_key"] in self.agents.values()
        self.agents["agt_1"] = ask["public_key"]
        return (200 if is_known else 201), {**self._token(ask.get("name")), "tunnel": self.tunnel}

    def _token(self, name: str | None = None) -> dict[str, Any]:
        self.tokens += 1
        now = self.clock()
        agent = {
            "id": "agt_1",
            "name": name or "calm-otter",
            "state": "active",
            "project": "proj_1",
        }
        token = f"token-{self.tokens}"
        times = {"expires_at": int(now + self.life_s), "server_time": now}
        return {"agent": agent, "token": token, **times}

    def _signed(self, path: str, ask: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        now = self.clock()
        if abs(ask["time"] - now) > 300:
            said = {"message": "Clock.", "code": "clock_off", "server_time": now}
            return 400, {"error": said}
        label = f"xerotier-agent-{path.rpartition('/')[2]}".encode()
        moment = str(int(ask["time"] * 1000)).encode()
        signed = label + b"\0" + ask["agent"].encode() + b"\0" + moment
        key = Ed25519PublicKey.from_public_bytes(raw(ask["public_key"]))
        try:
            key.verify(raw(ask["signature"]), signed)
        except InvalidSignature:
            return 401, {"error": {"message": "Signature.", "code": "signature_invalid"}}
        if self.agents.get(ask["agent"]) != ask["public_key"]:
            return 404, {"error": {"message": "Unknown.", "code": "agent_unknown"}}
        if path.endswith("leave"):
            del self.agents[ask["agent"]]
            return 204, None
        return 200, self._token()


@contextmanager
def platform() -> Generator[Platform]:
    """Listen on loopback."""
    made = Platform()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            lines: dict[str, str] = {}
            if made.refusals:
                made.asked.append((self.path, json.loads(body)))
                status, content, lines = made.refusals.pop(0)
                text = content if isinstance(content, bytes) else json.dumps(content).encode()
            else:
                status, said = made.answer(self.path, json.loads(body))
                text = b"" if said is None else json.dumps(said).encode()
            self.send_response(status)
            for name, value in lines.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
