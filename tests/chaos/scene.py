"""The rows of a run: a project with credit, a paid and a free endpoint, a key, a worker."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass

from cryptography.fernet import Fernet

from tests.chaos.stage import Stage
from xerotier_site.embedded.launch import free_port

CREDIT = 10**12
PRICE = 1_250_000


@dataclass(frozen=True, slots=True)
class Scene:
    """What callers and judges have to know."""

    project: str
    key: str
    worker_port: int
    price_per_million: int = PRICE


def furnish(stage: Stage) -> Scene:
    """Make the schema and the rows."""
    prepare(stage)
    return _rows(free_port())


def prepare(stage: Stage) -> None:
    """Make the schema. Django is set up here, for these databases."""
    stage.environment |= {
        "XEROTIER_ENV": "development",
        "XEROTIER_HOME": str(stage.folder / "home"),
        "XEROTIER_PEPPERS": f"p1:{secrets.token_hex(32)}",
        "XEROTIER_KEYRING": Fernet.generate_key().decode(),
        "XEROTIER_DRAIN_DELAY_S": "0",
        "DJANGO_SETTINGS_MODULE": "xerotier_site.settings",
    }
    (stage.folder / "home").mkdir()
    os.environ.update(stage.environment)  # noqa: TID251 - before the settings are read
    import django  # noqa: PLC0415 - not before its settings are there
    from django.core.management import call_command  # noqa: PLC0415

    django.setup()
    call_command("migrate", verbosity=0, interactive=False)


def _rows(port: int) -> Scene:
    from django.db import connections  # noqa: PLC0415 - after the setup

    from catalog.services import set_terms  # noqa: PLC0415
    from ledger.services import top_up  # noqa: PLC0415
    from tests import make  # noqa: PLC0415

    numbers = {"concurrent": 1000, "request_timeout_s": 60, "idle_timeout_s": 60, "priority": 1}
    set_terms(
        tier=make.make_tier("gpu_nvidia_shared"), numbers={**numbers, "price_per_million": PRICE}
    )
    project = make.make_project("chaos")
    top_up(project=project, amount=CREDIT)
    make.make_worker(url=f"http://127.0.0.1:{port}/v1")
    make.make_endpoint(project, "chat")
    make.make_endpoint(project, "free", tier="free")
    key = make.make_key(project)
    connections.close_all()
    return Scene(project.public_id, key.secret, port)
