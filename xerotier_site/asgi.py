"""Both planes behind one ASGI application: inference paths in front, everything else Django."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import re_path

from inference.ops import Check
from inference.problems import Refused

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerotier_site.settings")  # noqa: TID251 - as manage.py does

django = get_asgi_application()

# These read Django's settings, which are there only from here on.
from common import tenancy  # noqa: E402
from xerotier_site import checks, ready  # noqa: E402
from xerotier_site.limits import BodyLimit  # noqa: E402
from xerotier_site.plane import PlaneMount, read_config  # noqa: E402


async def _no_socket(scope: Any, _receive: Any, send: Any) -> None:
    """Tell who wants a WebSocket that there is none: nothing here needs one."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    body = Refused("endpoint_not_found", "There is no WebSocket here.").body()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "websocket.http.response.start", "status": 404, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


def _in_a_thread(check: Callable[[], str | None]) -> Check:
    return sync_to_async(check, thread_sensitive=False)


config = read_config()
checks.refuse_insecure()
tenancy.confine_process()

mount = PlaneMount(
    config,
    behind=BodyLimit(django),
    checks=[
        ("database", _in_a_thread(ready.database_ready)),
        ("migrations", _in_a_thread(ready.migrations_ready)),
    ],
)

application = ProtocolTypeRouter(
    {
        "http": mount,
        "lifespan": mount,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(
                URLRouter([re_path("", _no_socket)])  # type: ignore[arg-type] # why: Django's types know views only
            )
        ),
    }
)
