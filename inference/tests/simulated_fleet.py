"""A few workers that read prompts one after the other, and a router's state before them; pure.

Coarse on purpose: what a worker is good for in reality is in the benchmark of the router. Here a
guarantee of the state is to be seen in a hundred requests.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from inference.contracts.decide import decide, mix
from inference.contracts.entries import Worker
from inference.contracts.policies import BALANCED
from inference.contracts.snapshot import Candidate
from inference.routing.demand import Demand
from inference.routing.placed import Placed
from inference.routing.state import State

MICRO = 1_000_000


def worker_of(name: str, accelerator: str = "") -> Worker:
    """Return a worker of that name."""
    url = f"http://127.0.0.1/{name}/v1"
    return Worker(name, url, "m", ("chat/completions",), accelerator=accelerator)


@dataclass
class Machine:
    """One worker: seconds a token, how much slower it is now, and when it is free."""

    speed_s: float = 1 / 10_000
    slower: float = 1.0
    free_s: float = 0.0
    hangs: bool = False
    waiting: list[tuple[float, Placed]] = field(default_factory=list)

    def take(self, now_s: float, placed: Placed, dice: Random) -> None:
        """Begin to read a prompt when those before it are read."""
        took_s = (0.03 + placed.new * self.speed_s) * self.slower * dice.uniform(0.9, 1.1)
        self.free_s = max(self.free_s, now_s) + took_s
        self.waiting.append((self.free_s, placed))


class Scene:
    """Sends requests through a state to its machines, under a clock of its own."""

    def __init__(self, count: int = 8, seed: int = 1) -> None:
        self.state = State()
        self.workers = [worker_of(f"w{n}") for n in range(count)]
        self.machines = {worker.worker_id: Machine() for worker in self.workers}
        self.dice = Random(seed)
        self.now_s = 100.0
        self.asked = 0

    def run(self, count: int, *, every_s: float = 0.05, tokens: int = 2_000) -> Counter[str]:
        """Send so many requests; returns who was asked how often."""
        chosen: Counter[str] = Counter()
        for _ in range(count):
            self.now_s += self.dice.expovariate(1 / every_s)
            self._hear()
            chosen[self.send(Demand("p1", "m", tokens * 4))] += 1
        return chosen

    def send(self, demand: Demand) -> str:
        """Send one request; returns who is asked."""
        now_us, state = int(self.now_s * MICRO), self.state
        self.asked += 1
        wish = state.wish(demand, BALANCED)
        among = [Candidate(place, 0) for place in range(len(self.workers))]
        state.describe(now_us, demand, wish, self.workers, among)
        place = decide(among, wish, BALANCED, mix(self.asked)).chosen
        worker = self.workers[place]
        placed = state.place(now_us, demand, wish, worker, among[place])
        self.machines[worker.worker_id].take(self.now_s, placed, self.dice)
        return worker.worker_id

    def _hear(self) -> None:
        """Tell the state of the first tokens that are due by now."""
        due = []
        for machine in self.machines.values():
            if not machine.hangs:
                due += [item for item in machine.waiting if item[0] <= self.now_s]
                machine.waiting = [item for item in machine.waiting if item[0] > self.now_s]
        for at_s, placed in sorted(due, key=lambda item: item[0]):
            self.state.answered(int(at_s * MICRO), placed)
            self.state.ended(int(at_s * MICRO), placed)
