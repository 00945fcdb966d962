"""What a gateway's rule may know and say, and what every rule counts for itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from bench.routing.requests import Asked
from bench.routing.worker import Machine, Worker


@dataclass(frozen=True, slots=True)
class Metrics:
    """What an engine says of itself when it is asked."""

    waiting: int
    running: int
    kv_use: float


@dataclass(frozen=True, slots=True)
class Setting:
    """What a rule is told at the beginning of a run.

    ``metrics`` holds what each worker said last (``metrics_every`` s, for rules that ask for it);
    ``truth`` is for the oracle alone. ``index_factor``: how many times too large a rule thinks
    the machines' caches; ``slots``: how many requests at once a machine is declared to take.
    """

    machines: Sequence[Machine]
    dice: Random
    metrics: list[Metrics]
    truth: Sequence[Worker]
    gateways: int = 1
    slots: int | None = None
    index_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What is known when an answer has ended; ``cached`` is None if the engine does not say."""

    prompt: int
    output: int
    cached: int | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a rule expects the first token, in seconds from now: median, and nine of ten."""

    p50: float
    p90: float


class Rule(ABC):
    """Chooses a worker for each request. Everything but ``choose`` may be left as it is."""

    metrics_every: float | None = None
    sight_every: float | None = None

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.dice = setting.dice
        self.in_flight = [0] * len(setting.machines)
        self.held = 0

    @abstractmethod
    def choose(self, asked: Asked, there: Sequence[int], now: float) -> int | None:
        """Return one of the workers that are there, or None: the rule holds the request."""

    def placed(self, asked: Asked, worker: int, now: float) -> None:
        """Hear that a request was sent."""
        self.in_flight[worker] += 1

    def first_token(self, asked: Asked, worker: int, now: float) -> None:  # noqa: B027 - most rules learn nothing of it
        """Hear that its answer has begun."""

    def ended(self, asked: Asked, worker: int, now: float, known: Ended) -> None:
        """Hear that its answer has ended."""
        self.in_flight[worker] -= 1

    def failed(self, asked: Asked, worker: int, now: float) -> None:
        """Hear that a worker refused it; it will be chosen for anew."""
        self.in_flight[worker] -= 1

    def released(self, there: Sequence[int], now: float) -> Iterable[tuple[Asked, int | None]]:
        """Yield requests that were held and go now, each with its worker; None refuses it."""
        return ()

    def tell(self, now: float) -> object:
        """Return what other gateways should know; asked for every ``sight_every`` seconds."""
        return None

    def hear(self, sender: int, said: object, now: float) -> None:  # noqa: B027 - most rules hear nothing
        """Hear what another gateway told."""

    def forecast(self, asked: Asked) -> Forecast | None:
        """Return what was expected of the request that was just placed, if the rule expects."""
        return None


class MakesRule(Protocol):
    """A rule's class, or a function that makes it."""

    def __call__(self, setting: Setting) -> Rule:
        """Make the rule of one gateway."""
