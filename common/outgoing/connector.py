"""The one way to call an address that somebody typed.

A name is looked up once, every address it has must be allowed, and the call goes to one of
those: a name that answers otherwise a moment later gains nothing. No redirect is followed, no
proxy of the environment is used, and all of it has one deadline, however slowly it drips.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from inference.contracts import addresses
from inference.contracts.addresses import TRIED_MOST, Aim, Place, Reach

WAIT_S = 5.0
MOST_BYTES = 1024 * 1024
PORTS = {"http": 80, "https": 443}


class Unreachable(OSError):
    """There is no answer to be had; the words say why."""


class Refused(Unreachable):
    """A call would lead where none may go; the words say where, and what can be done."""


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask whom, and how long and how much of an answer to wait for."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    wait_s: float = WAIT_S
    most_bytes: int = MOST_BYTES


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered; of the body no more than the call asked for."""

    status: int
    body: bytes


def tenants_reach() -> Reach:
    """Return where people other than operators may call: what operators opened for all."""
    return Reach(addresses.networks(settings.OUTGOING_ALLOW))


def send(call: Call, reach: Reach) -> Answer:
    """Make a call to a public address, or to where ``reach`` allows it.

    Raises ``Unreachable``, with a sentence for whoever typed the address.
    """
    try:
        return _Caller(call, reach).answer()
    except Unreachable:
        raise
    except ssl.SSLCertVerificationError as fault:
        raise Unreachable(
            f"its certificate is not trusted ({fault.verify_message}): it needs one of a public "
            "authority for this name"
        ) from fault
    except TimeoutError as fault:
        raise Unreachable(f"no whole answer within {call.wait_s:g} s") from fault
    except OSError as fault:
        raise Unreachable(str(fault) or type(fault).__name__) from fault
    except (http.client.InvalidURL, ValueError) as fault:
        # Not in its own words: they quote headers, credentials among them.
        raise Unreachable("its address or a header can't be sent") from fault
    except http.client.HTTPException as fault:
        raise Unreachable(f"its answer is no HTTP ({type(fault).__name__})") from fault


class _Caller:
    def __init__(self, call: Call, reach: Reach) -> None:
        self._call = call
        self._reach = reach
        self._clock = _Clock(call.wait_s)
        self._parts = _split(call.url)

    def answer(self) -> Answer:
        parts, call = self._parts, self._call
        host, port = parts.hostname or "", PORTS[parts.scheme] if parts.port is None else parts.port
        connection = http.client.HTTPConnection(host, port)
        connection.default_port = PORTS[parts.scheme]  # Where Host names no port.
        with self._connected(host, port) as sock:
            # What has a socket connects no more: to nowhere else, and through no proxy.
            connection.sock = _Stream(sock, self._clock)
            target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
            headers = {"Connection": "close", **call.headers}
            connection.request(call.method, target, call.body, headers)
            with connection.getresponse() as response:
                return Answer(response.status, response.read(call.most_bytes))

    def _connected(self, host: str, port: int) -> socket.socket:
        sock = self._first_of(self._places(host, port)[:TRIED_MOST])
        if self._parts.scheme == "http":
            return sock
        try:
            sock.settimeout(self._clock.left())
            context = ssl.create_default_context()
            context.set_alpn_protocols(["http/1.1"])
            return context.wrap_socket(sock, server_hostname=host)
        except BaseException:  # raised again: whatever ends this, the socket is not left open
            sock.close()
            raise

    def _places(self, host: str, port: int) -> tuple[Place, ...]:
        places = _looked_up(host, port, self._clock.left())
        tells = self._parts.scheme == "http" and "Authorization" in self._call.headers
        fault = addresses.fault_in_places(Aim(host, port, tells), places, self._reach)
        if fault:
            raise Refused(fault)
        return places

    def _first_of(self, places: tuple[Place, ...]) -> socket.socket:
        place, others = places[0], places[1:]
        try:
            return self._at(place, self._clock.left() / len(places))
        except OSError:
            if not others:
                raise
        return self._first_of(others)

    def _at(self, place: Place, wait_s: float) -> socket.socket:
        sock = socket.socket(place.family, socket.SOCK_STREAM)
        try:
            sock.settimeout(wait_s)
            sock.connect(place.whole)
            _check_peer(sock, place)
        except BaseException:  # raised again: whatever ends this, the socket is not left open
            sock.close()
            raise
        return sock


class _Clock:
    """What is left of the time for everything together."""

    def __init__(self, wait_s: float) -> None:
        self._end = time.monotonic() + wait_s

    def left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Stream:
    """A socket as ``http.client`` uses one, each of whose steps ends at the deadline."""

    def __init__(self, sock: socket.socket, clock: _Clock) -> None:
        self._sock = sock
        self._clock = clock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._clock))

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._sock.settimeout(self._clock.left())
            rest = rest[self._sock.send(rest) :]

    def close(self) -> None:
        """Leave it open: ``http.client`` lets go before the answer is read."""


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, clock: _Clock) -> None:
        self._sock = sock
        self._clock = clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # why: whatever has a buffer
        self._sock.settimeout(self._clock.left())
        return self._sock.recv_into(buffer)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as fault:
        raise Unreachable("its address is none") from fault
    if parts.scheme not in PORTS or not parts.hostname:
        raise Unreachable("an address begins with http:// or https:// and names a host")
    if parts.username is not None or parts.password is not None:
        raise Unreachable("a credential has no place in an address")
    return parts


def _looked_up(host: str, port: int, wait_s: float) -> tuple[Place, ...]:
    """Return all addresses of a name. The system's look-up knows no deadline: a thread waits."""
    found: Future[tuple[Place, ...]] = Future()

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.set_result(addresses.places_in(rows))
        except (OSError, ValueError) as fault:
            found.set_exception(fault)

    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    return found.result(wait_s)


def _check_peer(sock: socket.socket, place: Place) -> None:
    fault = addresses.fault_in_peer(sock.getpeername()[0], place)
    if fault:
        raise Refused(fault)
