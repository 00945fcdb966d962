"""Entries are read across versions: what is new has a default, and what is older stays."""

from __future__ import annotations

import json

from inference.contracts.entries import Pool, Worker, dump, load

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
