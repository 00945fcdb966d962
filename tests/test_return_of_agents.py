"""What five hundred machines do when one of two gateways goes and comes back: simulated, to the
second, with the code by which each end decides."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from inference.contracts.names import ALIVE_S
from inference.fleet.tunnel.config import TunnelConfig
from inference.fleet.tunnel.handshake import Arrivals
from xim.link.dialling import declined
from xim.link.endings import LOST, Ending, Next
from xim.link.waits import Waits

AGENTS = 500
HELD = Ending(Next.AGAIN, "there is a link to this gateway already", 1.0)
"""What a dial comes to that the balancer led to the gateway that stayed."""
TOLD_S = 1.0
"""How long agents may wait until they hear that there is one gateway more, or fewer."""


@dataclass
class Gateway:
    """One that takes links, or none while it is down."""

    world: World
    arrivals: Arrivals = field(init=False)
    taken: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        numbers = TunnelConfig()
        self.arrivals = Arrivals(numbers.links_per_s, numbers.links_at_once, lambda: self.world.now)

    def declines(self) -> Ending | None:
        """Take a link, or say what whoever dialled makes of the refusal."""
        wait_s = self.arrivals.wait_s()
        if not wait_s:
            self.taken.append(self.world.now)
            return None
        after = Headers({"Retry-After": str(math.ceil(wait_s))})
        return declined(InvalidStatus(Response(HTTPStatus.SERVICE_UNAVAILABLE, "", after)))

    def busiest_second(self) -> int:
        """Return the most links that it took within a second."""
        return max(sum(at <= other < at + 1 for other in self.taken) for at in self.taken)


class World:
    """One gateway stays; the other is killed at 0, and is up again after ``up_s``."""

    def __init__(self, up_s: float, seed: int) -> None:
        self.now = 0.0
        self.up_s = up_s
        self.stayed, self.returned = Gateway(self), Gateway(self)
        self.back_at: dict[int, float] = {}
        self.dials = 0
        chance = Random(seed)
        self._turn = 0
        self._waits = [Waits(Random(chance.random())) for _ in range(AGENTS)]
        self._due = [(each.next_s(LOST, 600.0), agent) for agent, each in enumerate(self._waits)]
        heapq.heapify(self._due)

    def run(self, until_s: float) -> None:
        """Let everyone dial when it is due."""
        while self._due and self._due[0][0] < until_s:
            self.now, agent = heapq.heappop(self._due)
            heapq.heappush(self._due, (self.now + self._dial(agent), agent))

    def _wanted(self) -> int:
        is_counted = self.now >= self.up_s + TOLD_S
        return 1 + (self.now < ALIVE_S + TOLD_S) + is_counted

    def _dial(self, agent: int) -> float:
        """Have an agent dial, if it wants a link; return when it looks again."""
        waits = self._waits[agent]
        if self._wanted() <= 1 + (agent in self.back_at):
            waits.settled()
            return waits.chance.uniform(0, 0.1)
        self.dials += 1
        gateway = self._balanced()
        declines = gateway.declines()
        if declines is not None:
            return waits.next_s(declines)
        if gateway is self.stayed or agent in self.back_at:
            return waits.next_s(HELD)
        self.back_at[agent] = self.now
        return 0.0

    def _balanced(self) -> Gateway:
        self._turn += 1
        is_up = self.now >= self.up_s
        return self.returned if is_up and self._turn % 2 else self.stayed


@pytest.mark.parametrize("up_s", [1.0, 3.0, 8.0, 20.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_all_are_back_within_half_a_minute_and_no_gateway_is_stormed(
    up_s: float, seed: int
) -> None:
    world = World(up_s, seed)
    world.run(up_s + 60)

    assert len(world.back_at) == AGENTS
    assert max(world.back_at.values()) - up_s < 30
    assert world.stayed.busiest_second() <= 50
    assert world.returned.busiest_second() <= 50


def test_those_who_are_sent_away_at_once_come_back_spread_out() -> None:
    world = World(up_s=0.0, seed=1)
    chance = Random(1)
    sent_away = [world.returned.declines() for _ in range(250)]
    back_at = sorted(Waits(chance).next_s(one) for one in sent_away if one is not None)

    assert len(back_at) == 250 - TunnelConfig().links_at_once
    assert back_at[0] > 1
    assert back_at[-1] < 9
    per_s = [sum(at <= other < at + 1 for other in back_at) for at in back_at]
    assert max(per_s) < 1.5 * TunnelConfig().links_per_s


def test_gateway_that_stays_away_is_no_longer_dialled_for() -> None:
    world = World(up_s=600.0, seed=1)
    world.run(30.0)
    dials = world.dials
    world.run(300.0)

    assert dials > AGENTS
    assert world.dials == dials
