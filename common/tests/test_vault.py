"""Secrets at rest: what is sealed opens with the ring, and with nothing else."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from common import vault


def test_sealed_secret_tells_nothing_and_opens_again() -> None:
    sealed = vault.seal("hunter2")

    assert "hunter2" not in sealed
    assert vault.seal("hunter2") != sealed
    assert vault.unseal(sealed) == "hunter2"


def test_no_secret_stays_no_secret() -> None:
    assert (vault.seal(""), vault.unseal("")) == ("", "")


def test_old_key_opens_until_it_leaves_the_ring(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.KEYRING = [old]
    sealed = vault.seal("hunter2")

    settings.KEYRING = [new, old]
    assert vault.unseal(sealed) == "hunter2"
    settings.KEYRING = [new]
    with pytest.raises(vault.VaultShut, match="No key of XEROTIER_KEYRING"):
        vault.unseal(sealed)


def test_what_the_newest_key_has_sealed_is_left_alone(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.KEYRING = [old]
    sealed = vault.seal("hunter2")
    settings.KEYRING = [new, old]

    renewed = vault.reseal(sealed)

    assert (renewed != sealed, vault.reseal(renewed)) == (True, renewed)
    settings.KEYRING = [new]
    assert vault.unseal(renewed) == "hunter2"


def test_without_a_ring_nothing_is_sealed(settings: Settings) -> None:
    settings.KEYRING = []

    with pytest.raises(vault.VaultShut, match="empty"):
        vault.seal("hunter2")
