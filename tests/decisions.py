"""Decision records for tests, as a gateway would tell them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from inference.contracts.decide import FORMULA, decide, mix
from inference.contracts.policies import BALANCED
from inference.contracts.records import Came, DecisionRecord
from inference.contracts.snapshot import Candidate, Wish
from projects.models import Project
from routing import intake
from routing.intake import Entry
from routing.models import DecisionReading
from tests.make import request_id

MS = 1_000


def candidate(place: int, state: int = 0, **said: int) -> Candidate:
    """Return a worker with nothing before it, 50 ms away, that reads 10,000 tokens a second."""
    made = Candidate(place, state)
    made.base_us, made.speed_ns, made.new_tokens = 50 * MS, 100_000, 1_000
    for name, value in said.items():
        setattr(made, name, value)
    return made


def make_decision(
    project: Project,
    candidates: Sequence[Candidate] | None = None,
    workers: Sequence[str] | None = None,
    **said: object,
) -> DecisionRecord:
    """Return a record of a choice that the plane would have made of these candidates."""
    among = candidates or [candidate(0), candidate(1, backlog=20_000, in_flight=7)]
    asked = DecisionRecord(
        request_id=request_id(),
        attempt=0,
        project=project.public_id,
        endpoint="chat",
        model="smollm2-135m-instruct",
        gateway="gw1",
        at=time.time(),
        at_us=1,
        formula=FORMULA,
        policy=BALANCED,
        draw=mix(1),
        tokens=1_000,
        weight=256,
        ttft_us=0,
        tpot_us=0,
        fallback=0,
        chosen=0,
        workers=tuple(workers or (f"wrk_{number}" for number in range(len(among)))),
        candidates=tuple(one.numbers() for one in among),
        came=Came(ttft_us=160 * MS, tpot_us=9 * MS, took_us=800 * MS, ending="complete"),
    )
    made = replace(asked, **said)  # type: ignore[arg-type] # why: the caller names its fields
    if "chosen" in said:
        return made
    wish = Wish(made.tokens, made.weight, made.ttft_us, made.tpot_us)
    return replace(made, chosen=decide(among, wish, made.policy, made.draw).chosen)


def text_of(*records: DecisionRecord) -> str:
    """Write records as an entry of the stream has them."""
    return json.dumps([asdict(record) for record in records])


def tell(*records: DecisionRecord) -> int:
    """Have records taken in as if they had just been read."""
    place = DecisionReading.objects.first()
    number = int(place.entry_id.partition("-")[0]) + 1 if place else 1
    return intake.read_on(lambda _since: [Entry(f"{number}-0", text_of(*records))])
