"""What a gateway makes of what others write of their links, and whom it chooses by that."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from inference.contracts.agents import LinkReport, dump, load_report
from inference.contracts.decisions import ALL_FULL, NOBODY_THERE
from inference.contracts.entries import Worker
from inference.fleet.hop.directory import Directory, Place, place_of
from inference.fleet.ports import FREE, FULL
from inference.routing.pick import Picker
from inference.tests.identities import served

STATE = {"slots": 4, "running": 1, "drain": False, "models": [served("mock", running=1)]}
REPORT = LinkReport("gtw_1", 1.0, 2.0, 1, STATE, None, "10.0.0.9", hop="10.0.0.5:9400")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def said(**other: Any) -> LinkReport:
    return replace(REPORT, state={**STATE, **other})


def test_report_that_travelled_says_where_and_what_may_be_asked() -> None:
    place = place_of("agt_1", load_report(dump(REPORT)))

    assert place == Place("agt_1", "gtw_1", "10.0.0.5:9400", {"mock": 1}, frozenset())
    assert place is not None
    assert (place.runs("mock"), place.runs(""), place.runs("another")) == (1, 1, None)
    assert place.has_room("")


@pytest.mark.parametrize(
    "report",
    [
        replace(REPORT, hop=""),
        replace(REPORT, takes=False),
        replace(REPORT, state={}),
        said(drain=True),
        said(models=[]),
        said(models=[served("mock", "loading"), served("other", "failed")]),
    ],
    ids=["no address", "takes none", "silent", "drains", "no models", "none ready"],
)
def test_link_that_would_take_nothing_is_no_place(report: LinkReport) -> None:
    assert place_of("agt_1", report) is None


def test_report_of_a_gateway_that_knows_no_hops_is_no_place() -> None:
    before = '{"gateway":"gtw_1","since":1,"seen":2,"in_flight":0,"state":{"models":[]},"peer":""}'

    assert place_of("agt_1", load_report(before)) is None


@pytest.mark.parametrize(
    "report",
    [said(running=4), replace(REPORT, in_flight=4), said(models=[served("mock", "sleeping")])],
    ids=["by its word", "by ours", "asleep"],
)
def test_machine_without_a_free_place_or_asleep_has_no_room(report: LinkReport) -> None:
    place = place_of("agt_1", report)

    assert place is not None
    assert not place.has_room("mock")
    assert place.runs("mock") is not None


def test_places_are_replaced_forgotten_and_shunned_for_a_moment() -> None:
    clock = Clock()
    directory = Directory(clock, Random(7))
    places = [Place("agt_1", name, "a:1", {"mock": 0}) for name in ("gtw_1", "gtw_2")]
    directory.replace(places)
    firsts = {directory.in_any_order("agt_1", "mock")[0].gateway for _ in range(50)}
    assert firsts == {"gtw_1", "gtw_2"}

    directory.shun("gtw_1")
    assert directory.in_any_order("agt_1", "mock") == [places[1]]
    directory.replace(places)  # Read anew: what can't be reached is still not tried.
    assert directory.find("agt_1", "mock") == [places[1]]
    clock.now += 3.1
    assert directory.find("agt_1", "mock") == places

    directory.forget(places[0])
    assert directory.find("agt_1", "mock") == [places[1]]
    assert directory.find("agt_2", "mock") == directory.find("agt_1", "another") == []


def worker(name: str) -> Worker:
    return Worker(name, "", "mock", (), agent=name)


def picker(near: dict[str, bool], far: dict[str, str]) -> Picker:
    """Choose among workers: ``near`` says who is full, ``far`` who is behind a detour."""

    def is_full(one: Worker) -> bool:
        return near.get(one.worker_id, True)

    def detour(one: Worker) -> str:
        return far.get(one.worker_id, "")

    there = {*near, *far}
    return Picker(
        lambda _: 0,
        lambda one: one.worker_id in there,
        lambda _: False,
        Random(7),
        is_full,
        detour,
    )


def test_worker_with_a_link_here_is_preferred_and_one_behind_a_hop_better_than_none() -> None:
    both = picker({"near": False}, {"far": FREE})
    chosen = [both.pick([[worker("far"), worker("near")]], ()) for _ in range(20)]
    alone = picker({}, {"far": FREE}).pick([[worker("far")]], ("near",))

    assert {one[0].worker_id for one in chosen if one} == {"near"}
    assert {one[1].hops for one in chosen if one} == {0}
    assert alone is not None
    assert (alone[0].worker_id, alone[1].hops, alone[1].tried) == ("far", 1, 1)


def test_full_worker_with_a_link_here_is_no_hop() -> None:
    picked = picker({"near": True}, {}).pick([[worker("near")]], ())

    assert picked is not None
    assert picked[1].hops == 0


def test_project_falls_back_for_want_of_room_and_never_for_want_of_a_link() -> None:
    own = [[worker("far")]]

    assert picker({}, {"far": FREE}).lacks(own) == 0
    assert picker({}, {"far": FULL}).lacks(own) == ALL_FULL
    assert picker({}, {}).lacks(own) == NOBODY_THERE
