"""Records come out of the stream as they went in, and never stand in the way of a request."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from inference.contracts.decide import FORMULA, decide
from inference.contracts.records import (
    CANDIDATE,
    RECORDS,
    DecisionRecord,
    read_records,
)
from inference.contracts.snapshot import Wish, candidate_of
from inference.routing.recorder import WAITING_MAX, Recorder
from inference.tests.test_choice import ANSWER, Scene, asked, ended

pytestmark = pytest.mark.anyio


class Line:
    """Stands for the link to Valkey: keeps what was sent."""

    def __init__(self) -> None:
        self.is_up = True
        self.sent: list[tuple[Any, ...]] = []
        self.came = asyncio.Event()

    def recorder(self, at: float = 0.0) -> Recorder:
        return Recorder(self.call, lambda: self.is_up, "gw", lambda: at)

    def call(self, *parts: Any, then: Any) -> None:
        self.sent.append(parts)
        self.came.set()
        then(b"1-1")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def played(recorder: Recorder, count: int = 1) -> Scene:
    """Let so many requests run, each told to a recorder."""
    scene = Scene()
    scene.scales.note = recorder.note
    for number in range(count):
        demand = asked(ttft_us=400_000)
        demand.request_id, demand.endpoint, demand.seed = f"req_{number}", "chat", number
        choice = scene.choose(demand)
        scene.now += 0.3
        choice.first_token(is_stream=True)
        choice.conclude(ended(ANSWER))
    return scene


def read(line: Line) -> list[DecisionRecord]:
    return [record for parts in line.sent for record in read_records(parts[-1])]


async def test_a_record_reads_back_as_what_was_decided() -> None:
    line = Line()
    recorder = line.recorder(at=1_800_000_000.5)
    played(recorder)
    recorder.stop()
    [record] = read(line)
    assert (record.request_id, record.project, record.endpoint) == ("req_0", "p1", "chat")
    assert (record.attempt, record.gateway, record.formula) == (0, "gw", FORMULA)
    assert (record.came.ttft_us, record.came.target, record.at) == (300_000, 1, 1_800_000_000.5)
    assert [len(row) for row in record.candidates] == [len(CANDIDATE)] * 2


async def test_every_record_is_decided_again_to_the_same_worker() -> None:
    line = Line()
    recorder = line.recorder()
    played(recorder, 300)
    recorder.stop()
    records = read(line)
    assert len(records) == 300
    for record in records:
        wish = Wish(record.tokens, record.weight, record.ttft_us, record.tpot_us)
        among = [candidate_of(row) for row in record.candidates]
        assert decide(among, wish, record.policy, record.draw).chosen == record.chosen


async def test_records_wait_a_moment_and_go_out_together() -> None:
    line = Line()
    recorder = line.recorder()
    played(recorder, 5)
    assert line.sent == []
    async with asyncio.timeout(5):
        await line.came.wait()
    assert [parts[:3] for parts in line.sent] == [("XADD", RECORDS, "MAXLEN")]
    assert (len(read(line)), recorder.told) == (5, 5)


async def test_without_valkey_they_are_dropped_and_counted() -> None:
    line = Line()
    recorder = line.recorder()
    line.is_up = False
    played(recorder, 3)
    recorder.stop()
    assert (line.sent, recorder.dropped, recorder.told) == ([], 3, 0)


async def test_no_more_wait_than_there_is_room_for() -> None:
    recorder = Line().recorder()
    played(recorder, WAITING_MAX + 7)
    assert recorder.dropped == 7
    recorder.stop()


@pytest.mark.parametrize(
    "spoiled",
    [
        {"workers": ["a"]},
        {"chosen": 2},
        {"candidates": [[1, 2]] * 2},
        {"policy": {"name": "own", "kappa": -1}},
        {"came": None},
    ],
    ids=lambda spoiled: next(iter(spoiled)),
)
async def test_what_is_no_record_is_left_out_and_what_is_new_is_ignored(
    spoiled: dict[str, Any],
) -> None:
    line = Line()
    recorder = line.recorder()
    played(recorder)
    recorder.stop()
    [raw] = json.loads(line.sent[0][-1])
    assert len(read_records(json.dumps([raw | {"new": 1}, raw | spoiled, 7]))) == 1
    with pytest.raises(ValueError, match="list"):
        read_records(json.dumps(raw))
