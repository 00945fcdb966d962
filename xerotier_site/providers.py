"""Who else may vouch for a person: sign-in providers named by the environment.

More of them, and the same ones, can be set up in the console (*Sign-in providers*).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from xerotier_site import env


def from_environment(*, is_production: bool) -> dict[str, Any]:
    """Return ``SOCIALACCOUNT_PROVIDERS``; half a configuration is remembered as a mistake."""
    return {
        "github": {
            "provider_class": "accounts.github.provider.GitHubProvider",
            "OAUTH_PKCE_ENABLED": True,
            "APPS": _apps(_github(is_production=is_production)),
        },
        "openid_connect": {
            "OAUTH_PKCE_ENABLED": True,
            "APPS": _apps(_oidc(is_production=is_production)),
        },
    }


def _github(*, is_production: bool) -> dict[str, Any]:
    url = _address(env.text("XEROTIER_GITHUB_URL", ""), is_production=is_production)
    return {
        "client_id": env.text("XEROTIER_GITHUB_CLIENT_ID", ""),
        "secret": env.text("XEROTIER_GITHUB_CLIENT_SECRET", ""),
        "settings": {"github_url": url} if url else {},
        "said_as": "XEROTIER_GITHUB",
    }


def _oidc(*, is_production: bool) -> dict[str, Any]:
    url = _address(env.text("XEROTIER_OIDC_URL", ""), is_production=is_production)
    client_id = env.text("XEROTIER_OIDC_CLIENT_ID", "")
    if bool(url) != bool(client_id):
        env.mistakes.append("XEROTIER_OIDC_URL and XEROTIER_OIDC_CLIENT_ID: set both, or none")
    return {
        "provider_id": env.text("XEROTIER_OIDC_ID", "sso"),
        "name": env.text("XEROTIER_OIDC_NAME", "Single sign-on"),
        "client_id": client_id,
        "secret": env.text("XEROTIER_OIDC_CLIENT_SECRET", ""),
        "settings": {"server_url": url},
        "said_as": "XEROTIER_OIDC",
    }


def _apps(app: dict[str, Any]) -> list[dict[str, Any]]:
    said_as = app.pop("said_as")
    if bool(app["client_id"]) != bool(app["secret"]):
        env.mistakes.append(f"{said_as}_CLIENT_ID and {said_as}_CLIENT_SECRET: set both, or none")
    return [app] if app["client_id"] and app["secret"] else []


def _address(said: str, *, is_production: bool) -> str:
    schemes = {"https"} if is_production else {"https", "http"}
    if said and urlsplit(said).scheme not in schemes:
        env.mistakes.append(f"A provider's URL has to begin with https, not {said!r}")
    return said.rstrip("/")
