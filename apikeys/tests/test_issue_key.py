"""A key is shown once, kept as a digest, and closed for good when revoked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from apikeys import secrets
from apikeys.errors import ExpiryInThePast, KeyNameTaken, ScopesEmpty, TooManyKeys
from apikeys.models import ApiKey, KeySecret
from apikeys.services import issue_key, revoke_key
from common import clock
from common.models import OutboxEntry
from inference.contracts.keys import is_key
from projects.models import Project
from tests.make import make_endpoint, make_key

URL = "/{project}/v1/management/api-keys"


def test_secret_has_the_documented_form(acme: Project) -> None:
    issued = make_key(acme)

    prefix, slug, rest = issued.secret.split("_")
    assert (prefix, slug, len(rest)) == ("xero", "acme", 49)
    assert is_key(issued.secret)


def test_only_a_digest_and_a_hint_are_kept(acme: Project) -> None:
    issued = make_key(acme)

    kept = KeySecret.objects.get(key=issued.key)
    assert kept.digest in secrets.digests(issued.secret)
    assert kept.hint == f"xero_acme_…{issued.secret[-4:]}"
    assert issued.secret not in repr(issued)
    assert not any(issued.secret in str(value) for value in vars(kept).values())


def test_live_name_cannot_be_used_twice(acme: Project) -> None:
    make_key(acme, name="ci")

    with pytest.raises(KeyNameTaken):
        make_key(acme, name="ci")

    assert (ApiKey.objects.count(), KeySecret.objects.count()) == (1, 1)
    assert OutboxEntry.objects.count() == 1


def test_name_of_a_revoked_key_is_free_again(acme: Project) -> None:
    revoke_key(key=make_key(acme, name="ci").key)

    make_key(acme, name="ci")

    assert ApiKey.objects.filter(name="ci").count() == 2


def test_rival_may_use_the_same_name(acme: Project, rival: Project) -> None:
    make_key(acme, name="ci")

    assert make_key(rival, name="ci").key.project == rival


def test_key_without_scopes_or_with_a_past_expiry_is_refused(acme: Project) -> None:
    with pytest.raises(ScopesEmpty):
        issue_key(project=acme, name="ci", scopes=())
    with pytest.raises(ExpiryInThePast):
        issue_key(project=acme, name="ci", expires_at=clock.now())

    assert not ApiKey.objects.exists()


def test_expiry_excludes_its_own_instant(acme: Project) -> None:
    moment = clock.now() + timedelta(hours=1)
    key = issue_key(project=acme, name="ci", expires_at=moment).key

    assert key.is_live(moment - timedelta(microseconds=1))
    assert not key.is_live(moment)


def test_second_revocation_keeps_the_first_moment(acme: Project) -> None:
    key = make_key(acme).key
    revoke_key(key=key)
    key.refresh_from_db()
    first = key.revoked_at

    revoke_key(key=key)

    key.refresh_from_db()
    assert (key.revoked_at, key.version) == (first, 2)


@pytest.fixture
def manager(acme: Project) -> APIClient:
    key = make_key(acme, name="manager", scopes=("management",))
    return APIClient(headers={"authorization": f"Bearer {key.secret}"})


def test_api_shows_the_secret_once(manager: APIClient, acme: Project) -> None:
    url = URL.format(project=acme.public_id)

    made = manager.post(url, {"name": "ci", "scopes": ["inference"]}, format="json").json()

    assert is_key(made["secret"])
    assert made["secret"] not in manager.get(url).content.decode()
    assert "secret" not in manager.get(f"{url}/{made['id']}").json()


def test_key_can_be_pinned_to_an_endpoint_of_its_own_project_only(
    manager: APIClient, acme: Project, rival: Project
) -> None:
    make_endpoint(acme, "chat")
    make_endpoint(rival, "theirs")
    url = URL.format(project=acme.public_id)

    ours = manager.post(url, {"name": "a", "endpoint": "chat"}, format="json")
    theirs = manager.post(url, {"name": "b", "endpoint": "theirs"}, format="json")

    assert (ours.status_code, ours.json()["endpoint"]) == (201, "chat")
    assert (theirs.status_code, theirs.json()["error"]["code"]) == (404, "endpoint_not_found")


def test_revoked_key_stays_listed_and_opens_nothing(manager: APIClient, acme: Project) -> None:
    url = URL.format(project=acme.public_id)
    other = make_key(acme, name="other", scopes=("management",))

    gone = manager.delete(f"{url}/{other.key.public_id}")

    shown = APIClient(headers={"authorization": f"Bearer {other.secret}"}).get(url)
    assert (gone.status_code, shown.status_code) == (204, 401)
    listed = {key["id"]: key["revoked_at"] for key in manager.get(url).json()["data"]}
    assert listed[other.key.public_id] is not None


@pytest.mark.parametrize(
    ("scopes", "status", "code"),
    [
        pytest.param(("inference",), 403, "scope_insufficient", id="inference only"),
        pytest.param(("execution", "research"), 403, "scope_insufficient", id="no management"),
        pytest.param(("management", "inference"), 200, None, id="management"),
    ],
)
def test_management_needs_its_scope(
    acme: Project, scopes: tuple[str, ...], status: int, code: str | None
) -> None:
    key = make_key(acme, scopes=scopes)
    client = APIClient(headers={"authorization": f"Bearer {key.secret}"})

    answer = client.get(URL.format(project=acme.public_id))

    assert answer.status_code == status
    assert answer.json().get("error", {}).get("code") == code


def test_key_of_another_project_is_told_so(manager: APIClient, rival: Project) -> None:
    theirs = manager.get(URL.format(project=rival.public_id))
    nobodys = manager.get(URL.format(project="proj_000000000000"))

    assert (theirs.status_code, theirs.json()) == (nobodys.status_code, nobodys.json())
    assert theirs.json()["error"]["code"] == "cross_project_access"


@pytest.mark.parametrize("shown", ["", "xero_acme_nonsense", "sk-123", "xero_acme_" + "a" * 49])
def test_bad_bearers_are_one_answer(acme: Project, shown: str) -> None:
    client = APIClient(headers={"authorization": f"Bearer {shown}"})

    answer = client.get(URL.format(project=acme.public_id))

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_project_has_so_many_live_keys_and_no_more(
    acme: Project, rival: Project, settings: Settings
) -> None:
    settings.KEYS_PER_PROJECT = 2
    first = make_key(acme)
    make_key(acme)

    with pytest.raises(TooManyKeys, match="has 2 keys, the most one may"):
        make_key(acme)

    make_key(rival)
    revoke_key(key=first.key)
    make_key(acme)
    assert ApiKey.objects.filter(project=acme, revoked_at=None).count() == 2
