"""The connections to one origin: opened when asked, kept while warm, never more than agreed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from inference.fleet.http.call import HttpCall
from inference.fleet.http.config import HttpConfig
from inference.fleet.http.connection import Connection
from inference.fleet.http.dialling import Dialler


class ConnectionPool:
    """Connections to one origin. The one used last goes out first, so the rest can cool."""

    __slots__ = (
        "_connecting",
        "_dialler",
        "_idle",
        "_live",
        "config",
        "connects",
        "loop",
        "now",
    )

    def __init__(
        self,
        dialler: Dialler,
        config: HttpConfig,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.config = config
        self.loop = loop
        self.now: Callable[[], float] = loop.time
        self.connects = 0
        self._dialler = dialler
        self._live: set[Connection] = set()
        self._idle: dict[Connection, float] = {}
        self._connecting: dict[asyncio.Task[None], HttpCall] = {}

    @property
    def open_count(self) -> int:
        """How many connections there are, those being made included."""
        return len(self._live) + len(self._connecting)

    @property
    def idle_count(self) -> int:
        """How many of them wait for work."""
        return len(self._idle)

    def send(self, call: HttpCall) -> None:
        """Send a call on a warm connection if there is one and its body can be sent twice."""
        while self._idle and call.body is not None:
            connection, _ = self._idle.popitem()
            if not connection.transport.is_closing():
                connection.start(call)
                return
        self.again(call)

    def again(self, call: HttpCall) -> None:
        """Send a call on a fresh connection."""
        if self.open_count >= self.config.max_connections_per_worker and not self._make_room():
            self.loop.call_soon(call.fail, "connect", "pool full")
            return
        self.connects += 1
        task = self.loop.create_task(self._connect(call))
        call.connecting = task
        self._connecting[task] = call
        task.add_done_callback(self._connecting.pop)

    def reap(self, now_s: float) -> None:
        """Close what has been idle for too long; the coldest lie first."""
        limit_s = now_s - self.config.idle_reap_s
        while self._idle:
            connection, since_s = next(iter(self._idle.items()))
            if since_s > limit_s:
                return
            del self._idle[connection]
            connection.transport.close()

    def close_idle(self) -> None:
        """Close what waits for work."""
        while self._idle:
            self._idle.popitem()[0].transport.close()

    def close(self) -> None:
        """Close everything; calls in flight fail."""
        self.close_idle()
        for task, call in list(self._connecting.items()):
            task.cancel()
            call.fail("connect", "the fleet was closed")
        for connection in list(self._live):
            riding = connection.call
            connection.drop()
            if riding is not None:
                riding.fail("reset", "the fleet was closed")

    # What connections call.

    def opened(self, connection: Connection) -> None:
        """Count a connection that is up."""
        self._live.add(connection)

    def release(self, connection: Connection) -> None:
        """Keep a connection for the next request, or close it if enough are kept."""
        if len(self._idle) < self.config.max_idle_per_worker:
            self._idle[connection] = self.now()
        else:
            connection.transport.close()

    def lost(self, connection: Connection) -> None:
        """Forget a connection that is gone."""
        self._live.discard(connection)
        self._idle.pop(connection, None)

    def _make_room(self) -> bool:
        # Only for a streamed body, which wants a fresh connection while warm ones lie here.
        if not self._idle:
            return False
        coldest = next(iter(self._idle))
        del self._idle[coldest]
        self._live.discard(coldest)
        coldest.transport.abort()
        return True

    async def _connect(self, call: HttpCall) -> None:
        connection, wait_s = Connection(self), self.config.connect_timeout_s
        try:
            async with asyncio.timeout(wait_s):
                await self._dialler.dial(lambda: connection, wait_s)
        except (OSError, UnicodeError) as failure:
            self.lost(connection)
            call.fail("connect", _words(failure, wait_s))
            return
        except asyncio.CancelledError:
            # Given up between being made and being told so: uvloop closes it without a word.
            self.lost(connection)
            raise
        call.connecting = None
        if call.over:
            connection.transport.abort()
        else:
            connection.start(call)


def _words(failure: Exception, timeout_s: float) -> str:
    if isinstance(failure, TimeoutError) and not failure.args:
        return f"no connection within {timeout_s:g} s"
    return str(failure) or type(failure).__name__
