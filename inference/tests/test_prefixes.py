"""Prefix index: whoever was sent a prompt is known for it, within bounds, and to nobody else."""

from __future__ import annotations

from random import Random

import pytest

from inference.routing.prefixes import Calibration, PrefixIndex
from inference.routing.shelf import (
    CAPACITY,
    CAPACITY_MAX,
    CAPACITY_MIN,
    NEVER,
    SIZES,
    Shelf,
)
from inference.routing.spans import BYTES_MAX, ENDS, bytes_of, chain_of

SEED = 0xC0FFEE
TEXT = Random(1).randbytes(BYTES_MAX + 5_000)


def chain(
    size: int, *, scope: str = "p1", seed: int = SEED, head: list[bytes] | None = None
) -> list[int]:
    """Return the chain of the first bytes of a long text."""
    before = [memoryview(part) for part in head or []]
    return chain_of(seed, scope, "m", before, memoryview(TEXT)[:size])


# ── Spans ──────────────────────────────────────────────────────────────────────────────


def test_blocks_grow_and_are_a_hundred_and_four_at_most() -> None:
    assert len(ENDS) == 104
    assert sorted(set(ENDS)) == ENDS
    assert [ENDS.index(size) + 1 for size in (4_096, 16_384, 131_072, BYTES_MAX)] == [
        8,
        20,
        48,
        104,
    ]
    assert len(chain(len(TEXT))) == 104
    assert bytes_of(0) == 0
    assert bytes_of(104) == BYTES_MAX


@pytest.mark.parametrize("size", [600, 5_000, 48_000, 400_000])
def test_a_turn_that_follows_shares_all_whole_blocks(size: int) -> None:
    before, after = chain(size), chain(size + 3_000)
    assert after[: len(before)] == before


def test_one_byte_changes_its_block_and_all_after_it() -> None:
    changed = bytearray(TEXT[:8_000])
    changed[2_000] ^= 1
    other = chain_of(SEED, "p1", "m", [], memoryview(changed))
    assert [a == b for a, b in zip(chain(8_000), other, strict=True)] == [True] * 3 + [False] * 8


@pytest.mark.parametrize(
    "other",
    [
        chain(8_000, scope="p2"),
        chain(8_000, seed=SEED + 1),
        chain(8_000, head=[b'[{"type":"function"}]']),
        chain_of(SEED, "p1", "m2", [], memoryview(TEXT)[:8_000]),
    ],
    ids=["project", "seed", "tools", "model"],
)
def test_another_project_seed_model_or_tool_shares_nothing(other: list[int]) -> None:
    assert not set(chain(8_000)) & set(other)


def test_parts_of_a_head_do_not_run_together() -> None:
    assert chain(600, head=[b"ab", b"c"]) != chain(600, head=[b"a", b"bc"])


# ── Index ──────────────────────────────────────────────────────────────────────────────


def test_the_depth_of_a_match_is_found_for_each_worker() -> None:
    index = PrefixIndex()
    index.place("a", chain(2_048), "p1")
    index.place("b", chain(8_192), "p1")
    assert index.match(chain(16_384), ["a", "b", "c"]) == [4, 12, 0]
    assert index.match(chain(1_000), ["b", "c"]) == [1, 0]


def test_what_is_new_for_a_worker_is_said_once() -> None:
    index = PrefixIndex()
    assert index.place("a", chain(2_048), "p1") == chain(2_048)
    assert index.place("a", chain(4_096), "p1") == chain(4_096)[4:]
    assert index.place("a", chain(4_096), "p1") == []


def test_an_index_holds_what_is_used_and_drops_what_is_not() -> None:
    index, dice = PrefixIndex(capacity=64 * 1024), Random(4)
    hot = chain(4_096)
    for number in range(2_000):
        index.place("a", hot, "p1")
        index.place("a", [dice.getrandbits(61) for _ in range(8)], f"p{number % 5}")
    assert index.match(hot, ["a"]) == [len(hot)]
    # Three generations at most, the third on its way out, of 128 blocks of 512 bytes.
    assert index.entries() <= 3 * (128 + 8)
    assert index.size <= index.entries()


def test_all_workers_together_stay_below_the_bound() -> None:
    index, dice = PrefixIndex(8_000, CAPACITY_MAX), Random(5)
    for number in range(9_000):
        chain_new = [dice.getrandbits(61) for _ in range(6)]
        index.place(f"w{number % 10}", chain_new, f"p{number % 7}")
    assert index.entries() <= 8_000 * 1.5 + 10 * 128
    assert index.size <= index.entries()


def test_a_flood_of_one_project_leaves_another_its_prefixes() -> None:
    index, dice = PrefixIndex(capacity=1 << 20), Random(6)
    honest = [[dice.getrandbits(61) for _ in range(10)] for _ in range(20)]
    for _ in range(300):
        for prompt in honest:
            index.place("a", prompt, "honest")
        for _ in range(20):
            index.place("a", [dice.getrandbits(61) for _ in range(20)], "flood")
    assert [index.match(prompt, ["a"]) for prompt in honest] == [[10]] * 20


def test_a_worker_that_is_forgotten_holds_nothing_and_its_bit_is_used_again() -> None:
    index = PrefixIndex()
    index.place("a", chain(4_096), "p1")
    index.place("b", chain(2_048), "p1")
    index.forget("a")
    assert index.match(chain(4_096), ["a", "b"]) == [0, 4]
    index.place("c", chain(1_024), "p1")
    assert index.match(chain(4_096), ["a", "b", "c"]) == [0, 4, 2]
    index.forget("b")
    index.forget("c")
    assert (index.size, index.workers()) == (0, [])


def test_a_hundred_workers_are_matched_as_one_is() -> None:
    index = PrefixIndex()
    names = [f"w{n}" for n in range(100)]
    for number, name in enumerate(names):
        index.place(name, chain(512 * (number % 8 + 1)), "p1")
    assert index.match(chain(4_096), names) == [number % 8 + 1 for number in range(100)]


def test_what_a_plain_model_of_it_knows_the_index_knows() -> None:
    """A set of (worker, hash) that never forgets says at least as much, and no worker's lies."""
    index, dice, plain = PrefixIndex(), Random(8), set()
    prompts = [[dice.getrandbits(61) for _ in range(12)] for _ in range(40)]
    for _ in range(3_000):
        worker, prompt = dice.choice("abc"), dice.choice(prompts)[: dice.randrange(1, 13)]
        index.place(worker, prompt, dice.choice("xyz"))
        plain |= {(worker, key) for key in prompt}
        asked = dice.choice(prompts)
        found = index.match(asked, list("abc"))
        for name, depth in zip("abc", found, strict=True):
            assert all((name, key) in plain for key in asked[:depth])


def test_one_project_fills_half_of_a_generation_while_another_is_there() -> None:
    index, dice = PrefixIndex(capacity=256 * 1024), Random(7)
    index.place("a", chain(4_096), "honest")
    fresh = [
        len(index.place("a", [dice.getrandbits(61) for _ in range(8)], "flood")) for _ in range(200)
    ]
    assert 256 <= sum(fresh) <= 256 + 8
    assert index.match(chain(4_096), ["a"]) == [8]


def test_a_part_of_a_prompt_that_is_heard_of_counts_as_what_it_is() -> None:
    whole, parts = PrefixIndex(), PrefixIndex()
    whole.place("a", chain(48_000), "p1")
    parts.place("a", chain(48_000)[:5], "p1")
    parts.place("a", chain(48_000)[5:], "p1", begin=5)
    other = [Random(9).getrandbits(61)]
    for index in (whole, parts):
        index.place("a", other, "p1")
    assert parts.match(chain(48_000), ["a"]) == whole.match(chain(48_000), ["a"]) == [27]
    assert whole.ages("a", chain(48_000))[-1] == parts.ages("a", chain(48_000))[-1] == 512


# ── How much a worker keeps ────────────────────────────────────────────────────────────


class Engine:
    """A cache that keeps the blocks that were used last, as engines do; sizes in bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.kept: dict[int, int] = {}

    def ask(self, keys: list[int]) -> int:
        """Read a prompt; return how many bytes of it were cached."""
        known = 0
        while known < len(keys) and keys[known] in self.kept:
            known += 1
        for key, size in zip(keys, SIZES, strict=False):
            self.kept.pop(key, None)
            self.kept[key] = size
        while sum(self.kept.values()) > self.room:
            del self.kept[next(iter(self.kept))]
        return bytes_of(known)


@pytest.mark.parametrize("room", [1 << 20, 5 << 20, 12 << 20])
def test_how_much_a_worker_keeps_is_learned_from_what_it_reports(room: int) -> None:
    index, engine, dice = PrefixIndex(), Engine(room), Random(10)
    prompts = [[dice.getrandbits(61) for _ in range(30)] for _ in range(room * 3 // 60_000)]
    for _ in range(3_000):
        keys = dice.choice(prompts)[: dice.randrange(1, 31)]
        ages = index.ages("a", keys)
        index.place("a", keys, "p1")
        index.learn("a", ages, 0, engine.ask(keys))
    assert room * 0.7 < index.capacity("a") < room * 1.4
    hits = [(index.match(one, ["a"])[0], one) for one in prompts]
    wrong = sum(abs(bytes_of(depth) - _cached(engine, one)) for depth, one in hits)
    assert wrong < 0.25 * sum(_cached(engine, one) for one in prompts)


def _cached(engine: Engine, keys: list[int]) -> int:
    known = 0
    while known < len(keys) and keys[known] in engine.kept:
        known += 1
    return bytes_of(known)


def test_what_is_older_than_a_worker_keeps_is_not_believed_in() -> None:
    index, dice = PrefixIndex(capacity=64 * 1024), Random(11)
    index.place("a", chain(16_384), "p1")
    for _ in range(12):
        index.place("a", chain(2_048), "p1")
        index.place("a", [dice.getrandbits(61) for _ in range(8)], "p1")
    assert index.match(chain(16_384), ["a"]) == [20]
    for _ in range(6):
        index.place("a", chain(2_048), "p1")
        index.place("a", [dice.getrandbits(61) for _ in range(8)], "p1")
    assert index.match(chain(16_384), ["a"]) == [4]


def test_who_says_nothing_is_taken_to_keep_what_is_usual() -> None:
    index = PrefixIndex()
    index.place("a", chain(8_000), "p1")
    index.learn("a", [], 0, 8_000)
    index.learn("nobody", [5, 6], 0, 0)
    assert index.capacity("a") == index.capacity("nobody") == CAPACITY


def test_a_prompt_that_was_not_read_yet_does_not_shrink_a_cache() -> None:
    shelf = Shelf(0, CAPACITY)
    for _ in range(100):
        shelf.learn([CAPACITY // 10] * 20, CAPACITY // 10, 0)
    assert shelf.capacity == CAPACITY
    shelf.learn([CAPACITY // 10] * 20, CAPACITY // 10 - 1, 0)
    assert shelf.capacity < CAPACITY


def test_capacities_stay_within_their_bounds() -> None:
    shelf = Shelf(0, CAPACITY)
    for _ in range(300):
        shelf.learn([NEVER // 2], 0, bytes_of(1))
    assert shelf.capacity == CAPACITY_MAX
    for _ in range(300):
        shelf.learn([shelf.capacity - 1] * 30, 0, 0)
    assert shelf.capacity == CAPACITY_MIN


# ── Calibration ──────────────────────────────────────────────────────────────────────────────


def test_an_engine_that_says_nothing_of_its_cache_is_believed_to_have_one() -> None:
    calibration = Calibration()
    calibration.learn(1_000, None)
    assert (calibration.value, calibration.reports) == (1.0, False)


def test_an_engine_that_reports_no_hits_is_trusted_less_and_less() -> None:
    calibration = Calibration()
    for _ in range(100):
        calibration.learn(1_000, 0)
    assert calibration.reports
    assert calibration.value < 0.1
    for _ in range(100):
        calibration.learn(1_000, 4_000)
    assert 0.9 < calibration.value <= 1.0


def test_nothing_is_learned_where_nothing_was_expected() -> None:
    calibration = Calibration()
    calibration.learn(0, 500)
    assert calibration.value == 1.0
