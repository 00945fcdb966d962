"""The official Node SDK works with only base URL and key set."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.platform import Platform

pytestmark = pytest.mark.sdk

FOLDER = Path(__file__).parent


@pytest.fixture(scope="module")
def seen(platform: Platform) -> dict[str, Any]:
    """Run every call once; the tests look at what came back."""
    # Node is no part of the platform; `.ci/run` installs it and its SDK, so CI leaves nothing out.
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed: the Node SDK can't be driven")
    if not (FOLDER / "node_modules" / "openai").is_dir():
        pytest.skip("The Node SDK is not installed: run `npm ci` in tests/sdk")
    ran = subprocess.run(  # noqa: S603 - our own script
        [node, "calls.mjs"],
        cwd=FOLDER,
        env={**platform.settings, **platform.quickstart},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    answers: dict[str, Any] = json.loads(ran.stdout)
    return answers


def test_chat_answers_and_counts(seen: dict[str, Any]) -> None:
    assert "Paris" in seen["whole"]["text"]
    assert seen["whole"]["usage"]["completion_tokens"] > 0


def test_stream_is_the_same_answer_without_usage_nobody_asked_for(seen: dict[str, Any]) -> None:
    assert "".join(piece["text"] for piece in seen["pieces"]) == seen["whole"]["text"]
    assert all(piece["usage"] is None for piece in seen["pieces"])


def test_stream_carries_usage_once_when_asked(seen: dict[str, Any]) -> None:
    [usage] = seen["usageAsked"]
    assert usage["completion_tokens"] > 0


def test_models_and_embeddings_answer(seen: dict[str, Any]) -> None:
    assert seen["models"] == ["smollm2-135m-instruct"]
    assert seen["embeddings"] == [384, 384]


def test_refusal_is_the_sdks_own_error_with_a_request_id(seen: dict[str, Any]) -> None:
    refusal = seen["refusal"]
    assert (refusal["kind"], refusal["status"]) == ("AuthenticationError", 401)
    assert (refusal["code"], bool(refusal["id"])) == ("invalid_api_key", True)
