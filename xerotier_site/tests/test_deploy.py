"""Production settings pass every check Django and its friends have, warnings included."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.platform import ROOT, clean_environment


@pytest.mark.slow  # A process of its own: these settings are read when Django starts.
def test_production_settings_are_clean_under_check_deploy(tmp_path: Path) -> None:
    production = {
        "XEROTIER_ENV": "production",
        "XEROTIER_HOME": str(tmp_path),
        "XEROTIER_URL": "https://xerotier.example",
        "XEROTIER_HOSTS": "xerotier.example",
        "XEROTIER_SECRET_KEY": secrets.token_urlsafe(50),
        "XEROTIER_KEYRING": Fernet.generate_key().decode(),
        "XEROTIER_PEPPERS": f"p1:{secrets.token_hex(32)}",
        "XEROTIER_TRUSTED_PROXIES": "10.0.0.0/8",
        "XEROTIER_SMTP_URL": "smtps://mailer:secret@mx.example:465",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }

    outcome = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={**clean_environment(), **production},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert outcome.returncode == 0, outcome.stderr
    assert "no issues" in outcome.stdout
    assert outcome.stderr == ""
