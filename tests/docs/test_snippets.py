"""Every snippet a reader may paste is pasted here, against a platform that runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.platform import Platform

pytestmark = pytest.mark.sdk

ROOT = Path(__file__).parents[2]
NODE_MODULES = ROOT / "tests" / "sdk"
PAGES = ("README.md", "docs/quickstart.md")
FENCE = re.compile(r"^```(bash|python|javascript)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    """One fenced block: where it stands, its language, its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}-{self.language}"


def snippets() -> list[Snippet]:
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Snippet(page, line, match[1], match[2]))
    return found


def test_every_page_has_all_three_languages() -> None:
    languages = {(snippet.page, snippet.language) for snippet in snippets()}

    assert languages == {
        (page, language) for page in PAGES for language in ("bash", "python", "javascript")
    }


@pytest.mark.parametrize("snippet", snippets(), ids=str)
def test_snippet_does_what_it_says(platform: Platform, snippet: Snippet, tmp_path: Path) -> None:
    ran = subprocess.run(  # noqa: S603 - our own documentation
        _command(snippet, tmp_path),
        env={**platform.settings, **platform.quickstart},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr + ran.stdout
    assert ran.stdout.strip()
    assert '"error"' not in ran.stdout


def _command(snippet: Snippet, folder: Path) -> list[str]:
    if snippet.language == "python":
        return [sys.executable, "-c", snippet.text]
    if snippet.language == "bash":
        return ["bash", "-euo", "pipefail", "-c", snippet.text]
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "node_modules").is_dir():
        # Node is no part of the platform; `.ci/run` installs it, so CI runs these snippets, too.
        pytest.skip("Node or its SDK is not installed: run `npm ci` in tests/sdk")
    script = folder / "snippet.mjs"
    script.write_text(snippet.text, encoding="utf-8")
    (folder / "node_modules").symlink_to(NODE_MODULES / "node_modules")
    return [node, str(script)]
