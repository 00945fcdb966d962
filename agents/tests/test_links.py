"""Links of agents, read as gateways write them: old ones, broken ones, and none at all."""

from __future__ import annotations

import pytest
import redis

from agents import links
from common import clock
from inference.contracts.agents import LINK_S, LinkReport, dump
from inference.contracts.names import LINKS, link_key, link_member


def write(valkey: redis.Redis, agent: str, gateway: str, *, ago_s: float = 0) -> None:
    seen = clock.now().timestamp() - ago_s
    report = LinkReport(gateway, seen - 60, seen, 2, {"slots": 4})
    valkey.set(link_key(agent, gateway), dump(report))
    valkey.zadd(LINKS, {link_member(agent, gateway): seen})


def gateways(found: dict[str, list[LinkReport]] | None) -> dict[str, list[str]]:
    return {agent: [one.gateway for one in reports] for agent, reports in (found or {}).items()}


def heard() -> dict[str, str]:
    """Return through which gateway each agent was heard last."""
    found = links.freshest()
    assert found is not None
    return {agent: report.gateway for agent, report in found.items()}


def test_links_come_by_agent_and_the_freshest_first(valkey: redis.Redis) -> None:
    write(valkey, "agt_a", "gw_old", ago_s=3)
    write(valkey, "agt_a", "gw_new")
    write(valkey, "agt_b", "gw_old")

    found = links.of_agents(["agt_a", "agt_b"])
    assert gateways(found) == {"agt_a": ["gw_new", "gw_old"], "agt_b": ["gw_old"]}
    assert heard() == {"agt_a": "gw_new", "agt_b": "gw_old"}


def test_agent_whose_freshest_report_is_gone_is_heard_by_the_next(valkey: redis.Redis) -> None:
    write(valkey, "agt_a", "gw_old", ago_s=3)
    write(valkey, "agt_a", "gw_new")
    valkey.delete(link_key("agt_a", "gw_new"))

    assert heard() == {"agt_a": "gw_old"}


def test_link_that_was_not_renewed_is_none(valkey: redis.Redis) -> None:
    write(valkey, "agt_a", "gw_1", ago_s=LINK_S + 1)

    assert not heard()
    assert not links.of_agents(["agt_a"])


def test_long_gone_links_are_swept_away(valkey: redis.Redis) -> None:
    write(valkey, "agt_a", "gw_1", ago_s=LINK_S * 3)

    links.freshest()

    assert valkey.zcard(LINKS) == 0


def test_link_whose_report_is_gone_or_no_report_is_left_out(valkey: redis.Redis) -> None:
    for gateway, text in (("gw_1", None), ("gw_2", "{"), ("gw_3", "[]"), ("gw_4", "{}")):
        write(valkey, "agt_a", gateway)
        if text is None:
            valkey.delete(link_key("agt_a", gateway))
        else:
            valkey.set(link_key("agt_a", gateway), text)
    write(valkey, "agt_a", "gw_5")
    valkey.zadd(LINKS, {"no-member": clock.now().timestamp()})

    assert heard() == {"agt_a": "gw_5"}
    assert gateways(links.of_agents(["agt_a"])) == {"agt_a": ["gw_5"]}


def test_asked_for_some_it_tells_of_no_other(valkey: redis.Redis) -> None:
    for agent in ("agt_a", "agt_b", "agt_ab"):
        write(valkey, agent, "gw_1")

    assert set(links.of_agents(["agt_a"])) == {"agt_a"}
    assert links.of_agents([]) == {}


def test_more_links_than_are_read_at_once_are_all_read(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MOST", 2)
    for number in range(5):
        write(valkey, f"agt_{number}", "gw_1")

    assert len(heard()) == 5
