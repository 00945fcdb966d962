"""Links to as many gateways as there are, up to four: dialled, lost and dialled again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from xim.faults import PROTOCOL, REVOKED, Stop
from xim.link import messages
from xim.link.connection import Connection, Life, Node, Where
from xim.link.endings import Ending, Next
from xim.link.messages import Welcome
from xim.link.waits import Waits

log = logging.getLogger("xim.agent")

LINKS_MAX = 4


class Keeper:
    """Keeps the links of a machine."""

    def __init__(
        self,
        node: Node,
        where: Where,
        renew: Callable[[], Awaitable[None]],
        life: Life | None = None,
    ) -> None:
        self.links: list[Connection] = []
        self.last_words = "not dialled yet"
        self.dialled = 0
        self.live = asyncio.Event()
        self.lost: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        self._node, self._where, self._renew = node, where, renew
        self._life = life or Life()
        self._wanted = 1
        self._more = asyncio.Event()
        self._drains = False
        self._was_live = False
        self._group = asyncio.TaskGroup()

    async def run(self) -> None:
        """Keep links until told to drain, and until the last of them has run out."""
        async with self._group as group:
            for _ in range(LINKS_MAX):
                group.create_task(self._seat())

    def changed(self) -> None:
        """Tell every gateway the machine's state."""
        for link in self.links:
            link.changed()

    def renewed(self, token: str) -> None:
        """Tell every gateway the new token."""
        for link in self.links:
            link.renew(token)

    def drain(self, reason: str) -> None:
        """Dial no more, and let every link run out."""
        self._drains = True
        self._more.set()
        for link in self.links:
            link.leave(reason)

    async def _seat(self) -> None:
        waits = Waits(self._life.chance)
        while not self._drains:
            if not self._lacks_one():
                waits.settled()
                await self._until_more()
                continue
            link, ending = await self._one()
            if self._is_the_end(ending):
                return
            if ending.next is Next.REFRESH:
                await self._renew()
            wait_s = waits.next_s(ending, self._lived_s(link), link.spread_s)
            await self._rest(wait_s, ending)

    async def _one(self) -> tuple[Connection, Ending]:
        self.dialled += 1
        link = Connection(
            self._node,
            self.dialled,
            self._life,
            is_held=self._is_held,
            on_welcome=self._welcomed,
            on_count=self._count,
        )
        self.links.append(link)
        task = self._group.create_task(self._kept(link))
        await link.leaving.wait()
        # One that only leaves runs out beside the next; its end is nobody's news.
        if link.was_drained or self._drains:
            return link, Ending(Next.SPREAD, "the gateway takes its leave", 0)
        return link, await task

    async def _kept(self, link: Connection) -> Ending:
        try:
            return await link.run(self._where)
        finally:
            self.links.remove(link)
            if not any(one.live_at is not None for one in self.links):
                self.live.clear()

    def _lived_s(self, link: Connection) -> float | None:
        return None if link.live_at is None else self._life.now() - link.live_at

    async def _rest(self, wait: float, ending: Ending) -> None:
        self.last_words = ending.words
        if ending.next is not Next.AGAIN and not self._drains:
            tail = "; requests go on" if self.live.is_set() else ""
            log.warning("%s; trying again in %.1f s%s", ending.words, wait, tail)
        try:
            async with asyncio.timeout(wait):
                while not self._drains:
                    await self._until_more()
        except TimeoutError:
            return

    async def _until_more(self) -> None:
        self._more.clear()
        await self._more.wait()

    def _is_held(self, gateway: str) -> bool:
        return any(link.gateway == gateway and not link.leaving.is_set() for link in self.links)

    def _welcomed(self, link: Connection) -> None:
        welcome: Welcome | None = link.session.welcome
        self._was_live = True
        self.live.set()
        self.last_words = "live"
        if welcome is not None:
            self._count(welcome.gateways)

    def _count(self, gateways: int) -> None:
        self._wanted = max(1, min(gateways, LINKS_MAX))
        self._more.set()

    def _lacks_one(self) -> bool:
        # A link that is being dialled counts; one that runs out does not.
        return sum(not link.leaving.is_set() for link in self.links) < self._wanted

    def _is_the_end(self, ending: Ending) -> bool:
        """Say whether dialling again is in vain, and have the agent stop if so."""
        if ending.next is Next.STOP:
            sentence = f"{ending.words}: enrol it anew if its owner wants it back"
            self.stop(Stop(f"{sentence} (xim leave, then xim enroll).", REVOKED))
        elif ending.next is Next.HOURLY and not self._was_live:
            sentence = "The platform does not speak this xim's version of the tunnel"
            self.stop(Stop(f"{sentence} ({messages.VERSION}): install its own xim.", PROTOCOL))
        return self.lost.done()

    def stop(self, stop: Stop) -> None:
        """Have the agent stop, for a reason that starting again does not mend."""
        if not self.lost.done():
            self.lost.set_result(stop)
