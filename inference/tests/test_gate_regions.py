"""Who serves an endpoint that says where, and what is said where nobody does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inference.contracts.entries import Pool, Worker
from inference.gate import rules
from inference.http.problems import Refused
from inference.tests.test_gate import CHAT, ROUTE, TERMS

EU, US = (
    Worker(f"wrk_{region}", "http://127.0.0.1:1/v1", "small", ("chat/completions",), region=region)
    for region in ("eu", "us")
)


@pytest.mark.parametrize(("region", "found"), [("", [[EU, US]]), ("eu", [[EU]]), ("us", [[US]])])
def test_endpoint_is_served_by_the_workers_of_its_region(
    region: str, found: list[list[Worker]]
) -> None:
    pools: list[Pool | None] = [Pool(1, "shared/free/small", (EU, US)), None]

    assert rules.find_workers(replace(ROUTE, region=region), pools, CHAT) == found


@pytest.mark.parametrize(
    ("pools", "words"),
    [
        (("shared/a",), "No worker in region “asia” serves"),
        (("own/a",), "No machine of this project in region “asia” serves"),
    ],
)
def test_region_without_a_worker_is_named_with_what_to_do(
    pools: tuple[str, ...], words: str
) -> None:
    route = replace(ROUTE, region="asia", pools=pools)

    with pytest.raises(Refused) as refused:
        rules.find_workers(route, [Pool(1, pools[0], (EU, US))], CHAT)

    assert refused.value.code == "endpoint_inactive"
    assert refused.value.message.startswith(words)
    assert "another region" in refused.value.message


def test_endpoint_that_could_fall_back_says_that_neither_is_there() -> None:
    own = replace(ROUTE, pools=("own/a",))
    paid = replace(own, pools=("shared/a",), terms=replace(TERMS, tier="gpu"))

    assert "nor does one of the tier gpu" in rules.nobody(replace(own, fallback=paid))


def test_endpoint_on_shared_machines_says_nothing_of_its_own_nor_of_regions_it_does_not_name() -> (
    None
):
    paid = replace(ROUTE, pools=("shared/a",), terms=replace(TERMS, tier="gpu"))
    words = rules.nobody(replace(ROUTE, pools=("shared/a",), fallback=paid))

    assert words.startswith("No worker")
    assert "nor does" not in words
    assert "region" not in words
    assert "region" not in rules.nobody(replace(ROUTE, pools=("own/a",)))
