"""What may stand as the URL of a worker, and what is said of what may not."""

from __future__ import annotations

import pytest

from agents.rules import DEFAULT_OPERATIONS, OPERATIONS, cpu_tier, fault_in_url
from inference.contracts import operations


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "https://gpu.example.com/v1",
        "http://[::1]:8000/v1",
        "http://worker",
        "https://gpu.example.com:443/openai/v1/",
    ],
)
def test_url_a_gateway_can_ask_is_taken(url: str) -> None:
    assert fault_in_url(url) is None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "Begin the URL with http:// or https://."),
        ("worker:8000/v1", "Begin the URL with http:// or https://."),
        ("ftp://worker/v1", "Begin the URL with http:// or https://."),
        ("file:///etc/passwd", "Begin the URL with http:// or https://."),
        ("http://", "Name a host in the URL."),
        ("http:///v1", "Name a host in the URL."),
        ("http://:8000/v1", "Name a host in the URL."),
        ("http://ada@worker/v1", "Give the credential by itself, not inside the URL."),
        ("http://ada:secret@worker/v1", "Give the credential by itself, not inside the URL."),
        ("http://:secret@worker/v1", "Give the credential by itself, not inside the URL."),
        ("http://worker/v1?key=1", "Leave out what follows “?” or “#”."),
        ("http://worker/v1#top", "Leave out what follows “?” or “#”."),
    ],
)
def test_url_no_gateway_can_ask_is_refused_in_words(url: str, says: str) -> None:
    assert fault_in_url(url) == says


@pytest.mark.parametrize(
    "url", ["http://[::1/v1", "http://worker:99999/v1", "http://worker:eighty/v1", "http://[x]/v1"]
)
def test_address_that_is_none_is_refused_and_breaks_nothing(url: str) -> None:
    assert "http://host:8000" in (fault_in_url(url) or "")


@pytest.mark.parametrize("task", DEFAULT_OPERATIONS)
def test_worker_nobody_asked_is_taken_to_offer_only_what_its_task_may_speak(task: str) -> None:
    assert all(task in operations.OPERATIONS[one] for one in DEFAULT_OPERATIONS[task])
    assert set(DEFAULT_OPERATIONS[task]) <= set(OPERATIONS)
    assert "responses" not in DEFAULT_OPERATIONS[task]


@pytest.mark.parametrize(
    ("cpuinfo", "tier"),
    [
        ("vendor_id\t: GenuineIntel\n", "cpu_intel_optimized"),
        ("vendor_id\t: AuthenticAMD\n", "cpu_amd_optimized"),
        ("", "cpu_amd_optimized"),
    ],
)
def test_machine_without_accelerator_is_of_the_tier_of_its_maker(cpuinfo: str, tier: str) -> None:
    assert cpu_tier(cpuinfo) == tier
