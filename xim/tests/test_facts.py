"""What a machine is: cards that are seen, and what its owner says of one that can't be."""

from __future__ import annotations

from pathlib import Path

import pytest

from xim import facts


def card(folder: Path, vendor: str, *, memory: str = "", of: str = "lmem_total_bytes") -> None:
    device = folder / f"card{len(list(folder.iterdir()))}" / "device"
    device.mkdir(parents=True)
    (device / "vendor").write_text(vendor + "\n")
    if memory:
        (device.parent / of).write_text(memory)


def test_intel_card_with_memory_of_its_own_is_one_and_what_every_processor_has_is_none(
    tmp_path: Path,
) -> None:
    card(tmp_path, facts.INTEL, memory="8000000\n")
    card(tmp_path, facts.INTEL)
    card(tmp_path, facts.AMD, memory="9000000\n")
    card(tmp_path, facts.INTEL, memory="much")

    assert facts.intel_of(tmp_path) == [
        {"kind": "xpu", "name": "Intel GPU", "memory_bytes": 8_000_000}
    ]


def test_what_the_owner_says_of_a_card_stands_beside_what_is_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(facts, "SYSFS", tmp_path)
    monkeypatch.setattr("xim.facts.shutil.which", lambda _: None)
    card(tmp_path, facts.INTEL, memory="1000")

    def kinds(said: str) -> list[str]:
        return [one["kind"] for one in facts.facts(said)["accelerators"]]

    assert kinds("") == ["xpu"]
    assert kinds("xpu") == ["xpu"]
    assert kinds("cuda") == ["cuda", "xpu"]
