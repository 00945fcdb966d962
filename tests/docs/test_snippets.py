"""Every snippet a reader may paste is pasted here, against a platform that runs.

``no-run`` behind a block's language says that it only shows something; ``clients`` that it
needs what others wrote, which has an environment of its own (``make clients``).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.platform import Platform
from tests.tools import clients

pytestmark = pytest.mark.sdk

ROOT = Path(__file__).parents[2]
NODE_MODULES = ROOT / "tests" / "sdk"
FIRST = ("README.md", "docs/quickstart.md")
"""What a newcomer reads first shows every language."""
ELSEWHERE = frozenset({"docs/install.md"})
"""Pages with a test of their own."""
PAGES = (
    "README.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")),
)
TOKEN = "XEROTIER_OPERATOR_TOKEN"
FENCE = re.compile(r"^```(bash|python|javascript)(| clients)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    """One fenced block: where it stands, its language, its text."""

    page: str
    line: int
    language: str
    needs_clients: bool
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}-{self.language}"


def snippets() -> list[Snippet]:
    found = []
    for page in PAGES:
        text = "" if page in ELSEWHERE else (ROOT / page).read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Snippet(page, line, match[1], bool(match[2]), match[3]))
    return found


def test_what_newcomers_read_shows_all_three_languages() -> None:
    languages = {(found.page, found.language) for found in snippets() if found.page in FIRST}

    assert languages == {
        (page, language) for page in FIRST for language in ("bash", "python", "javascript")
    }


@pytest.mark.parametrize("snippet", snippets(), ids=str)
def test_snippet_does_what_it_says(platform: Platform, snippet: Snippet, tmp_path: Path) -> None:
    if snippet.needs_clients and not clients.is_current():
        # No part of the platform, and half of a run's time: they have a target of their own.
        pytest.skip("the clients of others are not installed: make clients")

    ran = subprocess.run(  # noqa: S603 - our own documentation
        _command(snippet, tmp_path),
        env={
            **platform.settings,
            **platform.quickstart,
            **(operators_token(platform) if TOKEN in snippet.text else {}),
            "LLM_USER_PATH": str(tmp_path / "llm"),
            "PATH": f"{clients.PYTHON.parent}:{platform.settings['PATH']}",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr + ran.stdout
    assert ran.stdout.strip()
    assert '"error"' not in ran.stdout


def operators_token(platform: Platform) -> dict[str, str]:
    """Make what the page of the operator API has its readers make."""
    argv = [sys.executable, "manage.py", "operator_token", "make"]
    argv += [platform.quickstart["XEROTIER_OPERATOR_EMAIL"], "--name", "docs"]
    made = subprocess.run(  # noqa: S603 - our own words
        argv, cwd=ROOT, env=platform.settings, capture_output=True, text=True, check=True
    )
    return {TOKEN: made.stdout.strip()}


def _command(snippet: Snippet, folder: Path) -> list[str]:
    if snippet.language == "python":
        python = clients.PYTHON if snippet.needs_clients else sys.executable
        return [str(python), "-c", snippet.text]
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
