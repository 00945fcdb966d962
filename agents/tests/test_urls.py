"""What may stand as the URL of a worker, and what is said of what may not."""

from __future__ import annotations

import pytest

from agents.rules import (
    DEFAULT_OPERATIONS,
    OPERATIONS,
    cpu_tier,
    fault_in_tenants_url,
    fault_in_url,
    operations_of,
)
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


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "https://api.example.com:8443/v1",
        "http://203.0.113.5:8000",
        "http://[2001:db8::5]:11434/v1",
        "https://xn--bcher-kva.example/v1",
        "http://10.0.0.5:8000/v1",
    ],
)
def test_url_a_project_can_name_is_taken_wherever_it_leads(url: str) -> None:
    assert fault_in_tenants_url(url) is None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://bücher.example/v1", "xn--"),
        ("https://аpi.example.com/v1", "plain letters"),
        ("http://１２７.0.0.1/v1", "plain letters"),
        ("https://api.example.com/v 1", "without spaces"),
        ("https://api.exam\nple.com/v1", "without spaces"),
        ("https://api.example.com\t/v1", "without spaces"),
        ("https://api.example.com/v1\x7f", "without spaces"),
        ("ftp://api.example.com/v1", "Begin the URL"),
        ("https://", "Name a host"),
        ("https://me:pass@api.example.com/v1", "Give the credential by itself"),
        ("https://api.example.com/v1?key=a", "Leave out what follows"),
        ("http://api.example.com:25/v1", "Port 25 is none that models are served at"),
        ("https://api.example.com:22", "Port 22"),
        ("http://api.example.com:6379", "Port 6379"),
        ("http://api.example.com:99999/v1", "Write the host's address and port"),
    ],
)
def test_url_a_project_can_not_name_says_what_to_write(url: str, says: str) -> None:
    assert says in (fault_in_tenants_url(url) or "")


def test_worker_offers_what_its_server_speaks_of_what_its_task_needs() -> None:
    spoken = ["embeddings", "completions", "chat/completions"]

    assert operations_of("generate", spoken) == ("chat/completions", "completions")
    assert operations_of("embed", spoken) == ("embeddings",)
    assert operations_of("score", spoken) == DEFAULT_OPERATIONS["score"]
    assert operations_of("generate", ()) == DEFAULT_OPERATIONS["generate"]
