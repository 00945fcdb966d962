"""Sight: gateways that hear of each other see one fleet; what one says fades, and nothing more."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from inference.contracts.entries import Worker
from inference.contracts.policies import BALANCED
from inference.contracts.snapshot import Candidate
from inference.routing.demand import Demand
from inference.routing.elsewhere import FADES_US, GATEWAYS_MAX, Elsewhere
from inference.routing.placed import Placed
from inference.routing.sight import HASHES_MAX, REPEAT_US, Sight
from inference.routing.state import State
from inference.tests.simulated_fleet import MICRO, worker_of

A, B = worker_of("a"), worker_of("b")
ASKED = Demand("p1", "m", 4_000, list(range(1, 9)))


class Gateway:
    """A state with its sight."""

    def __init__(self, name: str) -> None:
        self.state = State()
        self.sight = Sight(self.state, name)

    def look(self, now_us: int, demand: Demand = ASKED, said: int = 0) -> list[Candidate]:
        among = [Candidate(0, 0), Candidate(1, 0)]
        among[0].in_flight = said
        wish = self.state.wish(demand, BALANCED)
        self.state.describe(now_us, demand, wish, [A, B], among)
        return among

    def send(self, now_us: int, worker: Worker = A, demand: Demand = ASKED) -> Placed:
        wish = self.state.wish(demand, BALANCED)
        return self.state.place(now_us, demand, wish, worker, self.look(now_us, demand)[0])


@pytest.fixture
def pair() -> tuple[Gateway, Gateway]:
    return Gateway("one"), Gateway("two")


def pass_on(now_us: int, teller: Gateway, hearer: Gateway) -> bytes | None:
    said = teller.sight.tell(now_us)
    if said is not None:
        hearer.sight.hear(now_us, said)
    return said


def test_what_one_sends_the_other_counts(pair: tuple[Gateway, Gateway]) -> None:
    one, two = pair
    placed = one.send(MICRO)
    pass_on(MICRO, one, two)
    seen = two.look(MICRO)[0]
    assert (seen.in_flight, seen.backlog, seen.importance) == (1, 1_000, 256)
    one.state.answered(2 * MICRO, placed)
    one.state.ended(2 * MICRO, placed)
    pass_on(2 * MICRO, one, two)
    seen = two.look(2 * MICRO)[0]
    assert (seen.in_flight, seen.backlog, seen.importance) == (0, 0, 0)


def test_a_prefix_that_one_sent_is_expected_there_by_the_other(
    pair: tuple[Gateway, Gateway],
) -> None:
    one, two = pair
    one.send(MICRO)
    pass_on(MICRO, one, two)
    assert [seen.hit_tokens for seen in two.look(MICRO)] == [1_000, 0]
    other = Demand("p2", "m", 4_000, list(range(100, 108)))
    assert two.look(MICRO, other)[0].hit_tokens == 0


def test_a_turn_that_follows_elsewhere_lengthens_what_is_expected(
    pair: tuple[Gateway, Gateway],
) -> None:
    one, two = pair
    one.send(MICRO)
    pass_on(MICRO, one, two)
    longer = Demand("p1", "m", 8_000, list(range(1, 13)))
    one.send(MICRO, A, longer)
    said = json.loads(pass_on(MICRO, one, two) or b"{}")
    assert [news[3:] for news in said["placed"]] == [[8, [9, 10, 11, 12]]]
    assert two.look(MICRO, longer)[0].new_tokens < 400


def test_a_silent_gateway_has_nothing_after_five_seconds(pair: tuple[Gateway, Gateway]) -> None:
    one, two = pair
    one.send(MICRO)
    pass_on(MICRO, one, two)
    seen = [two.look(MICRO + past)[0].backlog for past in (0, FADES_US // 2, FADES_US)]
    assert seen == [1_000, 500, 0]


def test_what_has_not_changed_is_said_again_before_it_fades(pair: tuple[Gateway, Gateway]) -> None:
    one, two = pair
    one.send(MICRO)
    said = [pass_on(MICRO + n * 50_000, one, two) is not None for n in range(41)]
    assert said[0]
    assert said.count(True) == 1 + 2 * MICRO // REPEAT_US
    assert two.look(3 * MICRO)[0].backlog == 1_000


def test_nothing_is_said_where_nothing_happens(pair: tuple[Gateway, Gateway]) -> None:
    one, _ = pair
    assert [one.sight.tell(n * MICRO) for n in range(1, 9)] == [None] * 8


def test_ones_own_part_is_never_taken_from_the_wire(pair: tuple[Gateway, Gateway]) -> None:
    one, _ = pair
    one.send(MICRO)
    said = one.sight.tell(MICRO)
    assert said is not None
    one.sight.hear(MICRO, said)
    assert one.look(MICRO)[0].in_flight == 1


def test_what_a_machine_says_it_runs_holds_what_others_told_of_it(
    pair: tuple[Gateway, Gateway],
) -> None:
    one, two = pair
    for _ in range(3):
        one.send(MICRO)
    pass_on(MICRO, one, two)
    assert two.look(MICRO, said=3)[0].in_flight == 3
    seen = two.look(MICRO, said=5)[0]
    assert (seen.in_flight, seen.importance) == (5, 5 * 256)


def test_a_message_is_bounded_and_its_newest_prefixes_go_first() -> None:
    one, dice = Gateway("one"), Random(1)
    for number in range(40):
        chain = [dice.getrandbits(61) for _ in range(30)]
        one.send(MICRO + number, A, Demand("p1", "m", 60_000, chain))
    said = json.loads(one.sight.tell(2 * MICRO) or b"{}")
    assert sum(len(news[4]) for news in said["placed"]) <= HASHES_MAX
    assert said["placed"][0][4] == chain
    assert json.loads(one.sight.tell(3 * MICRO + 1) or b"{}")["placed"] == []


def test_gateways_that_nobody_knows_cannot_fill_memory() -> None:
    elsewhere = Elsewhere()
    for number in range(GATEWAYS_MAX + 50):
        elsewhere.hear(f"g{number}", "a", 0, (1, 0, 0))
    assert elsewhere.at("a", 0)[0] == GATEWAYS_MAX
    assert elsewhere.at("a", FADES_US) == Elsewhere.NOTHING


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{",
        b"[]",
        b'{"gateway":"x"}',
        b'{"gateway":"x","loads":{"a":[1]},"placed":[]}',
        b'{"gateway":"x","loads":{"a":["q",1,2]},"placed":[]}',
        b'{"gateway":"x","loads":{},"placed":[["m","a","p",900,[1,2]]]}',
        b'{"gateway":"x","loads":{},"placed":[1]}',
    ],
)
def test_nonsense_from_others_changes_nothing(said: bytes) -> None:
    one = Gateway("one")
    one.sight.hear(MICRO, said)
    seen: list[Any] = [(c.in_flight, c.backlog, c.hit_tokens) for c in one.look(MICRO)]
    assert seen == [(0, 0, 0)] * 2


def test_eight_gateways_that_hear_of_each_other_send_as_one_would() -> None:
    """Each places in turn where it sees least; then no worker has more than one beside its part."""
    gateways = [Gateway(str(number)) for number in range(8)]
    for turn in range(16):
        teller = gateways[turn % 8]
        least = min((0, 1), key=lambda n: teller.look(MICRO + turn)[n].in_flight)
        teller.send(MICRO + turn, (A, B)[least])
        said = teller.sight.tell(MICRO + turn)
        assert said is not None
        for hearer in gateways:
            hearer.sight.hear(MICRO + turn, said)
    seen = [candidate.in_flight for candidate in gateways[0].look(MICRO + 16)]
    assert sorted(seen) == [8, 8]
