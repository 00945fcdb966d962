"""What the planes say of agents is read as it was written, and across versions."""

from __future__ import annotations

import json

import pytest

from inference.contracts import agents
from inference.contracts.agents import AgentEntry, LinkReport
from inference.contracts.names import agent_key, link_key, link_member

ENTRY = AgentEntry(7, "agt_1", "proj_1", agents.ACTIVE, models=("llama", "qwen"))
REPORT = LinkReport("gtw", 1.5, 2.5, 3, {"slots": 4}, {"os": "linux"}, "192.0.2.1")


def test_entry_of_an_agent_is_read_as_it_was_written() -> None:
    assert agents.load(agents.dump(ENTRY)) == ENTRY


def test_what_a_newer_control_plane_adds_is_dropped() -> None:
    text = json.dumps({**json.loads(agents.dump(ENTRY)), "region": "eu"})

    assert agents.load(text) == ENTRY


def test_entry_without_what_was_added_later_is_read() -> None:
    text = '{"version":1,"agent":"agt_1","project":"","state":"pending"}'

    assert agents.load(text) == AgentEntry(1, "agt_1", "", agents.PENDING)


@pytest.mark.parametrize("text", ["[]", "7", "{}", '{"version":1}', "{"], ids=repr)
def test_what_is_no_entry_is_an_error_that_readers_expect(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        agents.load(text)


def test_report_of_a_link_is_read_as_it_was_written() -> None:
    assert agents.load_report(agents.dump(REPORT)) == REPORT


def test_names_of_an_agent_and_its_links_tell_them_apart() -> None:
    assert agent_key("agt_1") == "agent:agt_1"
    assert link_key("agt_1", "gtw") == "link:agt_1:gtw"
    assert link_member("agt_1", "gtw") == "agt_1:gtw"
