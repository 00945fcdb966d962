"""Whatever is sent, the API answers as its document says, and never with a 5xx.

Bounded: a few generated requests for each operation, on a live server, with a fixed seed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import override_settings
from pytest_django.live_server_helper import LiveServer

from api.tests.test_openapi import make_world
from tests.made_up import share_of

PROGRAM = Path(sys.executable).with_name("schemathesis")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance"
PATIENCE_S = 110
REQUESTS_EACH = 12
# Needs a person's session, or would end the project that the others work on.
LEFT_OUT = r"/project/(leave|transfer|restore)$"


@pytest.mark.parametrize("is_of_operators", [False, True], ids=["projects", "operators"])
@pytest.mark.slow  # Hundreds of generated requests over real HTTP.
@pytest.mark.django_db(transaction=True)
def test_generated_requests_meet_no_5xx_and_no_undocumented_answer(
    live_server: LiveServer,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    is_of_operators: bool,
) -> None:
    world = make_world(1)
    names = "\n".join(f"{name} = {json.dumps(value)}" for name, value in world.ids.items())
    config = tmp_path / "schemathesis.toml"
    config.write_text(f"[parameters]\n{names}\n")
    bearer = world.token if is_of_operators else world.bearer
    argv = [str(PROGRAM), "--config-file", str(config), "run"]
    argv += [f"{live_server.url}/api/openapi.json", "--url", live_server.url, "--no-color"]
    argv += ["-H", f"Authorization: Bearer {bearer}"]
    argv += ["--checks", f"{CHECKS},response_schema_conformance", "--exclude-tag", "inference"]
    argv += ["--include-tag" if is_of_operators else "--exclude-tag", "operator"]
    argv += ["--exclude-path-regex", LEFT_OUT, "--exclude-operation-id", "delete_project"]
    argv += ["--phases", "fuzzing", "-n", str(share_of(REQUESTS_EACH)), "--seed", "1"]

    with override_settings(MANAGEMENT_PER_MIN=1_000_000):
        outcome = subprocess.run(  # noqa: S603 - our own words
            argv,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            cwd=tmp_path,
            env={"PATH": os.defpath, "HOME": str(tmp_path)},
        )

    count = re.search(r"([\d,]+) generated", outcome.stdout)
    record_property("told", f"schemathesis: {count[1] if count else 'no'} generated requests")
    assert count is not None, outcome.stdout[-6000:]
    assert outcome.returncode == 0, outcome.stdout[-6000:]
