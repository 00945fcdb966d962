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
    "api-keys/<str:key_id>/ip-filter": {"GET": Door(VIEWER, 404), "PUT": Door(MEMBER, 404)},
    "api-keys/<str:key_id>/quota": {
        "GET": Door(VIEWER, 404),
        "PUT": Door(MEMBER, 400),
        "DELETE": Door(MEMBER, 404),
    },
    "tokens": {"POST": Door(MEMBER, 400)},
    "project": {"GET": Door(VIEWER), "PATCH": Door(ADMIN, 428), "DELETE": Door(OWNER, 400)},
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
    "audit": {"GET": Door(ADMIN)},
    "audit/export": {"GET": Door(ADMIN)},
}
USAGE_READS: dict[str, dict[str, Door]] = {
    "summary": {"GET": Door(VIEWER)},
    "timeseries": {"GET": Door(VIEWER)},
    "records": {"GET": Door(VIEWER)},
    "export": {"GET": Door(VIEWER)},
}
PAGES: dict[str, dict[str, Door]] = {
    "": {"GET": Door(VIEWER)},
    "endpoints/": {"GET": Door(VIEWER)},
    "endpoints/new/": {"GET": Door(MEMBER), "POST": Door(MEMBER, 422)},
    "endpoints/new/slug/": {"GET": Door(MEMBER)},
    "endpoints/<str:slug>/": {"GET": Door(VIEWER, 404)},
    "endpoints/<str:slug>/pause/": {"POST": Door(MEMBER, 404)},
    "endpoints/<str:slug>/resume/": {"POST": Door(MEMBER, 404)},
    "endpoints/<str:slug>/retire/": {"GET": Door(MEMBER, 404), "POST": Door(MEMBER, 404)},
    "keys/": {"GET": Door(VIEWER)},
    "keys/new/": {"GET": Door(MEMBER), "POST": Door(MEMBER, 422)},
    "keys/<str:key_id>/revoke/": {"GET": Door(MEMBER, 404), "POST": Door(MEMBER, 404)},
    "models/": {"GET": Door(VIEWER)},
    "models/<str:name>/": {"GET": Door(VIEWER, 404)},
    "usage/": {"GET": Door(VIEWER)},
    "settings/": {"GET": Door(VIEWER), "POST": Door(ADMIN, 422)},
}

DOORS: dict[str, dict[str, Door]] = {
    **{API + path: doors for path, doors in MANAGEMENT.items()},
    **{USAGE + path: doors for path, doors in USAGE_READS.items()},
    **{PAGE + path: doors for path, doors in PAGES.items()},
}

OPEN: dict[str, tuple[int, int]] = {
    # What nobody and what any signed-in person is answered. No project's rows lie behind these.
    "": (200, 200),
    "favicon.ico": (301, 301),
    "theme/": (405, 405),
    "models/": (200, 200),
    "models/<str:name>/": (404, 404),
    "docs/": (200, 200),
    "docs/<str:name>/": (404, 404),
    "dashboard/": (302, 302),
    "dashboard/style-guide/": (302, 200),
    "invitations/<str:token>/": (404, 404),
    "api/openapi.json": (200, 200),
    "api/payments/notice": (405, 405),
    ".well-known/jwks.json": (200, 200),
}
