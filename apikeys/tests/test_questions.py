"""Questions about keys name their project, and tell apart what opens a door and what did."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apikeys import selectors, services
from apikeys.models import ApiKey
from apikeys.services import issue_key
from common import clock
from projects.models import Project
from tests.make import make_endpoint, make_key

pytestmark = pytest.mark.django_db


def expire(key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk).update(expires_at=clock.now())


def names(rows: object) -> list[str]:
    return [row.name for row in rows]  # type: ignore[attr-defined] # why: of keys


@pytest.fixture
def three(acme: Project, rival: Project) -> Project:
    """Return a project with a live key, an expired and a revoked one; a rival has one, too."""
    make_key(acme, name="live")
    expire(make_key(acme, name="expired").key)
    services.revoke_key(key=make_key(acme, name="revoked").key)
    make_key(rival, name="theirs")
    return acme


def test_list_is_the_projects_own_newest_first_ended_ones_too(three: Project) -> None:
    assert names(selectors.keys_of(project=three)) == ["revoked", "expired", "live"]
    assert names(selectors.live_keys(project=three, moment=clock.now())) == ["live"]


@pytest.mark.parametrize(
    ("query", "state", "found"),
    [
        ("", "", ["revoked", "expired", "live"]),
        ("", "active", ["live"]),
        ("", "ended", ["revoked", "expired"]),
        ("", "nonsense", ["revoked", "expired", "live"]),
        ("E", "", ["revoked", "expired", "live"]),
        ("LIVE", "", ["live"]),
        ("revoked", "active", []),
        ("theirs", "", []),
        ("%", "", []),
    ],
)
def test_key_is_found_by_its_name_in_a_state(
    three: Project, query: str, state: str, found: list[str]
) -> None:
    rows = selectors.found_keys(project=three, query=query, state=state, moment=clock.now())

    assert names(rows) == found


def test_key_is_found_by_its_id_and_by_the_hint_of_its_secret(
    acme: Project, rival: Project
) -> None:
    ours, theirs = make_key(acme, name="ours").key, make_key(rival, name="theirs").key
    now = clock.now()

    for key in (ours, theirs):
        hint = key.secrets.get().hint
        for said in (key.public_id, hint):
            rows = selectors.found_keys(project=acme, query=said, state="", moment=now)
            assert list(rows) == ([ours] if key == ours else [])


def test_names_are_told_of_the_projects_keys_alone(acme: Project, rival: Project) -> None:
    ours, theirs = make_key(acme, name="ours").key, make_key(rival, name="theirs").key
    ids = [ours.public_id, theirs.public_id, "key_nobody"]

    assert selectors.names_of(project=acme, public_ids=ids) == {ours.public_id: "ours"}
    assert list(selectors.ids_named(project=acme, query="our")) == [ours.public_id]
    assert list(selectors.ids_named(project=acme, query=theirs.public_id)) == []
    assert selectors.key_of(project=acme, public_id=theirs.public_id) is None
    assert selectors.newest_digest(project=acme, public_id=theirs.public_id) == ""
    assert selectors.newest_digest(project=acme, public_id=ours.public_id) != ""


def test_endpoint_is_called_by_keys_that_are_pinned_to_it_or_to_none(acme: Project) -> None:
    chat, other = make_endpoint(acme, "chat"), make_endpoint(acme, "other")
    make_key(acme, name="any")
    issue_key(project=acme, name="pinned", endpoint=chat)
    issue_key(project=acme, name="elsewhere", endpoint=other)
    make_key(acme, name="manager", scopes=("management",))
    expire(make_key(acme, name="expired").key)

    rows = selectors.keys_for(project=acme, slug="chat", moment=clock.now())

    assert names(rows) == ["pinned", "any"]


def test_project_without_a_key_never_had_one(acme: Project, rival: Project) -> None:
    assert not selectors.has_any(project=acme)
    services.revoke_key(key=make_key(acme).key)

    assert selectors.has_any(project=acme)
    assert not selectors.has_any(project=rival)


def test_secret_opens_until_its_very_end(acme: Project) -> None:
    issued = make_key(acme, name="ci")
    now = clock.now()
    moment = now + timedelta(hours=1)

    def live() -> int:
        return selectors.live_secrets_by_pepper(moment=moment).count()

    assert live() == 1
    secret = issued.key.secrets.get()
    for ends_at, count in ((moment, 0), (moment + timedelta(microseconds=1), 1), (None, 1)):
        secret.ends_at = ends_at
        secret.save(update_fields=["ends_at"])
        assert live() == count
    ApiKey.objects.filter(pk=issued.key.pk).update(expires_at=moment)
    assert live() == 0


def test_who_is_at_the_door_is_found_by_what_was_shown_and_by_nothing_else(
    acme: Project,
) -> None:
    digest = make_key(acme, name="ci").key.secrets.get().digest

    found = selectors.secret_by_digest(["0" * len(digest), digest])

    assert found is not None
    assert found.key.name == "ci"
    assert selectors.secret_by_digest(["0" * len(digest)]) is None
    assert selectors.secrets_by_digest([]) == {}
