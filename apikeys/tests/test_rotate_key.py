"""Rotation changes the lock while the old key still turns, for as long as was said."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from apikeys import secrets, services
from apikeys.errors import GraceTooLong, KeyRevoked
from apikeys.models import ApiKey, KeySecret
from apikeys.services import IssuedKey, note_use, revoke_key, rotate_key
from audit.models import AuditEntry
from common import clock
from common.problems import Stale
from inference.contracts.entries import Grant, load
from inference.contracts.keys import is_key
from inference.contracts.names import grant_key
from projects.models import Project
from tests.make import make_key

NOW = datetime.fromisoformat("2026-11-23T12:00:00+00:00")


def client(secret: str) -> APIClient:
    return APIClient(headers={"authorization": f"Bearer {secret}"})


def hints(key: ApiKey) -> list[tuple[str, datetime | None]]:
    return [(secret.hint[-4:], secret.ends_at) for secret in key.secrets.all()]


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Hold time still at its last item."""
    moments = [NOW]
    monkeypatch.setattr(clock, "now", lambda: moments[-1])
    return moments


def test_both_secrets_open_during_the_grace_and_the_old_one_stops_at_its_end(
    acme: Project, moment: list[datetime]
) -> None:
    url = f"/{acme.public_id}/v1/management/api-keys"
    old = make_key(acme, scopes=("management",))
    new = rotate_key(key=old.key, grace=timedelta(hours=1))

    during = [client(secret).get(url).status_code for secret in (old.secret, new.secret)]
    moment.append(NOW + timedelta(hours=1) - timedelta(microseconds=1))
    at_last = [client(secret).get(url).status_code for secret in (old.secret, new.secret)]
    moment.append(NOW + timedelta(hours=1))
    after = [client(secret).get(url).status_code for secret in (old.secret, new.secret)]

    assert (during, at_last, after) == ([200, 200], [200, 200], [401, 200])


@pytest.mark.django_db(transaction=True)
def test_gateways_know_the_old_secrets_end_so_that_no_job_has_to_run(
    valkey: redis.Redis, acme: Project
) -> None:
    old = make_key(acme)
    rotate_key(key=old.key, grace=timedelta(hours=1))

    new, before = KeySecret.objects.all()
    grants = [load(Grant, str(valkey.get(grant_key(s.digest)))) for s in (new, before)]

    assert before.ends_at is not None
    assert [grant.expires_at for grant in grants] == [None, before.ends_at.timestamp()]
    assert [grant.secret_id for grant in grants] == [new.pk, before.pk]
    assert [grant.version for grant in grants] == [2, 2]


def test_key_that_expires_sooner_takes_both_secrets_along(acme: Project) -> None:
    soon = clock.now() + timedelta(hours=1)
    issued = services.issue_key(project=acme, name="ci", expires_at=soon)

    rotated = rotate_key(key=issued.key)

    assert not rotated.key.is_live(soon)


def test_there_are_never_more_than_two_live_secrets(acme: Project, moment: list[datetime]) -> None:
    first = make_key(acme)
    second = rotate_key(key=first.key)
    moment.append(NOW + timedelta(minutes=5))

    third = rotate_key(key=second.key)

    assert hints(third.key) == [
        (third.secret[-4:], None),
        (second.secret[-4:], moment[-1] + timedelta(hours=24)),
        (first.secret[-4:], moment[-1]),
    ]


def test_grace_of_nothing_stops_the_old_secret_at_once(
    acme: Project, moment: list[datetime]
) -> None:
    old = make_key(acme, scopes=("management",))

    rotate_key(key=old.key, grace=timedelta(0))

    url = f"/{acme.public_id}/v1/management/api-keys"
    assert client(old.secret).get(url).status_code == 401


@pytest.mark.parametrize("grace", [timedelta(seconds=-1), timedelta(days=7, seconds=1)])
def test_other_graces_are_refused_and_change_nothing(acme: Project, grace: timedelta) -> None:
    key = make_key(acme).key

    with pytest.raises(GraceTooLong):
        rotate_key(key=key, grace=grace)

    assert (key.secrets.count(), ApiKey.objects.get().version) == (1, 1)


def test_revoked_key_is_not_rotated(acme: Project) -> None:
    key = make_key(acme).key
    revoke_key(key=key)

    with pytest.raises(KeyRevoked):
        rotate_key(key=key)

    assert key.secrets.count() == 1


def test_two_rotations_from_one_reading_make_one_new_secret(acme: Project) -> None:
    key = make_key(acme).key
    seen = ApiKey.objects.get(pk=key.pk)
    rotate_key(key=key)

    with pytest.raises(Stale):
        rotate_key(key=seen)

    assert key.secrets.count() == 2


def test_revocation_closes_both_secrets(acme: Project) -> None:
    old = make_key(acme, scopes=("management",))
    new = rotate_key(key=old.key)

    revoke_key(key=new.key)

    url = f"/{acme.public_id}/v1/management/api-keys"
    assert [client(each.secret).get(url).status_code for each in (old, new)] == [401, 401]


def test_each_secret_says_when_it_was_used_last(acme: Project, moment: list[datetime]) -> None:
    old = make_key(acme)
    rotate_key(key=old.key)
    new, before = KeySecret.objects.all()

    note_use(secret_ids=[before.pk], moment=NOW)
    note_use(secret_ids=[before.pk], moment=NOW + timedelta(seconds=59))
    note_use(secret_ids=[new.pk, before.pk], moment=NOW + timedelta(seconds=60))

    assert [s.last_used_at for s in KeySecret.objects.all()] == [NOW + timedelta(seconds=60)] * 2
    note_use(secret_ids=[before.pk], moment=NOW + timedelta(seconds=90))
    before.refresh_from_db()
    assert before.last_used_at == NOW + timedelta(seconds=60)


def test_use_of_the_management_api_is_noted_once_a_minute(
    acme: Project, moment: list[datetime]
) -> None:
    issued = make_key(acme, scopes=("management",))
    url = f"/{acme.public_id}/v1/management/endpoints/none"

    client(issued.secret).get(url)
    with CaptureQueriesContext(connection) as asked:
        client(issued.secret).get(url)
    # The secret, the project, the endpoint.
    assert sum(" FROM " in query["sql"] for query in asked) == 3

    assert KeySecret.objects.get().last_used_at == NOW


@pytest.fixture
def managed(acme: Project) -> tuple[APIClient, str, IssuedKey]:
    manager = make_key(acme, name="manager", scopes=("management",))
    target = make_key(acme, name="ci")
    url = f"/{acme.public_id}/v1/management/api-keys/{target.key.public_id}"
    return client(manager.secret), url, target


def test_api_rotates_in_place_and_shows_both(managed: tuple[APIClient, str, IssuedKey]) -> None:
    manager, url, target = managed

    made = manager.post(f"{url}/rotate", {"grace_s": 3600}, format="json")

    shown = made.json()
    assert (made.status_code, shown["id"]) == (201, target.key.public_id)
    assert is_key(shown["secret"])
    assert shown["secret"] != target.secret
    newest, before = manager.get(url).json()["secrets"]
    assert set(newest) == {"hint", "issued_at", "ends_at", "last_used_at"}
    assert (newest["ends_at"], before["hint"][-4:]) == (None, target.secret[-4:])
    assert before["ends_at"] is not None


def test_rotation_may_be_asked_twice_without_harm(
    managed: tuple[APIClient, str, IssuedKey],
) -> None:
    manager, url, target = managed
    once = {"idempotency-key": "r"}

    first = manager.post(f"{url}/rotate", {}, format="json", headers=once)
    again = manager.post(f"{url}/rotate", {}, format="json", headers=once)

    assert first.status_code == again.status_code == 201
    assert again.json() == {**first.json(), "secret": None}
    assert target.key.secrets.count() == 2


def test_rotation_is_told_to_the_audit_log_without_secrets(acme: Project) -> None:
    issued = rotate_key(key=make_key(acme).key)

    entry = AuditEntry.objects.get(action="apikey.rotated")
    assert entry.after["hint"].endswith(issued.secret[-4:])
    kept = str(vars(entry))
    assert issued.secret not in kept
    assert not any(digest in kept for digest in secrets.digests(issued.secret))


def test_old_secret_is_ended_by_api_and_the_current_one_goes_on(
    as_ada: APIClient, acme: Project
) -> None:
    key = rotate_key(key=make_key(acme).key).key
    url = f"/{acme.public_id}/v1/management/api-keys/{key.public_id}/old-secret"

    answer = as_ada.delete(url)
    again = as_ada.delete(url)

    now = clock.now()
    assert (answer.status_code, again.status_code) == (204, 204)
    assert [secret.is_live(now) for secret in KeySecret.objects.filter(key=key)] == [True, False]
    assert AuditEntry.objects.filter(action="apikey.old_secret_ended").count() == 1
