"""What is done to a fleet, when, and what may be heard meanwhile; pure."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from xim.sim.words import answer

FAULTS = (
    *("link dropped", "link closed", "agent stopped", "agent killed", "gateway killed"),
    *("control plane restarted", "token expired", "token ran out unseen"),
)
HEAL_S = 15.0
"""How long a fleet may take until all is as it was, from the moment the fault is over."""
LONGEST_S = {"link dropped": 14.0, "agent stopped": 14.0, "control plane restarted": 6.0}
"""Silence of 9 s cuts a link: a fault that can be shorter or longer is tried as both."""
USUALLY_S = 2.5
MARK_TOKENS = 400
"""More than any answer of the simulator has."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One round: what is done to which agent or gateway, and for how long."""

    kind: str
    agent: int
    gateway: int
    before_s: float
    lasts_s: float


def schedule(rounds: int, agents: int, gateways: int, chance: random.Random) -> Iterable[Fault]:
    """Yield a run's faults: every kind before any comes again, in an order of chance."""
    kinds: list[str] = []
    for _ in range(rounds):
        kinds = kinds or chance.sample(FAULTS, len(FAULTS))
        kind = kinds.pop()
        yield Fault(
            kind,
            agent=chance.randrange(agents),
            gateway=chance.randrange(gateways),
            before_s=chance.uniform(0.5, 2.0),
            lasts_s=chance.uniform(0.2, LONGEST_S.get(kind, USUALLY_S)),
        )


def is_own_answer(question: str, text: str, tokens: int | None) -> bool:
    """Say whether this is the answer to this question, and all of it where ``tokens`` are told.

    Without ``tokens`` it was cut: what came has to be how the answer begins.
    """
    if tokens is None:
        return "".join(answer(question, MARK_TOKENS)).startswith(text)
    return text == "".join(answer(question, tokens)) and _names(question, text, tokens)


def is_the_word(word: str, text: str, *, is_whole: bool) -> bool:
    """Say whether this is the one word that was wanted, in quotes, or how it begins."""
    wanted = json.dumps(word)
    return text == wanted if is_whole else wanted.startswith(text)


def _names(question: str, text: str, tokens: int) -> bool:
    # By itself, lest a fault of the simulator's own words be taken for truth.
    mark = hashlib.sha256(question.encode()).hexdigest()[:12]
    return text.startswith(f"[{mark}]"[: tokens * 4])


def is_linked(
    heard: Mapping[str, Sequence[float]], agents: Iterable[str], since: float, gateways: int
) -> bool:
    """Say whether so many gateways have heard each agent ``since`` then (Unix seconds)."""
    return all(sum(seen > since for seen in heard.get(agent, ())) >= gateways for agent in agents)


@dataclass
class Healing:
    """How long it took to heal, by kind of fault; none where it did not."""

    took: dict[str, list[float | None]] = field(default_factory=dict)

    def add(self, kind: str, seconds: float | None) -> None:
        """Note one."""
        self.took.setdefault(kind, []).append(seconds)

    def too_slow(self) -> list[str]:
        """Name the kinds that did not heal, or not in time."""
        return [
            f"{kind}: {'never' if seconds is None else f'{seconds:.1f} s'}"
            for kind, all_ in self.took.items()
            for seconds in all_
            if seconds is None or seconds > HEAL_S
        ]

    def lines(self) -> list[str]:
        """Write a line for each kind."""
        return [_line(kind, all_) for kind, all_ in sorted(self.took.items())]


def _line(kind: str, took: Sequence[float | None]) -> str:
    healed = [seconds for seconds in took if seconds is not None]
    figures = f"p50 {median(healed):.1f} s, max {max(healed):.1f} s" if healed else "never"
    return f"{kind:24} {len(took):2} times, {len(healed):2} healed: {figures}"


def words(counts: Counter[str]) -> str:
    """Write counts, the greatest first."""
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())
