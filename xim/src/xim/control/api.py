"""Asking the control plane: JSON there and back, each refusal one sentence that says what to do."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from xim import __version__
from xim.faults import REFUSED, REVOKED, UNREACHABLE, Stop
from xim.identity import LEAVE, REFRESH, Identity, text_of

PATIENCE_S = 20.0
OURS = 500
"""From here on a status is the platform's own fault, and may pass."""
ANSWER_MAX = 1 << 20
"""Nothing that is asked here has a longer answer."""

JOIN_PAGE = "make another on the project's page of machines"
ANEW = "enrol it anew (xim leave, then xim enroll)"
ADVICE: dict[str, tuple[str, int]] = {
    "join_key_invalid": (
        f"The platform does not know this join key: compare it and the address, or {JOIN_PAGE}.",
        REFUSED,
    ),
    "join_key_expired": (f"The join key has expired: {JOIN_PAGE}.", REFUSED),
    "join_key_revoked": (f"The join key was revoked: {JOIN_PAGE}.", REFUSED),
    "join_key_used_up": (f"The join key was used as often as it may be: {JOIN_PAGE}.", REFUSED),
    "name_taken": ("Another machine has this name: choose another by --name.", REFUSED),
    "agent_revoked": (
        f"The platform revoked this machine: {ANEW} if its owner wants it back.",
        REVOKED,
    ),
    "agent_unknown": (
        f"The platform does not know this machine: {ANEW}.",
        REVOKED,
    ),
    "signature_invalid": (
        f"The platform does not accept this machine's key: {ANEW}.",
        REFUSED,
    ),
    "clock_off": ("This machine's clock is off: set it (timedatectl), then try again.", REFUSED),
}


class Unreachable(Stop):
    """No answer, or none of a platform: trying again may help."""

    def __init__(self, sentence: str, after_s: float = 0.0) -> None:
        super().__init__(sentence, UNREACHABLE)
        self.after_s = after_s


class Refused(Stop):
    """The platform's own no, with its code and its error."""

    def __init__(self, sentence: str, exit_code: int, error: dict[str, Any]) -> None:
        super().__init__(sentence, exit_code)
        self.error = error


def joining(identity: Identity, join_key: str, name: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what a machine says that wants to join."""
    said: dict[str, Any] = {
        "join_key": join_key,
        "public_key": text_of(identity.public),
        "proof": text_of(identity.proof(join_key)),
        "xim_version": __version__,
        "facts": facts,
    }
    return said | ({"name": name} if name else {})


class Platform:
    """The control plane at an address."""

    def __init__(self, url: str, trust: ssl.SSLContext, now: Callable[[], float]) -> None:
        self.url = url
        self._now = now
        # Proxies are those of the environment: https_proxy, no_proxy.
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=trust), _Stay()
        )
        self._ahead_s = 0.0

    def enroll(
        self, identity: Identity, join_key: str, name: str, facts: dict[str, Any]
    ) -> dict[str, Any]:
        """Join; the same machine with the same key joins once, however often it asks."""
        return self._post("/v1/enroll", joining(identity, join_key, name, facts))

    def refresh(self, identity: Identity, agent: str) -> dict[str, Any]:
        """Get a new token."""
        return self._signed("/v1/enroll/refresh", REFRESH, identity, agent)

    def leave(self, identity: Identity, agent: str) -> None:
        """Retire the machine."""
        self._signed("/v1/enroll/leave", LEAVE, identity, agent)

    def _signed(self, path: str, label: bytes, identity: Identity, agent: str) -> dict[str, Any]:
        try:
            return self._post(path, self._proved(label, identity, agent))
        except Refused as refusal:
            there = refusal.error.get("server_time")
            if refusal.error.get("code") != "clock_off" or not isinstance(there, int | float):
                raise
            # Once, by the platform's clock: a wrong clock here is no reason to be locked out.
            self._ahead_s = there - self._now()
            return self._post(path, self._proved(label, identity, agent))

    def _proved(self, label: bytes, identity: Identity, agent: str) -> dict[str, Any]:
        moment = self._now() + self._ahead_s
        return {
            "agent": agent,
            "public_key": text_of(identity.public),
            "time": moment,
            "signature": text_of(identity.signed(label, agent, moment)),
        }

    def _post(self, path: str, ask: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - http or https: read_url saw to it
            self.url + path,
            data=json.dumps(ask).encode(),
            headers={"Content-Type": "application/json", "User-Agent": f"xim/{__version__}"},
        )
        try:
            with self._opener.open(request, timeout=PATIENCE_S) as answer:
                return self._read(answer.status, answer.read(ANSWER_MAX))
        except urllib.error.HTTPError as answer:
            with answer:
                raise self._refusal(answer) from None
        except (OSError, http.client.HTTPException) as fault:
            reason = getattr(fault, "reason", None) or fault
            raise Unreachable(f"{self.url} can't be reached: {_words(reason)}.") from fault

    def _read(self, status: int, text: bytes) -> dict[str, Any]:
        if status == http.HTTPStatus.NO_CONTENT:
            return {}
        content = _json(text)
        if content is None:
            raise Unreachable(f"{self.url} answers, but not as Xerotier does: is it right?")
        return content

    def _refusal(self, answer: urllib.error.HTTPError) -> Stop:
        content = _json(answer.read(ANSWER_MAX)) or {}
        error = content.get("error")
        if not isinstance(error, dict):
            sentence = f"{self.url} answers {answer.code}, but not as Xerotier does"
            return Unreachable(f"{sentence}: is the address right?")
        said = str(error.get("message") or answer.reason)
        if answer.code == http.HTTPStatus.TOO_MANY_REQUESTS or answer.code >= OURS:
            return Unreachable(f"The platform asks for patience: {said}", _after(answer))
        advice, code = ADVICE.get(
            str(error.get("code")), (f"The platform refused: {said}", REFUSED)
        )
        return Refused(advice, code, error)


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: a join key goes where it was told to go, or nowhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _json(text: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _after(answer: urllib.error.HTTPError) -> float:
    given = answer.headers.get("Retry-After", "")
    return float(min(int(given), 3600)) if given.isdigit() else 0.0


def _words(reason: object) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({reason.verify_message}); "
            "for a private authority give --ca-sha256"
        )
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return str(words).rstrip(".")
