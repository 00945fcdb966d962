"""A key of the keyring goes once everything is sealed by the one in front of it."""

from __future__ import annotations

from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialApp
from cryptography.fernet import Fernet
from django.core.management import call_command
from pytest_django import Settings

from accounts.services import save_provider
from accounts.tests.people import code_now, give_totp, make_person
from agents.models import Backend, Worker
from apikeys import passes
from apikeys.models import SigningKey
from audit.models import AuditEntry
from common import vault
from common.actor import SYSTEM
from common.models import OutboxEntry
from tests.make import make_backend, make_project, make_worker

pytestmark = pytest.mark.django_db

SECRET = "from-the-provider"


@pytest.fixture
def old() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture
def new() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture
def sealed(old: str, settings: Settings) -> None:
    """Seal one secret of each kind with the old key."""
    settings.KEYRING = [old]
    give_totp(make_person("ada"))
    make_worker("one")
    make_backend(make_project())
    passes.rotate_signing_key()
    app = SocialApp(provider="openid_connect", provider_id="corp", name="Corp", client_id="us")
    save_provider(app=app, secret=SECRET, by=SYSTEM)


def reseal() -> tuple[int, list[str]]:
    out, code = StringIO(), 0
    try:
        call_command("reseal", stdout=out)
    except SystemExit as end:
        code = int(str(end.code))
    return code, out.getvalue().splitlines()


def everything() -> list[str]:
    factors = [one.data.get("secret") or one.data["seed"] for one in Authenticator.objects.all()]
    providers = [app.settings["sealed_secret"] for app in SocialApp.objects.all()]
    workers = Worker.objects.filter(backend=None).values_list("credential", flat=True)
    backends = Backend.objects.values_list("credential", flat=True)
    keys = SigningKey.objects.values_list("sealed", flat=True)
    return [*factors, *providers, *workers, *backends, *keys]


@pytest.mark.usefixtures("sealed")
def test_everything_opens_without_the_old_key_afterwards(
    old: str, new: str, settings: Settings
) -> None:
    plain = [vault.unseal(one) for one in everything()]
    kept = everything()
    settings.KEYRING = [new, old]

    first, again = reseal(), reseal()

    settings.KEYRING = [new]
    assert (first[0], first[1][0]) == (0, f"{len(kept)} sealed anew")
    assert (again[0], again[1][0]) == (0, "0 sealed anew")
    # Rows that were written again may come in another order.
    assert sorted(map(vault.unseal, everything())) == sorted(plain)
    assert set(everything()).isdisjoint(kept)
    assert {"worker-secret", SECRET} < set(plain)
    assert Authenticator.objects.get(type="totp").wrap().validate_code(code_now())


@pytest.mark.usefixtures("sealed")
def test_resealed_credential_is_published_and_all_is_on_record(
    old: str, new: str, settings: Settings
) -> None:
    before = versions()
    OutboxEntry.objects.all().delete()
    settings.KEYRING = [new, old]

    reseal()

    assert versions() == [version + 1 for version in before]
    assert [note.topic for note in OutboxEntry.objects.all()] == ["worker", "worker"]
    actions = AuditEntry.objects.filter(action__endswith="resealed").values_list(
        "action", flat=True
    )
    assert set(actions) == {
        "person.factor_resealed",
        "provider.resealed",
        "signing_key.resealed",
        "worker.resealed",
        "backend.resealed",
    }


def versions() -> list[int]:
    return list(Worker.objects.order_by("pk").values_list("version", flat=True))


@pytest.mark.usefixtures("sealed")
def test_what_no_key_opens_is_named_and_left_as_it_is(new: str, settings: Settings) -> None:
    kept = everything()
    settings.KEYRING = [new]

    code, lines = reseal()

    assert code == 1
    assert lines[0] == "0 sealed anew"
    assert "no key opens: credential of the worker one" in lines
    assert everything() == kept
    assert not AuditEntry.objects.filter(action__endswith="resealed").exists()
