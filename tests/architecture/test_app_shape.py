"""Guard: an app holds the usual files, and beside them only what is named here as its own.

import-linter holds the order of all of them, in one list for all apps: by that alone,
``intake.py`` would pass in ``catalog/``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NO_MODULES = {"__init__", "__pycache__", "management", "migrations", "tests"}
USUAL = "admin api apps errors forms models pages rules selectors services shapes tasks urls"
OWN = {
    "accounts": "adapter consumer departures devices github hashing letters retention tokens",
    "agents": "asking backend_shapes backends backends_api cards chosen lifecycle links offers"
    " offers_api placement reports settled shifts sightings",
    "apikeys": "holders leaks limits passes secrets",
    "audit": "export",
    "catalog": "defaults facts terms",
    "endpoints": "allowance live overrides",
    "enrolment": "joining machines_api proofs secrets tokens",
    "ledger": "agent_hours payments",
    "projects": "access adapter invitations isolation members suspension",
    "publisher": "consumer decisions entries machines money restore shelf store",
    "routing": "explained intake retention",
    "usage": "budgets export intake live reconcile refusals refused rerate retention rollups"
    " served standings",
}


@pytest.mark.parametrize("app", OWN)
def test_app_holds_the_usual_files_and_its_own(app: str) -> None:
    found = {path.stem for path in (ROOT / app).iterdir()} - NO_MODULES

    assert found - set(USUAL.split()) == set(OWN[app].split())


def test_every_app_with_rows_is_looked_at() -> None:
    assert {path.parent.name for path in ROOT.glob("*/migrations")} <= {*OWN, "common"}
