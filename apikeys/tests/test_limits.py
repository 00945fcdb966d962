"""A key can be held to addresses, to a number of requests, to an endpoint and to a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from apikeys import limits
from apikeys.errors import QuotaMalformed
from apikeys.models import ApiKey, KeySecret
from apikeys.rules import is_welcome, normal_network
from audit.models import AuditEntry
from common import clock
from inference.contracts.entries import Grant, load
from inference.contracts.key_limits import FIELDS
from inference.contracts.names import grant_key
from projects.models import Project
from projects.rules import Role
from tests.make import make_endpoint, make_key, make_user, seat, session_of


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1/32", "192.0.2.1"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        (" 10.0.0.0/255.0.0.0 ", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201/128", "192.0.2.1"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::/0", "::/0"),
        ("fe80::1%eth0", None),
        ("192.0.2.256", None),
        ("192.0.2.1/33", None),
        ("010.0.0.1", None),
        ("example.com", None),
        ("1", None),
        ("", None),
    ],
)
def test_rule_has_one_form_or_none(text: str, normal: str | None) -> None:
    assert normal_network(text) == normal


@given(st.ip_addresses().map(str), st.integers(0, 32))
def test_one_form_stays_as_it_is(address: str, prefix: int) -> None:
    first = normal_network(f"{address}/{prefix}")

    assert first is not None
    assert normal_network(first) == first


@pytest.mark.parametrize(
    ("address", "allow", "block", "welcome"),
    [
        ("192.0.2.1", [], [], True),
        ("nonsense", [], [], True),
        ("nonsense", [], ["10.0.0.0/8"], False),
        ("10.1.1.1", ["10.0.0.0/8"], [], True),
        ("::ffff:10.1.1.1", ["10.0.0.0/8"], [], True),
        ("::ffff:10.1.1.1", [], ["10.0.0.0/8"], False),
        ("11.1.1.1", ["10.0.0.0/8"], [], False),
        ("10.1.1.1", ["10.0.0.0/8"], ["10.1.1.1"], False),
        ("11.1.1.1", [], ["10.0.0.0/8"], True),
        ("2001:db8::5", ["2001:db8::/32"], [], True),
        ("2001:db9::5", ["2001:db8::/32"], [], False),
        ("2001:db8::5", ["0.0.0.0/0"], [], False),
        ("10.0.0.1", ["::/0"], [], False),
    ],
)
def test_block_wins_over_allow(
    address: str, allow: list[str], block: list[str], welcome: bool
) -> None:
    assert is_welcome(address, allow=allow, block=block) is welcome


@pytest.fixture
def manager(acme: Project) -> APIClient:
    key = make_key(acme, name="manager", scopes=("management",))
    return APIClient(headers={"authorization": f"Bearer {key.secret}", "if-match": "*"})


@pytest.fixture
def url(acme: Project) -> str:
    key = make_key(acme, name="ci").key
    return f"/{acme.public_id}/v1/management/api-keys/{key.public_id}"


def test_ip_rules_are_set_shown_and_kept_in_one_form(manager: APIClient, url: str) -> None:
    said = {"allow": ["10.1.2.3/8", "::ffff:10.0.0.0/104"], "block": ["2001:DB8::1"]}

    answer = manager.put(f"{url}/ip-filter", said, format="json")

    shown = {"object": "ip_filter", "allow": ["10.0.0.0/8"], "block": ["2001:db8::1"]}
    assert (answer.status_code, answer.json()) == (200, shown)
    assert manager.get(f"{url}/ip-filter").json() == shown
    assert manager.get(url).json()["ip_filter"] == shown


@pytest.mark.parametrize(
    ("path", "said", "param"),
    [
        pytest.param("ip-filter", {"allow": ["10.0.0.0/8", "x"]}, "allow.1", id="no address"),
        pytest.param("ip-filter", {"block": ["10.0.0.1"] * 101}, "block", id="too many"),
        pytest.param("ip-filter", {"deny": []}, "deny", id="unknown list"),
        pytest.param("quota", {"requests": 0, "window_s": 60}, "requests", id="no request"),
        pytest.param("quota", {"requests": 5}, "window_s", id="half a quota"),
        pytest.param(
            "quota", {"requests": 5, "window_s": 40_000_000}, "window_s", id="over a year"
        ),
        pytest.param("quota", {"requests": True, "window_s": 5}, "requests", id="a yes"),
    ],
)
def test_malformed_limit_is_refused_by_name_and_changes_nothing(
    manager: APIClient, url: str, path: str, said: dict[str, Any], param: str
) -> None:
    answer = manager.put(f"{url}/{path}", said, format="json")

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert ApiKey.objects.get(name="ci").version == 1


def test_quota_is_set_shown_and_lifted(manager: APIClient, url: str) -> None:
    none = {"object": "quota", "requests": None, "window_s": None}
    some = {"object": "quota", "requests": 100, "window_s": 3600}
    assert manager.get(f"{url}/quota").json() == none

    answer = manager.put(f"{url}/quota", {"requests": 100, "window_s": 3600}, format="json")

    assert (answer.status_code, answer.json()) == (200, some)
    assert manager.get(url).json()["quota"] == some
    assert manager.delete(f"{url}/quota").status_code == 204
    assert manager.get(f"{url}/quota").json() == none


def test_half_a_quota_cannot_be_written_at_all(acme: Project) -> None:
    make_key(acme)

    with pytest.raises(IntegrityError, match="quota_is_whole"), transaction.atomic():
        ApiKey.objects.update(quota_requests=5)


@pytest.mark.django_db(transaction=True)
def test_every_limit_reaches_the_gateways(valkey: redis.Redis, acme: Project) -> None:
    make_endpoint(acme, "chat")
    key = make_key(acme, scopes=("management",))
    client = APIClient(headers={"authorization": f"Bearer {key.secret}"})
    said = {
        "name": "whole",
        "scopes": ["inference", "research"],
        "endpoint": "chat",
        "expires_at": "2099-01-01T00:00:00Z",
        "ip_filter": {"allow": ["10.0.0.0/8"], "block": ["10.0.0.1"]},
        "quota": {"requests": 7, "window_s": 60},
    }

    made = client.post(f"/{acme.public_id}/v1/management/api-keys", said, format="json")

    secret = KeySecret.objects.get(key__public_id=made.json()["id"])
    grant = load(Grant, str(valkey.get(grant_key(secret.digest))))
    assert grant == Grant(
        version=1,
        key_id=made.json()["id"],
        project=acme.public_id,
        scopes=("inference", "research"),
        expires_at=4070908800.0,
        endpoint="chat",
        ip_allow=("10.0.0.0/8",),
        ip_block=("10.0.0.1",),
        quota_requests=7,
        quota_window_s=60,
        secret_id=secret.pk,
    )


def test_patch_changes_what_is_said_and_nothing_else(
    manager: APIClient, url: str, acme: Project
) -> None:
    make_endpoint(acme, "chat")
    before = manager.get(url).json()
    soon = (clock.now() + timedelta(days=1)).isoformat().replace("+00:00", "Z")

    answer = manager.patch(
        url, {"endpoint": "chat", "expires_at": soon, "scopes": ["research"]}, format="json"
    )

    assert answer.json() == {
        **before,
        "endpoint": "chat",
        "expires_at": soon,
        "scopes": ["research"],
    }
    assert manager.patch(url, {"endpoint": None, "expires_at": None}, format="json").json() == {
        **before,
        "scopes": ["research"],
    }


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        pytest.param({"expires_at": "2001-01-01T00:00:00Z"}, 400, "key_expiry_in_the_past", id="p"),
        pytest.param({"name": "manager"}, 409, "key_name_taken", id="name taken"),
        pytest.param({"name": " "}, 400, "invalid_request", id="no name"),
        pytest.param({"scopes": []}, 400, "invalid_request", id="no scope"),
        pytest.param({"scopes": ["root"]}, 400, "invalid_request", id="no such scope"),
        pytest.param({"endpoint": "none"}, 404, "endpoint_not_found", id="no such endpoint"),
        pytest.param({"id": "key_x"}, 400, "invalid_request", id="id"),
        pytest.param({"project": "proj_x"}, 400, "invalid_request", id="project"),
        pytest.param({"revoked_at": None}, 400, "invalid_request", id="revocation"),
        pytest.param({"version": 9}, 400, "invalid_request", id="version"),
        pytest.param({"issued_by": 1}, 400, "invalid_request", id="issuer"),
        pytest.param({"digest": "x"}, 400, "invalid_request", id="digest"),
    ],
)
def test_patch_refuses_the_rest_and_changes_nothing(
    manager: APIClient, url: str, said: dict[str, Any], status: int, code: str
) -> None:
    before = manager.get(url).json()

    answer = manager.patch(url, said, format="json")

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert manager.get(url).json() == before


def test_revoked_key_never_changes_again(manager: APIClient, url: str) -> None:
    manager.delete(url)

    answers = [
        manager.patch(url, {"name": "other"}, format="json"),
        manager.put(f"{url}/quota", {"requests": 1, "window_s": 1}, format="json"),
        manager.post(f"{url}/rotate", {}, format="json"),
    ]

    assert {answer.json()["error"]["code"] for answer in answers} == {"key_revoked"}


def test_management_key_is_held_to_its_addresses_too(acme: Project) -> None:
    key = make_key(acme, scopes=("management",))
    ApiKey.objects.update(ip_allow=["10.0.0.0/8"])
    url = f"/{acme.public_id}/v1/management/api-keys"
    headers = {"authorization": f"Bearer {key.secret}"}

    inside = APIClient(headers=headers, REMOTE_ADDR="10.9.9.9").get(url)
    outside = APIClient(headers=headers, REMOTE_ADDR="11.0.0.1").get(url)
    spoofed = APIClient(
        headers={**headers, "x-forwarded-for": "10.9.9.9"}, REMOTE_ADDR="11.0.0.1"
    ).get(url)

    assert inside.status_code == 200
    assert {(a.status_code, a.json()["error"]["code"]) for a in (outside, spoofed)} == {
        (403, "ip_not_allowed")
    }


def test_member_changes_only_keys_of_their_own(acme: Project, url: str) -> None:
    bob = make_user("bob")
    seat(acme, bob, Role.MEMBER)
    client = session_of(bob, headers={"if-match": "*"})
    keys = url.rpartition("/")[0]

    own = client.post(keys, {"name": "bobs"}, format="json").json()
    answers = [
        client.patch(url, {"name": "x"}, format="json"),
        client.put(f"{url}/quota", {"requests": 1, "window_s": 1}, format="json"),
        client.put(f"{url}/ip-filter", {}, format="json"),
        client.delete(f"{url}/quota"),
        client.post(f"{url}/rotate", {}, format="json"),
        client.delete(url),
    ]

    assert {a.json()["error"]["code"] for a in answers} == {"role_insufficient"}
    assert ApiKey.objects.get(name="ci").version == 1
    assert client.post(f"{keys}/{own['id']}/rotate", {}, format="json").status_code == 201


def test_change_is_told_with_before_and_after(manager: APIClient, url: str) -> None:
    manager.put(f"{url}/quota", {"requests": 5, "window_s": 60}, format="json")

    entry = AuditEntry.objects.get(action="apikey.changed")
    assert entry.before == {"quota_requests": None, "quota_window_s": None}
    assert entry.after == {"quota_requests": 5, "quota_window_s": 60}
    assert entry.actor_kind == "key"


def test_bounds_are_what_the_columns_hold() -> None:
    limits.check({"quota_requests": limits.MAX_QUOTA, "quota_window_s": limits.MAX_WINDOW_S})

    with pytest.raises(QuotaMalformed):
        limits.check({"quota_requests": limits.MAX_QUOTA + 1, "quota_window_s": 1})
    with pytest.raises(QuotaMalformed) as refused:
        limits.check({"quota_requests": 1, "quota_window_s": None})
    assert refused.value.message == "Give a window of 1 to 31622400 seconds."
    assert refused.value.param == "window_s"


def test_every_number_that_a_gateway_knows_of_a_key_can_be_set_and_is_a_column() -> None:
    settable = [figure.field for limit in limits.LIMITS for figure in limit.figures]

    assert sorted(settable) == sorted(FIELDS)
    for limit in limits.LIMITS:
        for figure in limit.figures:
            column = ApiKey._meta.get_field(figure.field)
            assert column.null
            assert figure.most <= 2**31 - 1


def test_figures_of_different_limits_have_different_names() -> None:
    names = [figure.name for limit in limits.LIMITS for figure in limit.figures]

    assert len(set(names)) == len(names)
