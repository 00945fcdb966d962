"""Production settings: clean when they are right, and no start at all when they are not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD = {
    "XEROTIER_ENV": "production",
    "XEROTIER_URL": "https://ai.example",
    "XEROTIER_HOSTS": "ai.example",
    "XEROTIER_SECRET_KEY": "Zk3nV9xQ1rT7yU5wE2oP8aS4dF6gH0jL-cB_mNiXqRvWtYzKpD",
    "XEROTIER_PEPPERS": "one:Zk3nV9xQ1rT7yU5wE2oP8aS4dF6gH0jL",
    "XEROTIER_KEYRING": "dGVzdHMtb25seS1rZXktb2YtMzItYnl0ZXMtbG9uZyE=",
    "XEROTIER_TRUSTED_PROXIES": "10.0.0.0/8",
    "XEROTIER_SMTP_URL": "smtps://mailer:secret@mx.example:465",
    "XEROTIER_HOME": "/nonexistent",
    "DJANGO_SETTINGS_MODULE": "xerotier_site.settings",
}
BAD = {
    "XEROTIER_ENV": "production",
    "XEROTIER_DEBUG": "1",
    "XEROTIER_HOSTS": "*",
    "XEROTIER_REQUIRE_STAFF_2FA": "0",
    "XEROTIER_TRUSTED_PROXIES": "0.0.0.0/0",
    "XEROTIER_METRICS_ALLOW": "::/0",
    "XEROTIER_METRICS_TOKEN": "short",
    "XEROTIER_DB_POOL": "many",
    "XEROTIER_HOME": "/nonexistent",
    "DJANGO_SETTINGS_MODULE": "xerotier_site.settings",
}
EVERYTHING_WRONG = [
    "XEROTIER_DB_POOL",
    "XEROTIER_DEBUG",
    "XEROTIER_SECRET_KEY",
    "XEROTIER_PEPPERS",
    "XEROTIER_KEYRING",
    "XEROTIER_HOSTS",
    "XEROTIER_URL",
    "XEROTIER_REQUIRE_STAFF_2FA",
    "XEROTIER_TRUSTED_PROXIES",
    "XEROTIER_METRICS_ALLOW",
    "XEROTIER_METRICS_TOKEN",
    "XEROTIER_SMTP_URL",
]

WRONG_FOR_THE_PLANE = [
    "XEROTIER_PEPPERS",
    "XEROTIER_KEYRING",
    "XEROTIER_HOSTS",
    "XEROTIER_TRUSTED_PROXIES",
    "XEROTIER_METRICS_ALLOW",
    "XEROTIER_METRICS_TOKEN",
]

SLIPS = {
    "XEROTIER_ENV": "Production",
    "XEROTIER_EDGE": "quick",
    "XEROTIER_URL": "xerotier.example",
    "XEROTIER_TRUSTED_PROXIES": "*",
    "XEROTIER_METRICS_ALLOW": "10.0.0.0/33",
    "XEROTIER_WORKERS": "0",
    "XEROTIER_GRACE_S": "-1",
    "XEROTIER_SMTP_URL": "mx.example",
    "XEROTIER_KEYRING": "short",
    "DATABASE_URL": "mysql://db.example/x",
    "VALKEY_URL": "http://valkey.example",
    "XEROTIER_TRUSTED_PROXYS": "10.0.0.0/8",
    "XEROTIER_HOME": "/nonexistent",
    "DJANGO_SETTINGS_MODULE": "xerotier_site.settings",
}
"""Each a word that the setting does not know, or a name that no setting has."""

pytestmark = pytest.mark.slow  # Each starts a program of its own.


def run(
    environment: dict[str, str], *argv: str, patience_s: float = 60
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, *argv],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=patience_s,
        check=False,
    )


def test_deployment_check_is_clean() -> None:
    done = run(GOOD, "-W", "error", "manage.py", "check", "--deploy", "--fail-level", "CRITICAL")

    # What the API's description lacks is its own test's business.
    found = re.findall(r"^\S+: \((?!drf_spectacular\.)\S+\) .*", done.stderr, re.MULTILINE)
    assert (done.returncode, found) == (0, []), done.stderr


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["-c", "import xerotier_site.asgi"], id="the server"),
        pytest.param(
            ["-m", "celery", "-A", "xerotier_site.celery", "worker", "--pool=solo"], id="a worker"
        ),
        # The scheduler that keeps no file: this starts in the checkout.
        pytest.param(
            ["-m", "celery", "-A", "xerotier_site.celery", "beat", "-S", "celery.beat:Scheduler"],
            id="the beat",
        ),
        pytest.param(["manage.py", "usage_consumer"], id="the consumer"),
    ],
)
def test_nothing_starts_on_insecure_settings_and_one_list_says_why(argv: list[str]) -> None:
    done = run(BAD, *argv)

    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert [name for name in EVERYTHING_WRONG if name not in said] == []


def test_plane_alone_refuses_what_it_reads_of_them_too() -> None:
    done = run(BAD, "-m", "xerotier_site.server", "--plane", "--port", "0")

    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert [name for name in WRONG_FOR_THE_PLANE if name not in said] == []


def test_server_starts_on_good_settings(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()

    done = run({**GOOD, "XEROTIER_HOME": str(tmp_path)}, "-c", "import xerotier_site.asgi")

    assert (done.returncode, done.stderr) == (0, "")


def test_word_or_name_that_no_setting_knows_stops_the_start() -> None:
    done = run(SLIPS, "-m", "xerotier_site.server", "--port", "0")

    said = done.stdout + done.stderr
    slips = [name for name in SLIPS if name not in ("XEROTIER_HOME", "DJANGO_SETTINGS_MODULE")]
    assert done.returncode != 0
    assert [name for name in slips if f"{name}: " not in said] == [], said
    assert "did you mean XEROTIER_TRUSTED_PROXIES?" in said
    assert "Traceback" not in said
