"""The small authorization server, trusted by the platform under both of its shapes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_django import Settings

from tests.idp.server import CLIENT, SECRET, Provider, running

GITHUB, SSO = "/auth/github/login/", "/auth/oidc/sso/login/"


@contextmanager
def trusted(settings: Settings) -> Iterator[Provider]:
    """Run the server and tell the settings of it, as the environment would."""
    with running(f"{GITHUB}callback/", f"{SSO}callback/") as found:
        app = {"client_id": CLIENT, "secret": SECRET}
        github = {**app, "settings": {"github_url": found.url}}
        sso = {**app, "provider_id": "sso", "name": "SSO", "settings": {"server_url": found.url}}
        said = dict(settings.SOCIALACCOUNT_PROVIDERS)
        said["github"] = {**said["github"], "APPS": [github]}
        said["openid_connect"] = {**said["openid_connect"], "APPS": [sso]}
        settings.SOCIALACCOUNT_PROVIDERS = said
        yield found
