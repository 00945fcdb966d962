"""Entries are read across versions: what is new has a default, and what is older stays."""

from __future__ import annotations

import json
from dataclasses import replace

from inference.contracts.entries import Pool, Route, Terms, Worker, dump, load

BY_URL = Worker("wrk_1", "http://127.0.0.1:9000/v1", "m", ("embeddings",), slots=2)
BY_AGENT = Worker("wrk_2", "", "m", ("embeddings",), agent="agt_1")
BEFORE_AGENTS = {
    "worker_id": "wrk_1",
    "url": "http://127.0.0.1:9000/v1",
    "model": "m",
    "operations": ["embeddings"],
    "credential": "",
    "slots": 2,
    "served_name": "",
}


def test_workers_of_either_address_are_read_as_they_were_written() -> None:
    pool = Pool(3, "shared/free/m", (BY_URL, BY_AGENT))

    assert load(Pool, dump(pool)) == pool


def test_pool_of_before_there_were_agents_is_read_as_one_of_urls() -> None:
    text = json.dumps({"version": 3, "name": "shared/free/m", "workers": [BEFORE_AGENTS]})

    assert load(Pool, text).workers == (BY_URL,)


def test_gateway_of_before_there_were_agents_finds_all_it_knows() -> None:
    [by_url, by_agent] = json.loads(dump(Pool(3, "shared/free/m", (BY_URL, BY_AGENT))))["workers"]

    assert {name: by_url[name] for name in BEFORE_AGENTS} == BEFORE_AGENTS
    assert BEFORE_AGENTS.keys() < by_agent.keys()
    assert by_agent["url"] == ""


TERMS = Terms("self_hosted", 1, None, None, 100, 30.0, 60.0, 30)
PAID = Terms("gpu", 4, 60, 1000, 50, 30.0, 60.0, 25, price_per_million=1_000_000)
ROUTE = Route(2, "proj_a", "chat", "ep_1", "m", "generate", TERMS, ("own/proj_a/m",), region="eu")


def test_fallback_is_written_as_what_it_is_other_in_and_read_as_a_whole_route() -> None:
    fallback = replace(ROUTE, terms=PAID, pools=("shared/gpu/m",))
    route = replace(ROUTE, fallback=fallback)

    written = dump(route)

    assert set(json.loads(written)["fallback"]) == {"terms", "pools"}
    assert load(Route, written) == route
    assert load(Route, written).fallback == fallback


def test_route_of_before_there_were_fallbacks_and_regions_has_none() -> None:
    raw = json.loads(dump(ROUTE))
    older = {name: value for name, value in raw.items() if name not in {"fallback", "region"}}

    route = load(Route, json.dumps(older))

    assert (route.fallback, route.region) == (None, "")
    assert load(Route, json.dumps(raw | {"fallback": "free"})).fallback is None
