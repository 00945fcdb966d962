"""What is mutated, and which tests are its own."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
INSIDE = "inference/tests/test_"
TARGETS: dict[str, tuple[str, ...]] = {
    "inference/admission/holds.py": (f"{INSIDE}admission_holds.py",),
    "inference/admission/functions.lua": (
        f"{INSIDE}admission_functions.py",
        f"{INSIDE}admission_bounds.py",
        f"{INSIDE}admission_edges.py",
        f"{INSIDE}admission_calendar.py",
        f"{INSIDE}admission_batches.py",
        f"{INSIDE}admission_void.py",
        f"{INSIDE}admission_reaper.py",
        f"{INSIDE}admission_restore.py",
    ),
    "inference/body/splice.py": (f"{INSIDE}splice.py", f"{INSIDE}dialects.py"),
    "inference/body/sse.py": (f"{INSIDE}sse.py", f"{INSIDE}sse_paths.py", f"{INSIDE}sse_fuzz.py"),
    "inference/body/tokens.py": (f"{INSIDE}tokens.py", f"{INSIDE}dialects.py"),
    "inference/gate/address.py": (f"{INSIDE}address.py", f"{INSIDE}gate.py"),
    "inference/gate/rules.py": (f"{INSIDE}gate.py", f"{INSIDE}gate_regions.py"),
    "inference/telemetry/outcome.py": (f"{INSIDE}outcome.py", f"{INSIDE}small_parts.py"),
    "ledger/services.py": ("ledger/tests",),
    "usage/rules.py": ("usage/tests",),
    "projects/access.py": ("projects/tests/test_access.py",),
    "common/tenancy.py": ("tests/test_walls.py", "common/tests"),
}
"""A file, and the tests that a newcomer would run after a change of it."""

SURVIVORS = Path(__file__).with_name("survivors.txt")


def excused() -> dict[str, str]:
    """Return the mutants that may survive, each with the reason."""
    lines = SURVIVORS.read_text(encoding="utf-8").splitlines()
    told = (line.partition("  # ") for line in lines if line.strip() and line[0] != "#")
    return {name.strip(): reason for name, _, reason in told}


def is_of(name: str, targets: list[str]) -> bool:
    """Say whether a mutant is of one of these files."""
    return name.startswith(tuple(f"{target}:" for target in targets))
