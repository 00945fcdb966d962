"""GitHub as allauth's registry of providers wants it; named in ``SOCIALACCOUNT_PROVIDERS``."""

from __future__ import annotations

from allauth.socialaccount.providers.github import provider

from accounts.github.views import GitHubAdapter


class GitHubProvider(provider.GitHubProvider):  # type: ignore[misc] # why: allauth ships no types
    """allauth's, with our adapter."""

    package = "accounts.github"
    oauth2_adapter_class = GitHubAdapter
