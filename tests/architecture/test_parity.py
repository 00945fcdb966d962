"""A guard: whatever the pages can do, the API can do. A page that gains an action says by what."""

from __future__ import annotations

from tests.architecture.access_table import MANAGEMENT, OPEN, PAGES

BY_API = {
    "endpoints/new/": "POST endpoints",
    "endpoints/<str:slug>/pause/": "PATCH endpoints/<str:slug>",
    "endpoints/<str:slug>/resume/": "PATCH endpoints/<str:slug>",
    "endpoints/<str:slug>/retire/": "DELETE endpoints/<str:slug>",
    "keys/new/": "POST api-keys",
    "endpoints/<str:slug>/tier/": "PATCH endpoints/<str:slug>",
    "keys/<str:key_id>/": "PATCH api-keys/<str:key_id>",
    "keys/<str:key_id>/end-old/": "DELETE api-keys/<str:key_id>/old-secret",
    "keys/<str:key_id>/rotate/": "POST api-keys/<str:key_id>/rotate",
    "keys/<str:key_id>/revoke/": "DELETE api-keys/<str:key_id>",
    "machines/join-keys/new/": "POST join-keys",
    "machines/join-keys/<str:join_key_id>/revoke/": "DELETE join-keys/<str:join_key_id>",
    "machines/backends/new/": "POST backends",
    "machines/backends/<str:backend_id>/ask/": "POST backends/<str:backend_id>/ask",
    "machines/backends/<str:backend_id>/change/": "PATCH backends/<str:backend_id>",
    "machines/backends/<str:backend_id>/pause/": "PATCH backends/<str:backend_id>",
    "machines/backends/<str:backend_id>/resume/": "PATCH backends/<str:backend_id>",
    "machines/backends/<str:backend_id>/rotate/": "POST backends/<str:backend_id>/rotate",
    "machines/backends/<str:backend_id>/remove/": "DELETE backends/<str:backend_id>",
    "machines/<str:agent_id>/approve/": "PATCH agents/<str:agent_id>",
    "machines/<str:agent_id>/suspend/": "PATCH agents/<str:agent_id>",
    "machines/<str:agent_id>/drain/": "PATCH agents/<str:agent_id>",
    "machines/<str:agent_id>/resume/": "PATCH agents/<str:agent_id>",
    "machines/<str:agent_id>/revoke/": "DELETE agents/<str:agent_id>",
    "settings/": "PATCH project",
    "settings/origins/": "PATCH project",
    "settings/second-factor/": "PATCH project",
    "settings/billing/budgets/new/": "POST budgets",
    "settings/billing/budgets/<str:budget_id>/": "PATCH budgets/<str:budget_id>",
    "settings/billing/budgets/<str:budget_id>/end/": "DELETE budgets/<str:budget_id>",
    "settings/delete/": "DELETE project",
    "settings/restore/": "POST project/restore",
    "settings/transfer/": "POST project/transfer",
    "settings/leave/": "POST project/leave",
    "settings/members/invite/": "POST invitations",
    "settings/members/<str:member_id>/role/": "PATCH members/<str:member_id>",
    "settings/members/<str:member_id>/remove/": "DELETE members/<str:member_id>",
    "settings/invitations/<str:invitation_id>/revoke/": "DELETE invitations/<str:invitation_id>",
}
"""What each page sends → the operation that does the same."""
BY_PAGE_ALONE = {
    "dashboard/new/": "every key and every path of the API belongs to a project there is already",
    "invitations/<str:token>/": "whoever accepts has no seat yet: they prove who they are by page",
    "theme/": "how one's own browser shows the pages",
}
"""What has no operation, with the reason."""
NOT_OURS = ("api/", "auth/", "v1/")
WITHOUT_EFFECT = {405}


def test_every_action_of_a_page_has_an_operation() -> None:
    acting = {path for path, doors in PAGES.items() if set(doors) - {"GET"}}

    assert acting == set(BY_API)


def test_every_operation_named_exists() -> None:
    known = {f"{method} {path}" for path, doors in MANAGEMENT.items() for method in doors}

    assert set(BY_API.values()) <= known


def test_action_outside_a_project_says_why_it_has_none() -> None:
    acting = {
        path
        for path, gate in OPEN.items()
        if not path.startswith(NOT_OURS) and set(gate.post) - WITHOUT_EFFECT
    }

    # A redirect of an icon is no action.
    assert acting - {"favicon.ico"} == set(BY_PAGE_ALONE)
