"""Who may go where: one line a route. A route that is not here fails the suite.

``through`` is the status of those who pass the door while asking for nothing sensible: an
empty body, an id that does not exist. So every row tells the door from what lies behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

VIEWER, MEMBER, ADMIN, OWNER = "viewer", "member", "admin", "owner"
API = "<str:project_id>/v1/management/"
USAGE = "<str:project_id>/v1/usage/"
PAGE = "dashboard/<str:project_id>/"


@dataclass(frozen=True)
class Door:
    """A project's route: the least role that passes, and what those who pass are told."""

    floor: str
    through: int = 200


MANAGEMENT: dict[str, dict[str, Door]] = {
    "endpoints": {"GET": Door(VIEWER), "POST": Door(MEMBER, 400)},
    "endpoints/<str:slug>": {
        "GET": Door(VIEWER, 404),
        "PATCH": Door(MEMBER, 404),
        "DELETE": Door(MEMBER, 400),
    },
    "api-keys": {"GET": Door(VIEWER), "POST": Door(MEMBER, 400)},
    "api-keys/<str:key_id>": {
        "GET": Door(VIEWER, 404),
        "PATCH": Door(MEMBER, 404),
        "DELETE": Door(MEMBER, 404),
    },
    "api-keys/<str:key_id>/rotate": {"POST": Door(MEMBER, 404)},
    "api-keys/<str:key_id>/old-secret": {"DELETE": Door(MEMBER, 404)},
    "api-keys/<str:key_id>/ip-filter": {"GET": Door(VIEWER, 404), "PUT": Door(MEMBER, 404)},
    "api-keys/<str:key_id>/quota": {
        "GET": Door(VIEWER, 404),
        "PUT": Door(MEMBER, 400),
        "DELETE": Door(MEMBER, 404),
    },
    "agents": {"GET": Door(VIEWER)},
    "agents/<str:agent_id>": {
        "GET": Door(VIEWER, 404),
        "PATCH": Door(ADMIN, 400),
        "DELETE": Door(ADMIN, 404),
    },
    "agents/<str:agent_id>/events": {"GET": Door(VIEWER, 404)},
    "backends": {"GET": Door(VIEWER), "POST": Door(ADMIN, 400)},
    "backends/ask": {"POST": Door(ADMIN, 400)},
    "backends/<str:backend_id>": {
        "GET": Door(VIEWER, 404),
        "PATCH": Door(ADMIN, 404),
        "DELETE": Door(ADMIN, 404),
    },
    "backends/<str:backend_id>/ask": {"POST": Door(ADMIN, 404)},
    "backends/<str:backend_id>/rotate": {"POST": Door(ADMIN, 400)},
    "join-keys": {"GET": Door(VIEWER), "POST": Door(ADMIN, 400)},
    "join-keys/<str:join_key_id>": {"GET": Door(VIEWER, 404), "DELETE": Door(ADMIN, 404)},
    "tiers": {"GET": Door(VIEWER)},
    "models": {"GET": Door(VIEWER)},
    "tokens": {"POST": Door(MEMBER, 201)},
    "project": {
        "GET": Door(VIEWER),
        "PATCH": Door(ADMIN, 428),
        "DELETE": Door(OWNER, 400),
    },
    "project/restore": {"POST": Door(OWNER, 409)},
    "project/transfer": {"POST": Door(OWNER, 400)},
    "project/leave": {"POST": Door(VIEWER, 204)},
    "members": {"GET": Door(VIEWER)},
    "members/<str:member_id>": {
        "GET": Door(VIEWER, 404),
        "PATCH": Door(ADMIN, 400),
        "DELETE": Door(ADMIN, 404),
    },
    "invitations": {"GET": Door(ADMIN), "POST": Door(ADMIN, 400)},
    "invitations/<str:invitation_id>": {"DELETE": Door(ADMIN, 404)},
    "balance": {"GET": Door(VIEWER)},
    "ledger": {"GET": Door(VIEWER)},
    "budgets": {"GET": Door(VIEWER), "POST": Door(OWNER, 400)},
    "budgets/<str:budget_id>": {
        "GET": Door(VIEWER, 404),
        "PATCH": Door(OWNER, 404),
        "DELETE": Door(OWNER, 404),
    },
    "decisions/<str:decision_id>": {"GET": Door(VIEWER, 404)},
    "audit": {"GET": Door(ADMIN)},
    "audit/export": {"GET": Door(ADMIN)},
}
USAGE_READS: dict[str, dict[str, Door]] = {
    "summary": {"GET": Door(VIEWER)},
    "timeseries": {"GET": Door(VIEWER)},
    "records": {"GET": Door(VIEWER)},
    "export": {"GET": Door(VIEWER)},
    "refusals": {"GET": Door(VIEWER)},
    "requests/<str:request_id>": {"GET": Door(VIEWER, 404)},
}
PAGES: dict[str, dict[str, Door]] = {
    "": {"GET": Door(VIEWER)},
    "endpoints/": {"GET": Door(VIEWER)},
    "endpoints/new/": {"GET": Door(MEMBER), "POST": Door(MEMBER, 422)},
    "endpoints/new/slug/": {"GET": Door(MEMBER)},
    "endpoints/<str:slug>/": {"GET": Door(VIEWER, 404)},
    "endpoints/<str:slug>/pause/": {"GET": Door(VIEWER, 302), "POST": Door(MEMBER, 404)},
    "endpoints/<str:slug>/resume/": {"GET": Door(VIEWER, 302), "POST": Door(MEMBER, 404)},
    "endpoints/<str:slug>/retire/": {"GET": Door(MEMBER, 404), "POST": Door(MEMBER, 404)},
    "endpoints/<str:slug>/tier/": {"GET": Door(OWNER, 404), "POST": Door(OWNER, 404)},
    "keys/": {"GET": Door(VIEWER)},
    "keys/new/": {"GET": Door(MEMBER), "POST": Door(MEMBER, 422)},
    "keys/<str:key_id>/": {"GET": Door(VIEWER, 404), "POST": Door(MEMBER, 404)},
    "keys/<str:key_id>/end-old/": {"GET": Door(MEMBER, 404), "POST": Door(MEMBER, 404)},
    "keys/<str:key_id>/rotate/": {"GET": Door(MEMBER, 404), "POST": Door(MEMBER, 404)},
    "keys/<str:key_id>/revoke/": {"GET": Door(MEMBER, 404), "POST": Door(MEMBER, 404)},
    "machines/": {"GET": Door(VIEWER)},
    "machines/join-keys/": {"GET": Door(VIEWER)},
    "machines/join-keys/new/": {"GET": Door(ADMIN), "POST": Door(ADMIN, 422)},
    "machines/join-keys/<str:join_key_id>/revoke/": {
        "GET": Door(ADMIN, 404),
        "POST": Door(ADMIN, 404),
    },
    "machines/backends/": {"GET": Door(VIEWER)},
    "machines/backends/new/": {"GET": Door(ADMIN), "POST": Door(ADMIN, 422)},
    "machines/backends/<str:backend_id>/": {"GET": Door(VIEWER, 404)},
    "machines/backends/<str:backend_id>/ask/": {
        "GET": Door(VIEWER, 302),
        "POST": Door(ADMIN, 404),
    },
    "machines/backends/<str:backend_id>/change/": {
        "GET": Door(ADMIN, 404),
        "POST": Door(ADMIN, 404),
    },
    "machines/backends/<str:backend_id>/pause/": {
        "GET": Door(VIEWER, 302),
        "POST": Door(ADMIN, 404),
    },
    "machines/backends/<str:backend_id>/remove/": {
        "GET": Door(ADMIN, 404),
        "POST": Door(ADMIN, 404),
    },
    "machines/backends/<str:backend_id>/resume/": {
        "GET": Door(VIEWER, 302),
        "POST": Door(ADMIN, 404),
    },
    "machines/backends/<str:backend_id>/rotate/": {
        "GET": Door(ADMIN, 404),
        "POST": Door(ADMIN, 404),
    },
    "machines/<str:agent_id>/": {"GET": Door(VIEWER, 404)},
    "machines/<str:agent_id>/approve/": {"GET": Door(VIEWER, 302), "POST": Door(ADMIN, 404)},
    "machines/<str:agent_id>/suspend/": {"GET": Door(ADMIN, 404), "POST": Door(ADMIN, 404)},
    "machines/<str:agent_id>/drain/": {"GET": Door(ADMIN, 404), "POST": Door(ADMIN, 404)},
    "machines/<str:agent_id>/resume/": {"GET": Door(VIEWER, 302), "POST": Door(ADMIN, 404)},
    "machines/<str:agent_id>/revoke/": {"GET": Door(ADMIN, 404), "POST": Door(ADMIN, 404)},
    "models/": {"GET": Door(VIEWER)},
    "models/<path:name>/": {"GET": Door(VIEWER, 404)},
    "names/": {"GET": Door(VIEWER)},
    "usage/": {"GET": Door(VIEWER)},
    "usage/<str:request_id>/": {"GET": Door(VIEWER, 404)},
    "usage/<str:request_id>/why/": {"GET": Door(VIEWER, 404)},
    "settings/": {"GET": Door(VIEWER), "POST": Door(ADMIN, 422)},
    "settings/audit/": {"GET": Door(ADMIN)},
    "settings/billing/": {"GET": Door(VIEWER)},
    "settings/billing/budgets/": {"GET": Door(VIEWER)},
    "settings/billing/budgets/new/": {"GET": Door(OWNER), "POST": Door(OWNER, 422)},
    "settings/billing/budgets/<str:budget_id>/": {
        "GET": Door(OWNER, 404),
        "POST": Door(OWNER, 404),
    },
    "settings/billing/budgets/<str:budget_id>/end/": {
        "GET": Door(OWNER, 404),
        "POST": Door(OWNER, 404),
    },
    "settings/delete/": {"GET": Door(OWNER), "POST": Door(OWNER, 422)},
    "settings/invitations/<str:invitation_id>/revoke/": {
        "GET": Door(ADMIN, 404),
        "POST": Door(ADMIN, 404),
    },
    "settings/leave/": {"GET": Door(VIEWER), "POST": Door(VIEWER, 422)},
    "settings/members/": {"GET": Door(VIEWER)},
    "settings/members/invite/": {"GET": Door(ADMIN), "POST": Door(ADMIN, 422)},
    "settings/members/<str:member_id>/remove/": {"GET": Door(ADMIN, 404), "POST": Door(ADMIN, 404)},
    "settings/members/<str:member_id>/role/": {"GET": Door(ADMIN, 404), "POST": Door(ADMIN, 404)},
    "settings/origins/": {"GET": Door(VIEWER, 302), "POST": Door(ADMIN, 422)},
    "settings/restore/": {"GET": Door(VIEWER, 302), "POST": Door(OWNER, 409)},
    "settings/second-factor/": {"GET": Door(VIEWER, 302), "POST": Door(OWNER, 422)},
    "settings/transfer/": {"GET": Door(OWNER), "POST": Door(OWNER, 422)},
}

LEAD_BACK: dict[str, str] = {
    # What only acts leads whoever looks at it to the page it belongs to.
    "endpoints/<str:slug>/pause/": "endpoints/<str:slug>/",
    "endpoints/<str:slug>/resume/": "endpoints/<str:slug>/",
    "machines/backends/<str:backend_id>/ask/": "machines/backends/<str:backend_id>/",
    "machines/backends/<str:backend_id>/pause/": "machines/backends/<str:backend_id>/",
    "machines/backends/<str:backend_id>/resume/": "machines/backends/<str:backend_id>/",
    "machines/<str:agent_id>/approve/": "machines/<str:agent_id>/",
    "machines/<str:agent_id>/resume/": "machines/<str:agent_id>/",
    "settings/origins/": "settings/",
    "settings/restore/": "settings/",
    "settings/second-factor/": "settings/",
}
ASKS_AGAIN: dict[str, str] = {
    # The operations that ask a session again who is in front of it, and the page of each.
    "POST api-keys": "keys/new/",
    "POST api-keys/<str:key_id>/rotate": "keys/<str:key_id>/rotate/",
    "PATCH api-keys/<str:key_id>": "keys/<str:key_id>/",
    "POST tokens": "",
    "POST join-keys": "machines/join-keys/new/",
    "POST backends": "machines/backends/new/",
    "POST backends/<str:backend_id>/rotate": "machines/backends/<str:backend_id>/rotate/",
    "PATCH project": "settings/second-factor/",
    "DELETE project": "settings/delete/",
    "POST project/transfer": "settings/transfer/",
    "POST invitations": "settings/members/invite/",
    "PATCH members/<str:member_id>": "settings/members/<str:member_id>/role/",
    "DELETE members/<str:member_id>": "settings/members/<str:member_id>/remove/",
}

DOORS: dict[str, dict[str, Door]] = {
    **{API + path: doors for path, doors in MANAGEMENT.items()},
    **{USAGE + path: doors for path, doors in USAGE_READS.items()},
    **{PAGE + path: doors for path, doors in PAGES.items()},
}
OPERATOR = "v1/operator/"
BY_TOKEN: dict[str, dict[str, int]] = {
    # The operator API: an operator's token is told this, and everybody else 401, an operator's
    # own session too.
    OPERATOR + "models": {"GET": 200, "POST": 400},
    OPERATOR + "model-cards": {"GET": 200},
    OPERATOR + "models/<str:model_id>": {"GET": 404, "PATCH": 404, "DELETE": 404},
    OPERATOR + "tiers": {"GET": 200},
    OPERATOR + "tiers/<str:tier>": {"GET": 404},
    OPERATOR + "tiers/<str:tier>/terms": {"GET": 404, "POST": 404},
    OPERATOR + "tiers/<str:tier>/terms/<str:number>": {"DELETE": 404},
}


@dataclass(frozen=True)
class Gate:
    """An address of no project: what nobody and what any person is told, on GET and on POST."""

    get: tuple[int, int]
    post: tuple[int, int]


OPEN: dict[str, Gate] = {
    # No project's rows lie behind these. Keys are nobody here.
    "": Gate((200, 200), (405, 405)),
    ".well-known/jwks.json": Gate((200, 200), (405, 405)),
    "api/key-scanning/report": Gate((405, 405), (400, 400)),
    "api/openapi.json": Gate((200, 200), (405, 405)),
    "api/payments/notice": Gate((405, 405), (404, 404)),
    "v1/enroll": Gate((405, 405), (400, 400)),
    "v1/enroll/refresh": Gate((405, 405), (400, 400)),
    "v1/enroll/leave": Gate((405, 405), (400, 400)),
    "dashboard/": Gate((302, 302), (405, 405)),
    "dashboard/go-on/": Gate((302, 302), (405, 405)),
    "dashboard/new/": Gate((302, 200), (302, 422)),
    "dashboard/style-guide/": Gate((200, 200), (405, 405)),
    "docs/": Gate((302, 302), (405, 405)),
    "docs/<str:name>/": Gate((404, 404), (405, 405)),
    "docs/api/": Gate((200, 200), (405, 405)),
    "favicon.ico": Gate((302, 302), (302, 302)),
    "invitations/<str:token>/": Gate((404, 404), (404, 404)),
    "models/": Gate((200, 200), (405, 405)),
    "models/<path:name>/": Gate((404, 404), (405, 405)),
    "theme/": Gate((302, 302), (302, 302)),
}
SELF: dict[str, Gate] = {
    # Pages about oneself: nobody is sent to sign in (302), whoever is signed in sees their own.
    "auth/2fa/": Gate((302, 200), (302, 405)),
    "auth/2fa/authenticate/": Gate((302, 302), (302, 302)),
    "auth/2fa/reauthenticate/": Gate((302, 302), (302, 302)),
    "auth/2fa/recovery-codes/": Gate((302, 404), (302, 405)),
    "auth/2fa/recovery-codes/download/": Gate((302, 404), (302, 404)),
    "auth/2fa/recovery-codes/generate/": Gate((302, 302), (302, 302)),
    "auth/2fa/totp/activate/": Gate((302, 302), (302, 302)),
    "auth/2fa/totp/deactivate/": Gate((302, 404), (302, 404)),
    "auth/2fa/webauthn/": Gate((302, 200), (302, 405)),
    "auth/2fa/webauthn/add/": Gate((302, 302), (302, 302)),
    "auth/2fa/webauthn/keys/<int:pk>/edit/": Gate((302, 302), (302, 302)),
    "auth/2fa/webauthn/keys/<int:pk>/remove/": Gate((302, 302), (302, 302)),
    "auth/2fa/webauthn/login/": Gate((200, 200), (302, 200)),
    "auth/2fa/webauthn/reauthenticate/": Gate((302, 302), (302, 302)),
    "auth/2fa/webauthn/signup/": Gate((302, 302), (302, 302)),
    "auth/3rdparty/": Gate((302, 200), (302, 400)),
    "auth/3rdparty/login/cancelled/": Gate((200, 200), (405, 405)),
    "auth/3rdparty/login/error/": Gate((401, 401), (405, 405)),
    "auth/3rdparty/signup/": Gate((302, 302), (302, 302)),
    "auth/confirm-email/": Gate((302, 302), (302, 302)),
    "auth/email/": Gate((302, 200), (302, 200)),
    "auth/github/login/": Gate((404, 404), (404, 404)),
    "auth/github/login/callback/": Gate((404, 404), (404, 404)),
    "auth/inactive/": Gate((200, 200), (405, 405)),
    "auth/login": Gate((200, 200), (400, 200)),
    "auth/login/": Gate((302, 302), (302, 302)),
    "auth/login/code/confirm/": Gate((302, 302), (302, 302)),
    "auth/logout/": Gate((200, 200), (200, 200)),
    "auth/name/": Gate((302, 200), (302, 422)),
    "auth/oidc/^(?P<provider_id>[^/]+)/login/": Gate((404, 404), (404, 404)),
    "auth/oidc/^(?P<provider_id>[^/]+)/login/callback/": Gate((404, 404), (404, 404)),
    "auth/password/change/": Gate((302, 200), (302, 400)),
    "auth/password/reset/": Gate((200, 200), (400, 400)),
    "auth/password/reset/complete/": Gate((302, 302), (302, 302)),
    "auth/password/reset/confirm/": Gate((302, 302), (302, 302)),
    "auth/password/reset/done/": Gate((200, 200), (405, 405)),
    "auth/password/set/": Gate((302, 302), (302, 302)),
    "auth/reauthenticate/": Gate((302, 200), (302, 200)),
    "auth/register": Gate((200, 200), (400, 200)),
    "auth/register/": Gate((302, 302), (302, 302)),
    "auth/register/passkey": Gate((200, 200), (400, 200)),
    "auth/sessions/": Gate((302, 200), (302, 302)),
    "auth/sessions/<int:session_id>/end/": Gate((302, 302), (302, 404)),
    "auth/signup/": Gate((302, 302), (302, 302)),
    "auth/signup/passkey/": Gate((200, 200), (400, 200)),
    "auth/social/connections/": Gate((301, 301), (301, 301)),
    "auth/social/login/cancelled/": Gate((301, 301), (301, 301)),
    "auth/social/login/error/": Gate((301, 301), (301, 301)),
    "auth/social/signup/": Gate((301, 301), (301, 301)),
}
WITH_A_FACTOR: dict[str, Gate] = {
    # What people with a second factor are told where it differs.
    "auth/2fa/reauthenticate/": Gate((302, 200), (302, 200)),
    "auth/2fa/totp/deactivate/": Gate((302, 302), (302, 302)),
}

CONSOLE: dict[str, Gate] = {
    # The console is for operators: everyone else is sent to its sign-in, except here, where
    # nobody and people who are no operators are told this.
    "admin/login/": Gate((302, 403), (302, 403)),
    "admin/see-as/end/": Gate((302, 302), (302, 302)),
}
