"""A small authorization server: OpenID Connect, and GitHub's own shape, on one loopback port.

It holds a client to the rules: exact redirect address, secret, PKCE, codes that work once.
What it says about a person is up to the test, lies included.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "our-client", "a-client-secret-nobody-may-read"
LIFE_S = 300


@dataclass
class Face:
    """How the provider knows a person."""

    sub: str = "1001"
    email: str = "ada@example.com"
    verified: Any = True
    name: str = "Ada Lovelace"


@dataclass
class Provider:
    """The server's mind: who is at the keyboard, and what it was told to say wrongly."""

    face: Face = field(default_factory=Face)
    claims: dict[str, Any] = field(default_factory=dict)
    asks: bool = False
    url: str = ""
    redirects: tuple[str, ...] = ()
    key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, Face] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def consent(self, query: dict[str, str]) -> str | None:
        """Return where to send the person back to, with a code; ``None`` for a bad request."""
        back = query.get("redirect_uri", "")
        if query.get("client_id") != CLIENT or urlsplit(back).path not in self.redirects:
            self.refused.append(f"authorize {back}")
            return None
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return f"{back}?{urlencode({'code': code, 'state': query.get('state', '')})}"

    def token(self, form: dict[str, str]) -> dict[str, Any] | None:
        """Return what a code is worth, once; ``None`` if the client broke a rule."""
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or not self._is_ours(form, asked):
            self.refused.append("token")
            return None
        access = secrets.token_urlsafe(16)
        self.tokens[access] = self.face
        return {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": LIFE_S,
            "id_token": self._id_token(asked),
        }

    def _is_ours(self, form: dict[str, str], asked: dict[str, str]) -> bool:
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return (
            form.get("client_id") == CLIENT
            and form.get("client_secret") == SECRET
            and form.get("redirect_uri") == asked["redirect_uri"]
            and asked.get("code_challenge") == challenge
        )

    def _id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + LIFE_S}
        claims |= self.person(self.face) | self.claims
        if "nonce" in asked:
            claims["nonce"] = asked["nonce"]
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": "1"})

    @staticmethod
    def person(face: Face) -> dict[str, Any]:
        """Return a person in OpenID's words."""
        return {
            "sub": face.sub,
            "email": face.email,
            "email_verified": face.verified,
            "name": face.name,
        }

    def configuration(self) -> dict[str, Any]:
        """Return what ``/.well-known/openid-configuration`` says."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def keys(self) -> dict[str, Any]:
        """Return the public keys."""
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": "1", "alg": "RS256", "use": "sig"}]}


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, self._fields(urlsplit(self.path).query)
        if path in {"/authorize", "/login/oauth/authorize"}:
            self._authorize(query)
        elif path == "/.well-known/openid-configuration":
            self._json(self.provider.configuration())
        elif path == "/jwks":
            self._json(self.provider.keys())
        elif path == "/favicon.ico":
            self._answer(204, b"", "image/x-icon")
        else:
            self._about(path)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        path = urlsplit(self.path).path
        if path in {"/token", "/login/oauth/access_token"}:
            granted = self.provider.token(self._fields(body))
            self._json(granted or {"error": "invalid_grant"}, 200 if granted else 400)
        else:
            self._go(self.provider.consent(self._fields(urlsplit(self.path).query)))

    def _authorize(self, query: dict[str, str]) -> None:
        if not self.provider.asks:
            self._go(self.provider.consent(query))
            return
        page = (
            "<!doctype html><title>Another site</title>"
            f'<form method="post" action="{html.escape(self.path)}">'
            f"<button>Continue as {html.escape(self.provider.face.name)}</button></form>"
        )
        self._answer(200, page.encode(), "text/html; charset=utf-8")

    def _about(self, path: str) -> None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        face = self.provider.tokens.get(token)
        if face is None or scheme.lower() not in {"bearer", "token"}:
            self._json({"message": "Bad credentials"}, 401)
        elif path == "/userinfo":
            self._json(self.provider.person(face))
        elif path == "/api/v3/user":
            self._json({"id": int(face.sub), "login": "ada", "name": face.name, "email": None})
        elif path == "/api/v3/user/emails":
            self._json([{"email": face.email, "primary": True, "verified": face.verified}])
        else:
            self._json({"message": "Not Found"}, 404)

    @staticmethod
    def _fields(text: str) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(text).items()}

    def _go(self, target: str | None) -> None:
        if target is None:
            self._json({"error": "invalid_request"}, 400)
            return
        self.send_response(302)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, said: Any, status: int = 200) -> None:
        self._answer(status, json.dumps(said).encode(), "application/json")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Keep quiet."""


@contextmanager
def running(*redirects: str) -> Iterator[Provider]:
    """Serve a provider that sends people back to these paths only."""
    provider = Provider(redirects=redirects)
    handler = type("Handler", (_Handler,), {"provider": provider})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        provider.url = f"http://127.0.0.1:{server.server_port}"
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        try:
            yield provider
        finally:
            server.shutdown()
            serving.join()
