"""The management API of a project's own affairs: what it does, and what nobody gets it to do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from rest_framework.test import APIClient

from accounts.models import User
from apikeys.models import ApiKey
from apikeys.services import issue_key
from audit import rules
from audit.models import AuditEntry
from projects import access, invitations, services
from projects.models import Invitation, Membership, Project
from projects.rules import Role
from tests.make import make_endpoint, make_key, make_user, seat, session_of

ANY = {"headers": {"if-match": "*"}}


@dataclass(frozen=True)
class Api:
    """One caller's view of one project."""

    client: APIClient
    project: Project

    def __call__(self, method: str, path: str, body: Any = None, **extra: Any) -> tuple[int, Any]:
        url = f"/{self.project.public_id}/v1/management/{path}"
        answer = self.client.generic(
            method, url, json.dumps(body) if body is not None else "", "application/json", **extra
        )
        return answer.status_code, answer.json() if answer.content else None


def api_of(user: User, project: Project) -> Api:
    return Api(session_of(user), project)


@pytest.fixture
def owner(ada: User, acme: Project) -> Api:
    return api_of(ada, acme)


@pytest.fixture
def bob(acme: Project) -> Membership:
    return seat(acme, make_user("bob"), Role.MEMBER)


def test_project_shows_itself_and_changes_with_its_tag(owner: Api) -> None:
    status, shown = owner("GET", "project")
    assert status == 200
    assert (shown["id"], shown["slug"], shown["name"]) == (owner.project.public_id, "acme", "Acme")

    assert owner("PATCH", "project", {"name": "New"})[0] == 428
    assert owner("PATCH", "project", {"name": "New"}, **ANY)[1]["name"] == "New"
    assert owner("PATCH", "project", {"name": "X"}, headers={"if-match": '"old"'})[0] == 412

    owner.project.refresh_from_db()
    assert owner.project.name == "New"


@pytest.mark.parametrize("field", ["id", "public_id", "slug", "delete_after", "owner", "pk"])
def test_nothing_else_of_a_project_can_be_assigned(owner: Api, field: str) -> None:
    status, answer = owner("PATCH", "project", {"name": "N", field: "zzz"}, **ANY)

    assert (status, answer["error"]["param"]) == (400, field)
    owner.project.refresh_from_db()
    assert (owner.project.name, owner.project.slug) == ("Acme", "acme")


def test_deletion_is_confirmed_marked_and_restored(owner: Api) -> None:
    assert owner("DELETE", "project?slug=rival")[1]["error"]["code"] == "project_slug_not_confirmed"
    status, marked = owner("DELETE", "project?slug=acme")
    assert (status, marked["delete_after"] is not None) == (200, True)
    refused = owner("POST", "invitations", {"email": "x@example.com"})
    assert (refused[0], refused[1]["error"]["code"]) == (409, "project_marked_for_deletion")

    assert owner("POST", "project/restore")[1]["delete_after"] is None
    assert owner("POST", "project/restore")[1]["error"]["code"] == "project_not_marked"


def test_members_are_listed_changed_and_removed(owner: Api, bob: Membership) -> None:
    status, page = owner("GET", "members")
    assert (status, [row["email"] for row in page["data"]]) == (
        200,
        ["bob@example.com", "ada@example.com"],
    )

    assert (
        owner("PATCH", f"members/{bob.public_id}", {"role": "admin"}, **ANY)[1]["role"] == "admin"
    )
    assert owner("DELETE", f"members/{bob.public_id}") == (204, None)
    assert owner("GET", f"members/{bob.public_id}")[0] == 404


def test_last_owner_stays_whatever_is_asked(owner: Api, ada: User) -> None:
    own = Membership.objects.get(user=ada).public_id

    for answer in (
        owner("POST", "project/leave"),
        owner("DELETE", f"members/{own}"),
        owner("PATCH", f"members/{own}", {"role": "viewer"}, **ANY),
    ):
        assert (answer[0], answer[1]["error"]["code"]) == (409, "last_owner")

    assert Membership.objects.get(user=ada).role == "owner"


def test_transfer_and_leave(owner: Api, ada: User, bob: Membership) -> None:
    assert owner("POST", "project/transfer", {"member": bob.public_id})[1]["role"] == "owner"
    assert owner("POST", "project/leave") == (204, None)

    assert list(Membership.objects.values_list("user__email", "role")) == [
        ("bob@example.com", "owner")
    ]


def test_invitation_is_sent_once_listed_and_revoked(owner: Api) -> None:
    once = {"headers": {"idempotency-key": "k1"}}
    first = owner("POST", "invitations", {"email": "new@example.com", "role": "viewer"}, **once)
    again = owner("POST", "invitations", {"email": "new@example.com", "role": "viewer"}, **once)

    assert first[0] == 201
    assert first == again
    assert Invitation.objects.count() == 1
    assert "digest" not in str(first)
    assert "token" not in str(first)
    assert [row["id"] for row in owner("GET", "invitations")[1]["data"]] == [first[1]["id"]]
    assert owner("DELETE", f"invitations/{first[1]['id']}") == (204, None)
    assert owner("GET", "invitations")[1]["data"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("PATCH", "members/{own}", {"role": "admin"}, id="promote oneself"),
        pytest.param("PATCH", "members/{own}", {"role": "owner"}, id="own it"),
        pytest.param("POST", "invitations", {"email": "e@x.org", "role": "admin"}, id="invite"),
        pytest.param("POST", "project/transfer", {"member": "{own}"}, id="transfer"),
        pytest.param("DELETE", "members/{ada}", None, id="remove the owner"),
        pytest.param("DELETE", "project?slug=acme", None, id="delete the project"),
        pytest.param("PATCH", "project", {"requires_second_factor": True}, id="lock others out"),
    ],
)
def test_member_cannot_climb(
    acme: Project, ada: User, bob: Membership, method: str, path: str, body: Any
) -> None:
    ids = {"own": bob.public_id, "ada": Membership.objects.get(user=ada).public_id}
    asked = json.loads(json.dumps(body).replace("{own}", bob.public_id))

    status, answer = api_of(bob.user, acme)(method, path.format(**ids), asked, **ANY)

    assert (status, answer["error"]["code"]) == (403, "role_insufficient")
    roles = dict(Membership.objects.values_list("user__email", "role"))
    assert roles == {"ada@example.com": "owner", "bob@example.com": "member"}
    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    ("scopes", "method", "path", "body"),
    [
        ([], "POST", "api-keys", {"name": "x", "scopes": ["inference", "management"]}),
        (["inference"], "PATCH", "api-keys/{key}", {"scopes": ["management"]}),
        (["management"], "PATCH", "api-keys/{key}", {"name": "kept from better days"}),
        (["management"], "POST", "api-keys/{key}/rotate", {}),
        (["management"], "PUT", "api-keys/{key}/ip-filter", {"allow": [], "block": []}),
    ],
)
def test_member_gets_no_key_that_may_more_than_they(
    acme: Project, bob: Membership, scopes: list[str], method: str, path: str, body: Any
) -> None:
    key = issue_key(project=acme, name="own", scopes=scopes or ["inference"], issuer=bob.user).key

    status, answer = api_of(bob.user, acme)(method, path.format(key=key.public_id), body, **ANY)

    assert (status, answer["error"]["code"]) == (403, "role_insufficient")
    kept = ApiKey.objects.get()
    assert (kept.version, kept.scopes, kept.secrets.count()) == (1, key.scopes, 1)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "members/{bob}", {"role": "owner"}),
        ("PATCH", "members/{ada}", {"role": "admin"}),
        ("DELETE", "members/{ada}", None),
        ("POST", "project/transfer", {"member": "{bob}"}),
        ("DELETE", "project?slug=acme", None),
        ("POST", "project/restore", None),
        ("POST", "project/leave", None),
    ],
)
def test_key_and_admin_cannot_do_what_is_the_owners(
    acme: Project, ada: User, bob: Membership, method: str, path: str, body: Any
) -> None:
    key = make_key(acme, scopes=("management",))
    api = Api(APIClient(headers={"authorization": f"Bearer {key.secret}"}), acme)
    ids = {"bob": bob.public_id, "ada": Membership.objects.get(user=ada).public_id}
    asked = json.loads(json.dumps(body).replace("{bob}", bob.public_id))

    status, answer = api(method, path.format(**ids), asked, **ANY)

    assert (status, answer["error"]["code"]) == (403, "role_insufficient")
    assert Membership.objects.get(user=ada).role == "owner"


def test_ids_of_a_rival_are_as_good_as_missing(
    owner: Api, rex: User, rival: Project, bob: Membership
) -> None:
    theirs = Membership.objects.get(user=rex).public_id
    asked = access.seat(rex, rival.public_id)
    invited = invitations.invite(seat=asked, email="new@example.com", role=Role.VIEWER)
    endpoint, key = make_endpoint(rival, "theirs"), make_key(rival)

    for method, path, body in (
        ("GET", f"members/{theirs}", None),
        ("PATCH", f"members/{theirs}", {"role": "viewer"}),
        ("DELETE", f"members/{theirs}", None),
        ("POST", "project/transfer", {"member": theirs}),
        ("DELETE", f"invitations/{invited.public_id}", None),
        ("GET", f"endpoints/{endpoint.public_id}", None),
        ("GET", "endpoints/theirs", None),
        ("DELETE", "endpoints/theirs?slug=theirs", None),
        ("GET", f"api-keys/{key.key.public_id}", None),
        ("DELETE", f"api-keys/{key.key.public_id}", None),
    ):
        status, answer = owner(method, path, body, **ANY)
        assert status == 404, (method, path, answer)
        nobodys = path.replace(theirs, "mem_x").replace(invited.public_id, "inv_x")
        nobodys = nobodys.replace(endpoint.public_id, "ep_x").replace(key.key.public_id, "key_x")
        shown = json.loads(json.dumps(answer).replace(endpoint.public_id, "ep_x"))
        assert shown == owner(method, nobodys, body, **ANY)[1]

    key.key.refresh_from_db()
    endpoint.refresh_from_db()
    invited.refresh_from_db()
    assert (key.key.revoked_at, endpoint.state, invited.revoked_at) == (None, "active", None)
    assert Membership.objects.get(user=rex).role == "owner"


NASTY = [
    "'; DROP TABLE projects_project; --",
    "{{ settings.SECRET_KEY }}{% debug %}",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "${7*7} #{7*7}",
]


@pytest.mark.parametrize("text", NASTY)
def test_free_text_is_kept_and_shown_as_it_is(owner: Api, text: str) -> None:
    assert owner("PATCH", "project", {"name": text}, **ANY)[1]["name"] == text

    assert owner("GET", "project")[1]["name"] == text
    said = owner("GET", "audit")[1]["data"][0]
    assert (said["action"], said["after"]) == ("project.renamed", {"name": text})
    page = owner.client
    page.force_login(User.objects.get(email="ada@example.com"))
    html = page.get(f"/dashboard/{owner.project.public_id}/settings/").content.decode()
    assert "<script>alert(1)" not in html
    assert "a-test-key-that-is-long" not in html


def test_zero_byte_is_refused_with_its_field(owner: Api) -> None:
    status, answer = owner("PATCH", "project", {"name": "a\0b"}, **ANY)

    assert (status, answer["error"]["param"]) == (400, "name")


def test_audit_is_paged_filtered_and_only_ours(owner: Api, rival: Project) -> None:
    for name in ("b", "c"):
        services.rename_project(project=owner.project, name=name)
        services.rename_project(project=rival, name=f"rival {name}")

    status, first = owner("GET", "audit?limit=1")
    assert (status, first["has_more"], first["data"][0]["after"]) == (200, True, {"name": "c"})
    rest = owner("GET", f"audit?limit=1&after={first['last_id']}")[1]
    assert (rest["has_more"], rest["data"][0]["after"]) == (False, {"name": "b"})
    assert owner("GET", f"audit?before={rest['last_id']}")[1]["data"] == first["data"]
    assert owner("GET", "audit?action=apikey.")[1]["data"] == []
    assert owner("GET", "audit?after=aud_99")[1]["error"]["code"] == "cursor_unknown"
    assert owner("GET", "audit?after=%EF%BC%91")[1]["error"]["code"] == "cursor_unknown"
    assert owner("GET", "audit?project=x")[0] == 400
    assert "rival" not in json.dumps(owner("GET", "audit")[1])


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
def test_audit_is_for_admins(acme: Project, role: Role) -> None:
    user = make_user()
    seat(acme, user, role)

    assert api_of(user, acme)("GET", "audit")[0] == 403
    assert api_of(user, acme)("GET", "audit/export")[0] == 403


def test_exported_lines_stay_lines_and_only_ours(owner: Api, rival: Project) -> None:
    # No name has a line end in it any more (``name_malformed``).
    for name in ('a {"number": 99}', *NASTY):
        services.rename_project(project=owner.project, name=name)
    services.rename_project(project=rival, name="rival")

    url = f"/{owner.project.public_id}/v1/management/audit/export"
    answer: Any = owner.client.get(url)
    text = b"".join(answer.streaming_content).decode()

    assert answer["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in text.rstrip("\n").split("\n")]
    assert [line["number"] for line in lines] == list(range(1, len(NASTY) + 2))
    assert {line["project"] for line in lines} == {owner.project.public_id}
    assert lines[0]["prev_hash"] == rules.GENESIS


def test_person_without_a_seat_learns_nothing(acme: Project, rex: User) -> None:
    for path in ("project", "members", "invitations", "audit", "audit/export"):
        theirs = api_of(rex, acme)("GET", path)
        nobodys = api_of(rex, Project(public_id="proj_000000000000"))("GET", path)
        assert theirs == nobodys
        assert theirs[0] == 404
    client = APIClient()
    client.force_authenticate(AnonymousUser())
    assert Api(client, acme)("GET", "project")[0] == 401


def test_entry_names_the_request_and_the_address(owner: Api) -> None:
    owner("PATCH", "project", {"name": "N"}, **ANY)

    entry = AuditEntry.objects.get(action="project.renamed")
    assert entry.request_id.startswith("req_")
    assert (entry.address, entry.actor_name) == ("127.0.0.1", "ada@example.com")
