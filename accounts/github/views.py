"""The two steps of a GitHub sign-in: away to it, and back.

allauth reads the address of a GitHub Enterprise server from the settings, once, at import.
Here it belongs to the app, so that an operator may set it in the console.
"""

from __future__ import annotations

from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView

PUBLIC = "https://github.com"
PUBLIC_API = "https://api.github.com"


class GitHubAdapter(GitHubOAuth2Adapter):  # type: ignore[misc] # why: allauth ships no types
    """allauth's, with the server's address taken from the app."""

    @property
    def web_url(self) -> str:
        """Return where people sign in."""
        said: str = self.get_provider().app.settings.get("github_url", "")
        return said.rstrip("/") or PUBLIC

    @property
    def api_url(self) -> str:
        """Return where a token is spent."""
        return PUBLIC_API if self.web_url == PUBLIC else f"{self.web_url}/api/v3"

    @property
    def access_token_url(self) -> str:
        """Return where a code becomes a token."""
        return f"{self.web_url}/login/oauth/access_token"

    @property
    def authorize_url(self) -> str:
        """Return where a person says yes."""
        return f"{self.web_url}/login/oauth/authorize"

    @property
    def profile_url(self) -> str:
        """Return who the token speaks for."""
        return f"{self.api_url}/user"

    @property
    def emails_url(self) -> str:
        """Return their addresses, and which of them GitHub has verified."""
        return f"{self.api_url}/user/emails"


oauth2_login = OAuth2LoginView.adapter_view(GitHubAdapter)
oauth2_callback = OAuth2CallbackView.adapter_view(GitHubAdapter)
