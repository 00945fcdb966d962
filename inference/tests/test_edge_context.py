"""The clocks of connections go on, whatever one of them does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from inference.edges.context import EdgeContext, Swept
from inference.exchange.config import PlaneConfig

pytestmark = pytest.mark.anyio

TWICE = 2
"""Two rounds of sweeping last half a second: less would not show that it goes on."""


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.was_aborted = False

    def abort(self) -> None:
        self.was_aborted = True


class Sound(Swept):
    def __init__(self) -> None:
        self.transport: Transport = Transport()
        self.sweeps = 0

    def sweep(self, now: float) -> None:
        self.sweeps += 1


class Broken(Sound):
    def sweep(self, now: float) -> None:
        super().sweep(now)
        raise RuntimeError("This connection is broken.")


class Held:
    """A connection that nobody reads from. ``polls``: how often it was looked at."""

    def __init__(self, *, is_broken: bool) -> None:
        self.is_broken = is_broken
        self.polls = 0

    def drop_if_left(self) -> None:
        self.polls += 1
        if self.is_broken:
            raise RuntimeError("This one is broken, too.")


def listen_to_troubles() -> list[dict[str, Any]]:
    """Collect what the loop is told of."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: found.append(trouble))
    return found


async def reach(counts: Callable[[], Iterable[int]], wanted: int) -> None:
    async with asyncio.timeout(5):
        while min(counts()) < wanted:  # noqa: ASYNC110 - nobody tells that a clock has ticked
            await asyncio.sleep(0.01)


async def test_connection_whose_sweep_fails_stops_no_other_and_is_closed() -> None:
    troubles = listen_to_troubles()
    context, broken = EdgeContext(PlaneConfig("", ())), Broken()
    others = [Sound(), Sound()]
    connections: list[object] = [others[0], broken, object(), others[1]]

    context.watch(connections)
    await reach(lambda: [other.sweeps for other in others], 1)
    connections.remove(broken)  # As a connection does when it is lost.
    await reach(lambda: [other.sweeps for other in others], TWICE)
    context.stop()

    assert broken.transport.was_aborted
    assert not any(other.transport.was_aborted for other in others)
    assert broken.sweeps == 1
    [trouble] = troubles
    assert (trouble["watched"], str(trouble["exception"])) == (broken, "This connection is broken.")


async def test_held_connection_that_cannot_be_polled_stops_no_other() -> None:
    troubles = listen_to_troubles()
    context = EdgeContext(PlaneConfig("", ()))
    broken, sound = Held(is_broken=True), Held(is_broken=False)
    context.held.update((broken, sound))  # type: ignore[arg-type] # why: all that is asked of a flow

    context.watch([])
    await reach(lambda: [sound.polls], 5)
    context.stop()

    assert broken.polls == 1
    assert [trouble["watched"] for trouble in troubles] == [broken]
