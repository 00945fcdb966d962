"""The agent's token: renewed at half of its life, kept, and told to every gateway."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from xim.control.api import Platform, Unreachable
from xim.faults import Stop
from xim.identity import Identity
from xim.link import timing
from xim.link.timing import BackOff
from xim.state import Enrollment, State

log = logging.getLogger("xim.agent")


class Renewal:
    """Renews the token of one machine."""

    def __init__(
        self,
        state: State,
        identity: Identity,
        enrollment: Enrollment,
        platform: Platform,
        *,
        on_token: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.enrollment = enrollment
        self.on_token = on_token
        self.on_stop: Callable[[Stop], None] = lambda _: None
        self._state, self._identity, self._platform = state, identity, platform
        self._one = asyncio.Lock()
        self._due_at = time.monotonic() + timing.renewal_s(
            enrollment.expires_at, max(enrollment.server_time, time.time())
        )

    async def now(self) -> bool:
        """Renew the token now; say whether it worked. A refusal for good stops the agent."""
        asked_for = self.enrollment.token
        async with self._one:
            if self.enrollment.token != asked_for:
                return True  # Somebody else just did.
            try:
                said = await asyncio.to_thread(
                    self._platform.refresh, self._identity, self.enrollment.agent
                )
                self._take(said)
            except Unreachable as fault:
                log.warning("token not renewed yet: %s", fault)
                return False
            except Stop as stop:
                self.on_stop(stop)
                return False
        self.on_token(self.enrollment.token)
        return True

    def _take(self, said: dict[str, Any]) -> None:
        try:
            expires_at, server_time = float(said["expires_at"]), float(said["server_time"])
            token = str(said["token"])
        except (KeyError, TypeError, ValueError) as fault:
            raise Unreachable("the platform's answer has no token") from fault
        self.enrollment = replace(
            self.enrollment, token=token, expires_at=expires_at, server_time=server_time
        )
        self._due_at = time.monotonic() + timing.renewal_s(expires_at, server_time)
        self._state.keep_enrollment(self.enrollment)

    async def run(self, back_off: BackOff) -> None:
        """Renew for ever, each time at half of the token's life."""
        while True:
            await asyncio.sleep(max(0.0, self._due_at - time.monotonic()))
            if await self.now():
                back_off.tries = 0
            else:
                self._due_at = time.monotonic() + 1 + back_off.next_s()
