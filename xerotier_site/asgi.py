"""Both planes behind one ASGI application: inference paths in front, everything else Django."""

from __future__ import annotations

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import re_path, reverse

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerotier_site.settings")  # noqa: TID251 - as manage.py does

django = get_asgi_application()

# These read Django's settings, which are there only from here on.
from common import tenancy  # noqa: E402
from xerotier_site import checks, ready  # noqa: E402
from xerotier_site.control import ControlMount  # noqa: E402
from xerotier_site.front import no_socket  # noqa: E402
from xerotier_site.limits import BodyLimit  # noqa: E402
from xerotier_site.plane import PlaneMount, read_config  # noqa: E402

config = read_config()
checks.refuse_insecure()
tenancy.confine_process()
# Imports every view: otherwise the first caller waits for it, seconds on a busy machine.
reverse("account_login")

CHECKS = [
    ("database", ready.Patient(ready.database_ready)),
    ("migrations", ready.Patient(ready.migrations_ready)),
]
mount = PlaneMount(config, behind=BodyLimit(django), checks=CHECKS)
control = ControlMount(BodyLimit(django), CHECKS)
"""The control plane alone, for a process of its own."""

application = ProtocolTypeRouter(
    {
        "http": mount,
        "lifespan": mount,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(
                URLRouter([re_path("", no_socket)])  # type: ignore[arg-type] # why: Django's types know views only
            )
        ),
    }
)
