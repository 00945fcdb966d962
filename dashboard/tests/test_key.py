"""One key by page: changed, held to addresses and a quota, rotated; the old secret ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from apikeys.models import ApiKey
from apikeys.services import rotate_key
from audit.models import AuditEntry
from dashboard.tests.cast import signed_in
from projects.models import Project
from projects.rules import Role
from tests.make import make_endpoint, make_key, make_user, seat

SAID = {"name": "ci", "scopes": ["inference"], "endpoint": "", "expires_at": ""}


@pytest.fixture
def page(ada: User) -> Client:
    return signed_in(ada)


@pytest.fixture
def key(acme: Project) -> ApiKey:
    return make_key(acme, name="ci").key


def url(key: ApiKey, rest: str = "") -> str:
    return f"/dashboard/{key.project.public_id}/keys/{key.public_id}/{rest}"


def test_key_is_renamed_pinned_and_given_an_end(page: Client, key: ApiKey) -> None:
    make_endpoint(key.project, "chat")
    last_day = (timezone.now() + timedelta(days=9)).date()

    page.post(
        url(key, "?form=change"),
        {**SAID, "name": "laptop", "endpoint": "chat", "expires_at": last_day.isoformat()},
    )

    key.refresh_from_db()
    assert key.name == "laptop"
    assert key.endpoint is not None
    assert key.endpoint.slug == "chat"
    assert key.expires_at is not None
    assert key.expires_at.astimezone(UTC).date() == last_day
    assert key.expires_at > datetime.combine(last_day, datetime.min.time(), UTC)


def test_end_that_was_set_to_the_second_stays_so_when_its_day_is_not_touched(
    page: Client, key: ApiKey
) -> None:
    moment = (timezone.now() + timedelta(days=9)).replace(hour=7, minute=30)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=moment)
    shown = page.get(url(key)).context["page"].forms.change

    day = shown["expires_at"].value()
    page.post(url(key, "?form=change"), {**SAID, "name": "other", "expires_at": str(day)})

    key.refresh_from_db()
    assert (key.name, key.expires_at) == ("other", moment)


@pytest.mark.parametrize(
    ("said", "field", "fault"),
    [
        pytest.param({"name": ""}, "name", "Give the key a name.", id="no name"),
        pytest.param({"name": "taken"}, "name", "already has a live key", id="name taken"),
        pytest.param({"scopes": []}, "scopes", "Choose at least one scope.", id="no scope"),
        pytest.param({"expires_at": "2020-01-01"}, "expires_at", "lies ahead", id="in the past"),
        pytest.param({"expires_at": "soon"}, "expires_at", "such as 2026-12-31", id="no day"),
        pytest.param({"endpoint": "theirs"}, "endpoint", "has no endpoint “theirs”", id="foreign"),
    ],
)
def test_refused_change_says_why_beside_its_field_and_keeps_what_was_typed(
    page: Client, key: ApiKey, rival: Project, said: dict[str, str], field: str, fault: str
) -> None:
    make_key(key.project, name="taken")
    make_endpoint(rival, "theirs")

    answer = page.post(url(key, "?form=change"), {**SAID, "name": "typed", **said})

    form = answer.context["page"].forms.change
    key.refresh_from_db()
    assert answer.status_code == 422
    assert fault in form.errors[field][0]
    assert form["name"].value() == said.get("name", "typed")
    assert (key.name, key.version) == ("ci", 1)


def test_addresses_are_kept_in_their_one_form(page: Client, key: ApiKey) -> None:
    page.post(
        url(key, "?form=ip-rules"),
        {"allow": "203.0.113.7\r\n\r\n10.1.2.3/8, 2001:DB8::/32", "block": "10.0.0.66"},
    )

    key.refresh_from_db()
    assert key.ip_allow == ["203.0.113.7", "10.0.0.0/8", "2001:db8::/32"]
    assert key.ip_block == ["10.0.0.66"]
    assert "but not" in page.get(url(key)).content.decode()


@pytest.mark.parametrize("field", ["allow", "block"])
def test_wrong_address_is_named_beside_its_list_and_both_lists_stay(
    page: Client, key: ApiKey, field: str
) -> None:
    said = {"allow": "10.0.0.1", "block": "10.0.0.2", field: "10.0.0.3\n300.1.1.1"}

    answer = page.post(url(key, "?form=ip-rules"), said)

    form = answer.context["page"].forms.ip
    key.refresh_from_db()
    assert answer.status_code == 422
    assert list(form.errors) == [field]
    assert "“300.1.1.1” is neither an IP address nor a range" in form.errors[field][0]
    assert {name: form[name].value() for name in said} == said
    assert (key.ip_allow, key.ip_block) == ([], [])


def test_quota_is_set_and_lifted(page: Client, key: ApiKey) -> None:
    page.post(url(key, "?form=quota"), {"requests": "500", "window_s": "3600"})
    key.refresh_from_db()
    held = (key.quota_requests, key.quota_window_s)
    shown = page.get(url(key)).content.decode()
    page.post(url(key, "?form=quota"), {"requests": "", "window_s": "3600"})

    key.refresh_from_db()
    assert held == (500, 3600)
    assert "500 requests an hour" in shown
    assert (key.quota_requests, key.quota_window_s) == (None, None)


def test_quota_of_nothing_is_refused_beside_its_field(page: Client, key: ApiKey) -> None:
    answer = page.post(url(key, "?form=quota"), {"requests": "0", "window_s": "60"})

    [form] = answer.context["page"].forms.limits
    assert answer.status_code == 422
    assert "Give at least 1 request" in form.errors["requests"][0]


def test_window_that_was_set_by_api_is_not_lost(page: Client, key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk).update(quota_requests=5, quota_window_s=90)

    [form] = page.get(url(key)).context["page"].forms.limits

    assert form["window_s"].value() == 90
    assert (90, "90 seconds") in form.fields["window_s"].choices


def test_rotation_shows_the_new_secret_once_and_both_in_the_list(page: Client, key: ApiKey) -> None:
    answer = page.post(url(key, "rotate/"), {"grace_s": "86400"})

    secret = answer.context["page"].secret
    listed = page.get(f"/dashboard/{key.project.public_id}/keys/")
    (row,) = listed.context["page"].keys
    assert secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert secret not in listed.content.decode() + page.get(url(key)).content.decode()
    assert [(one.is_old, one.state.word) for one in row.secrets] == [
        (False, "current"),
        (True, "ending"),
    ]
    assert secret.endswith(row.secrets[0].hint[-4:])
    assert all(one.hint in listed.content.decode() for one in row.secrets)


def test_page_shows_which_of_two_secrets_is_still_used(page: Client, key: ApiKey) -> None:
    rotate_key(key=key)
    old = key.secrets.get(ends_at__isnull=False)
    old.last_used_at = timezone.now() - timedelta(minutes=5)
    old.save()

    rows = page.get(url(key)).context["page"].secrets

    assert [row.last_used_at for row in rows] == [None, old.last_used_at]


def test_rotating_again_says_which_secret_stops(page: Client, key: ApiKey) -> None:
    rotate_key(key=key)
    old = key.secrets.get(ends_at__isnull=False)

    shown = page.get(url(key, "rotate/")).content.decode()

    assert "An earlier key stops immediately" in shown
    assert old.hint in shown


def test_old_secret_is_ended_now_and_the_current_one_goes_on(page: Client, key: ApiKey) -> None:
    rotate_key(key=key)
    key.refresh_from_db()
    asked = page.get(url(key, "end-old/"))
    between = [row.state.word for row in page.get(url(key)).context["page"].secrets]

    done = page.post(url(key, "end-old/"), follow=True)

    after = ApiKey.objects.get()
    assert asked.status_code == 200
    assert between == ["current", "ending"]
    assert [row.state.word for row in done.context["page"].secrets] == ["current", "ended"]
    assert after.version == key.version + 1
    assert AuditEntry.objects.filter(action="apikey.old_secret_ended").count() == 1


def test_revoked_key_shows_itself_and_offers_nothing(page: Client, key: ApiKey) -> None:
    page.post(url(key, "revoke/"))

    shown = page.get(url(key))
    changed = page.post(url(key, "?form=change"), SAID)
    rotated = page.post(url(key, "rotate/"), {"grace_s": "0"})

    assert shown.context["page"].forms is None
    assert changed.status_code == 409
    assert rotated.status_code == 409
    assert key.secrets.count() == 1


@pytest.mark.parametrize(
    "path", ["?form=change", "?form=ip-rules", "?form=quota", "rotate/", "end-old/"]
)
def test_member_changes_only_keys_of_their_own(key: ApiKey, path: str) -> None:
    bob = make_user("bob")
    seat(key.project, bob, Role.MEMBER)
    client = signed_in(bob)

    shown = client.get(url(key))
    answer = client.post(url(key, path), {**SAID, "grace_s": "0", "window_s": "60"})

    key.refresh_from_db()
    assert (shown.status_code, shown.context["page"].forms) == (200, None)
    assert answer.status_code == 403
    assert key.version == 1
    assert key.secrets.count() == 1


def test_member_cannot_make_their_key_a_management_key(acme: Project) -> None:
    bob = make_user("bob")
    seat(acme, bob, Role.MEMBER)
    key = make_key(acme, name="own").key
    ApiKey.objects.filter(pk=key.pk).update(issued_by=bob)

    answer = signed_in(bob).post(
        url(key, "?form=change"), {**SAID, "scopes": ["inference", "management"]}
    )

    key.refresh_from_db()
    assert "that needs admin" in answer.context["page"].forms.change.errors["scopes"][0]
    assert key.scopes == ["inference"]


@pytest.mark.parametrize(
    "path", ["", "?form=change", "?form=ip-rules", "?form=quota", "rotate/", "end-old/", "revoke/"]
)
def test_rival_finds_no_such_key(key: ApiKey, rex: User, rival: Project, path: str) -> None:
    client, theirs = signed_in(rex), f"/dashboard/{rival.public_id}/keys/{key.public_id}/{path}"

    method = "POST" if path else "GET"

    answers = [client.generic(method, where).status_code for where in (url(key, path), theirs)]

    key.refresh_from_db()
    assert answers == [404, 404]
    assert (key.version, key.revoked_at) == (1, None)
