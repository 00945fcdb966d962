"""Ids, fields, peers, picks, refusals, counts: the small parts, each by itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from random import Random

import pytest

from inference.admission.ports import RateLimits
from inference.contracts.decisions import Decision
from inference.contracts.entries import Worker
from inference.contracts.events import moment_of
from inference.edges.forwarded import Proxies
from inference.exchange.answer_head import duration, rate_lines
from inference.gate.address import REMEMBERED_MAX, _known_target, read_target
from inference.http.fields import Names, pairs_of, sane_id
from inference.http.ids import request_id
from inference.http.problems import CODES, FINAL, Refused
from inference.routing.pick import Picker
from inference.telemetry.log import RequestLog, _known_place
from inference.telemetry.metrics import Metrics, merge
from inference.telemetry.outcome import Outcome
from inference.telemetry.scrape import render

pytestmark = pytest.mark.anyio


def test_request_ids_are_uuids_of_version_7_that_tell_their_moment() -> None:
    made = [request_id(1_800_000_000.123) for _ in range(1000)]

    assert len(set(made)) == 1000
    assert {name[16] for name in made} == {"7"}
    assert {name[20] for name in made} <= set("89ab")
    assert moment_of(made[0]) == pytest.approx(1_800_000_000.123, abs=0.001)


def test_choice_has_the_digits_of_its_request_and_a_name_of_its_own() -> None:
    lines = Names("req_0190").worker_lines("wrk_1")

    assert lines == b"x-xerotier-worker-id: wrk_1\r\nx-xerotier-decision-id: dec_0190\r\n"


def test_later_ids_sort_later() -> None:
    assert request_id(1.0) < request_id(1.002) < request_id(time.time())


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"abc-123", "abc-123"),
        (b"a" * 128, "a" * 128),
        (b"a" * 129, ""),
        (b"", ""),
        (b'a"b', ""),
        (b"a b", ""),
        (b"\xff", ""),
    ],
)
def test_callers_id_is_kept_only_if_it_is_sane(value: bytes, kept: str) -> None:
    assert sane_id(value) == kept


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, b"0ms"),
        (0.0123, b"12ms"),
        (1, b"1s"),
        (59.4, b"59s"),
        (360, b"6m0s"),
        (3630, b"1h0m30s"),
    ],
)
def test_durations_are_written_as_openai_does(seconds: float, text: bytes) -> None:
    assert duration(seconds) == text


def test_unlimited_kinds_have_no_rate_fields() -> None:
    assert rate_lines(None) == rate_lines(RateLimits()) == b""
    assert dict(pairs_of(rate_lines(RateLimits(limit_tokens=10, remaining_tokens=-1)))) == {
        b"x-ratelimit-limit-tokens": b"10",
        b"x-ratelimit-remaining-tokens": b"0",
        b"x-ratelimit-reset-tokens": b"0ms",
    }


@pytest.mark.parametrize(
    ("peer", "said", "caller"),
    [
        pytest.param("6.6.6.6", b"1.1.1.1", "6.6.6.6", id="a stranger's word"),
        pytest.param("10.0.0.1", b"1.1.1.1", "1.1.1.1", id="one proxy"),
        pytest.param("10.0.0.1", b"9.9.9.9, 1.1.1.1, 10.0.0.2", "1.1.1.1", id="two proxies"),
        pytest.param("10.0.0.1", b"1.1.1.1, unknown", "10.0.0.1", id="nonsense"),
        pytest.param("10.0.0.1", b"10.0.0.3", "10.0.0.3", id="only proxies"),
        pytest.param("10.0.0.1", b"", "10.0.0.1", id="nothing"),
        pytest.param("::ffff:10.0.0.1", b"2001:db8::1", "2001:db8::1", id="IPv6"),
        pytest.param("", b"1.1.1.1", "", id="unix socket"),
    ],
)
def test_only_trusted_proxies_say_who_is_calling(peer: str, said: bytes, caller: str) -> None:
    headers = [(b"x-forwarded-for", said)]

    assert Proxies(("10.0.0.0/8",)).caller_of(peer, headers) == caller
    assert Proxies(()).caller_of(peer, headers) == peer


def worker(name: str, slots: int | None = None) -> Worker:
    return Worker(name, "http://w/v1", "m", (), slots=slots)


def anyone(_worker: Worker) -> bool:
    return True


def nobody(_worker_id: str) -> bool:
    return False


def chosen_by(
    picker: Picker, pools: Sequence[Sequence[Worker]], tried: Sequence[str]
) -> Worker | None:
    picked = picker.pick(pools, tried)
    return None if picked is None else picked[0]


def test_less_busy_worker_is_chosen_most_of_the_time_and_full_ones_last() -> None:
    busy = {"a": 9, "b": 0, "c": 5}
    picker = Picker(lambda worker: busy[worker.worker_id], anyone, nobody, Random(7))
    pool = [worker("a"), worker("b"), worker("c", slots=5)]

    chosen = [chosen_by(picker, [pool], []) for _ in range(400)]

    names = [found.worker_id for found in chosen if found is not None]
    assert "c" not in names
    assert names.count("b") > 250


def test_tried_and_broken_workers_are_passed_over_and_then_the_next_pool() -> None:
    picker = Picker(lambda _: 0, lambda worker: worker.worker_id != "b", nobody, Random(7))
    first, second = [worker("a"), worker("b")], [worker("c")]

    assert chosen_by(picker, [first, second], ["a"]) == worker("c")
    assert chosen_by(picker, [first, second], ["a", "c"]) is None


def test_full_worker_is_better_than_none() -> None:
    picker = Picker(lambda _: 5, anyone, nobody, Random(7))

    assert chosen_by(picker, [[worker("a", slots=1)]], []) == worker("a", slots=1)


def test_doubted_worker_is_passed_over_while_another_is_left_and_is_better_than_none() -> None:
    picker = Picker(lambda _: 5, anyone, lambda name: name != "c", Random(7))
    first, second = [worker("a"), worker("b")], [worker("c", slots=1)]

    assert chosen_by(picker, [first, second], []) == worker("c", slots=1)
    assert chosen_by(picker, [first, second], ["c", "b"]) == worker("a")
    assert chosen_by(picker, [first], ["b"]) == worker("a")


@pytest.mark.parametrize("code", CODES)
def test_every_refusal_has_the_one_envelope(code: str) -> None:
    refusal = Refused(code, "Why.", param="p")
    error = json.loads(refusal.body())["error"]
    fields = dict(refusal.headers())

    assert (error["message"], error["param"], error["code"]) == ("Why.", "p", code)
    assert error["type"] == CODES[code][1]
    assert (b"retry-after" in fields) == (refusal.status in (429, 503))
    assert ("retry_after" in error) == (refusal.status == 429)
    assert ("retry_strategy" in error) == (refusal.status == 429 and code not in FINAL)
    assert (fields.get(b"x-should-retry") == b"false") == (code in FINAL)


def ended(**facts: object) -> Outcome:
    outcome = Outcome(Names("req_1", "mine"), began_at=1.0)
    for name, fact in facts.items():
        setattr(outcome, name, fact)
    outcome.close(200, "", "complete", 1.5)
    return outcome


async def test_line_says_why_the_worker_was_chosen_if_one_was() -> None:
    written: list[bytes] = []
    log = RequestLog(written.append, asyncio.get_running_loop(), lambda: 1_800_000_000.25)

    log.ended(ended(decision=Decision(tried=1, candidates=2, in_flight=300)))
    log.ended(ended())
    log.flush()

    chosen, refused = (json.loads(line) for line in b"".join(written).splitlines())
    assert chosen["decision"] == {
        "tried": 1,
        "candidates": 2,
        "in_flight": 300,
        "fallback": 0,
        "hops": 0,
    }
    assert "decision" not in refused


async def test_line_is_json_also_when_a_path_holds_quotes() -> None:
    written: list[bytes] = []
    log = RequestLog(written.append, asyncio.get_running_loop(), lambda: 1_800_000_000.25)

    log.ended(ended(project="proj_A", endpoint='a"b\\c'))
    log.ended(ended(project="proj_A", endpoint="chat", first_at=1.25, streamed=True))
    log.flush()

    odd, plain = (json.loads(line) for line in b"".join(written).splitlines())
    assert odd["endpoint"] == 'a"b\\c'
    assert (odd["ttft_ms"], odd["streamed"]) == (None, False)
    assert (plain["ttft_ms"], plain["latency_ms"], plain["streamed"]) == (250.0, 500.0, True)
    assert plain["timestamp"] == "2027-01-15T08:00:00.250Z"
    assert set(odd) == set(plain)


async def test_paths_of_strangers_are_written_and_not_remembered() -> None:
    written: list[bytes] = []
    log = RequestLog(written.append, asyncio.get_running_loop(), lambda: 1_800_000_000.25)
    before = _known_place.cache_info().currsize

    for number in range(10):
        log.ended(ended(project="proj_A", endpoint=f"{number}" * 10_000))
    log.flush()

    assert _known_place.cache_info().currsize == before
    lines = [json.loads(line) for line in b"".join(written).splitlines()]
    assert [line["endpoint"][0] for line in lines] == list("0123456789")


def test_long_target_is_read_and_not_remembered() -> None:
    before = _known_target.cache_info().currsize
    slug = "a" * REMEMBERED_MAX

    target = read_target(f"/proj_A/{slug}/v1/models".encode())

    assert (target.slug, target.rest) == (slug, "models")
    assert _known_target.cache_info().currsize == before


def test_counts_of_several_processes_add_up() -> None:
    one, two = Metrics(), Metrics()
    for metrics in (one, two, two):
        metrics.ended(ended())

    total = merge([one.snapshot({"open": 1}), two.snapshot({"open": 2})])
    text = render([total]).decode()

    assert (
        'xerotier_requests_total{code="",ending="complete",operation="",status="200"} 3.0' in text
    )
    assert "xerotier_open 3.0" in text
