"""Workers reached by URL: a small push-style HTTP/1.1 client.

Why our own: the upstream client decides what a gateway costs (docs/adr/0003). Nothing here
waits; what comes of a request is pushed into the object that asked. Bytes pass through as
they are: no redirect is followed, no proxy asked, no cookie kept, nothing decompressed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from inference.contracts.entries import Worker
from inference.fleet.http.call import HttpCall
from inference.fleet.http.config import HttpConfig
from inference.fleet.http.dialling import Anywhere, Dialler, Guarded
from inference.fleet.http.heads import Origin, join_path, parse_base, request_head
from inference.fleet.http.lookups import Lookups
from inference.fleet.http.pool import ConnectionPool
from inference.fleet.load import Load
from inference.fleet.ports import Answer, Call, Connections, Transport, WorkerFailed
from inference.fleet.refused_call import RefusedCall
from inference.http.lines import Lines

PATHS_PER_WORKER = 64
"""Heads kept for each worker; there are about ten operations, so this is only a bound."""

Whose = tuple[Origin, str, bool]
"""Whose connections a pool holds: an origin's; a tenant's worker has its own, with or without
a credential."""


class _Target:
    """A worker as the client knows it: its pool, and the heads written so far."""

    __slots__ = ("_authority", "_base", "_credential", "_heads", "pool", "worker")

    def __init__(self, worker: Worker, origin: Origin, base: bytes, pool: ConnectionPool) -> None:
        self.worker = worker
        self.pool = pool
        self._authority = origin.authority
        self._base = base
        self._credential = b""
        self._heads: dict[str, bytes] = {}

    def trust(self, credential: bytes) -> None:
        """Use a credential from now on."""
        self._credential = credential
        self._heads.clear()

    def probe_head(self) -> bytes:
        """Return the whole head that asks for the models."""
        target = join_path(self._base, "/models")
        return request_head(self._authority, target, self._credential, b"GET") + b"\r\n"

    def head(self, path: str) -> bytes:
        """Return the constant part of the head for a path."""
        head = self._heads.get(path)
        if head is None:
            if len(self._heads) >= PATHS_PER_WORKER:
                self._heads.clear()
            target = join_path(self._base, path)
            head = request_head(self._authority, target, self._credential)
            self._heads[path] = head
        return head


class HttpTransport(Transport):
    """``ports.Transport`` over HTTP/1.1. One for each event loop; make it inside the loop.

    ``credential_of`` gives the plain bearer for a worker, empty for none. It is asked once
    for each version of a worker's row and may raise ``WorkerFailed``.
    """

    def __init__(
        self,
        credential_of: Callable[[Worker], bytes],
        config: HttpConfig | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._credential_of = credential_of
        self._config = config or HttpConfig()
        self._loop = loop or asyncio.get_running_loop()
        self._targets: dict[str, _Target] = {}
        self._pools: dict[Whose, ConnectionPool] = {}
        self._lookups = Lookups(self._loop)
        self._tls: ssl.SSLContext | None = self._config.tls
        self._closed = False
        self._reaper = self._loop.call_later(self._reap_every_s, self._reap)

    def carries(self, worker: Worker) -> bool:
        """Take whoever is no agent: an address that is no URL is told so when it is asked."""
        return not worker.agent

    def ask(
        self,
        worker: Worker,
        path: str,
        lines: Lines,
        body: bytes | None,
        answer: Answer,
        load: Load,
    ) -> Call:
        """Send ``POST {worker.url}{path}``."""
        try:
            target = self._targets.get(worker.worker_id)
            if target is None or (target.worker is not worker and target.worker != worker):
                target = self._aim(worker)
            head = b"".join((target.head(path), lines, _framing(body)))
        except (ValueError, WorkerFailed) as wrong:
            return RefusedCall(answer, str(wrong))
        return self._send(target, HttpCall(load, head, body, answer))

    def probe(self, worker: Worker, answer: Answer) -> Call:
        """Send ``GET {worker.url}/models``."""
        try:
            target = self._targets.get(worker.worker_id)
            if target is None or target.worker != worker:
                target = self._aim(worker)
            head = target.probe_head()
        except (ValueError, WorkerFailed) as wrong:
            return RefusedCall(answer, str(wrong))
        return self._send(target, HttpCall(Load(), head, b"", answer))

    def connections(self) -> Connections:
        """Count those of all origins."""
        pools = self._pools.values()
        return Connections(
            open_count=sum(pool.open_count for pool in pools),
            idle_count=sum(pool.idle_count for pool in pools),
            made=sum(pool.connects for pool in pools),
        )

    def close(self) -> None:
        """Close every connection. What was in flight fails as reset."""
        self._closed = True
        self._reaper.cancel()
        for pool in self._pools.values():
            pool.close()

    def _send(self, target: _Target, call: HttpCall) -> HttpCall:
        if self._closed:
            self._loop.call_soon(call.fail, "connect", "the fleet is closed")
        else:
            target.pool.send(call)
        return call

    @property
    def _reap_every_s(self) -> float:
        return self._config.idle_reap_s / 2

    def _reap(self) -> None:
        now_s = self._loop.time()
        for whose, pool in list(self._pools.items()):
            pool.reap(now_s)
            if not pool.open_count:
                self._forget(whose, pool)
        self._reaper = self._loop.call_later(self._reap_every_s, self._reap)

    def _forget(self, whose: Whose, pool: ConnectionPool) -> None:
        # Nothing is open, so nothing is lost; a worker that comes back is aimed at afresh.
        del self._pools[whose]
        for name, target in list(self._targets.items()):
            if target.pool is pool:
                del self._targets[name]

    def _aim(self, worker: Worker) -> _Target:
        origin, base = parse_base(worker.url or worker.tenant_url)
        credential = self._credential_of(worker)
        request_head(origin.authority, base, credential)
        whose = (origin, "", False)
        if not worker.url:
            whose = (origin, worker.worker_id, bool(credential))
        target = _Target(worker, origin, base, self._pool(whose))
        target.trust(credential)
        self._targets[worker.worker_id] = target
        return target

    def _pool(self, whose: Whose) -> ConnectionPool:
        pool = self._pools.get(whose)
        if pool is None:
            pool = ConnectionPool(self._dialler(whose), self._config, self._loop)
            self._pools[whose] = pool
        return pool

    def _dialler(self, whose: Whose) -> Dialler:
        origin, tenants_worker, tells = whose
        tls = self._context() if origin.secure else None
        if not tenants_worker:
            return Anywhere(origin, tls, self._loop)
        reach = self._config.tenants_reach
        return Guarded(origin, tls, self._loop, lookups=self._lookups, reach=reach, tells=tells)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


def _framing(body: bytes | None) -> bytes:
    if body is None:
        return b"Transfer-Encoding: chunked\r\n\r\n"
    return b"Content-Length: %d\r\n\r\n" % len(body)
