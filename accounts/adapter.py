"""Where allauth asks us: addresses, sealed secrets, and whom a provider may speak for."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthProcess
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.shortcuts import redirect

from accounts.models import User
from accounts.services import SEALED
from common import vault
from common.addresses import caller_address


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # why: allauth ships no types
    """Accounts: the address behind rate limits and session lists is the proxies' word."""

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the caller's address, believing only the proxies we were told to trust."""
        address = caller_address(request)
        if not address:
            raise PermissionDenied("This server does not say where a request comes from.")
        return address

    def post_login(self, request: HttpRequest, user: User, **said: Any) -> Any:
        """Count registering as proof of who somebody is, as any other way in counts.

        allauth keeps no record of it, so a newcomer would have to repeat the password
        typed a minute ago before the first key.
        """
        if said["signup"] and not get_authentication_records(request, user):
            record_authentication(request, user, method="signup")
        return super().post_login(request, user, **said)


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc] # why: allauth ships no types
    """Second factors: TOTP seeds and recovery codes are sealed at rest."""

    def encrypt(self, text: str) -> str:
        """Seal a seed."""
        return vault.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Open a seed."""
        return vault.unseal(encrypted_text)


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc] # why: allauth ships no types
    """Sign-in through others: their word counts only as far as they verified it."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """Return the configured apps, each with its secret opened for this one use.

        The environment's come last, and win over those of the console.
        """
        apps = {
            (app.provider, app.provider_id): app
            for app in super().list_apps(request, provider, client_id)
        }
        for app in apps.values():
            if SEALED in app.settings:
                app.secret = vault.unseal(app.settings[SEALED])
        return list(apps.values())

    def get_app(
        self, request: HttpRequest, provider: str, client_id: str | None = None
    ) -> SocialApp:
        """Return the app of a provider; one that nobody set up is an address with nothing there."""
        try:
            return super().get_app(request, provider, client_id)
        except SocialApp.DoesNotExist as missing:
            raise Http404 from missing

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Refuse to link an account whose provider vouches for no e-mail address.

        An address counts as verified only if the provider said ``true``: some send the
        word "false", which Python takes for a yes.
        """
        for address in sociallogin.email_addresses:
            address.verified = address.verified is True
        is_link = sociallogin.state.get("process") == AuthProcess.CONNECT
        if is_link and not any(address.verified for address in sociallogin.email_addresses):
            messages.error(
                request, "That account has no verified e-mail address, so it can’t be linked."
            )
            raise ImmediateHttpResponse(redirect("socialaccount_connections"))

    def populate_user(
        self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]
    ) -> Any:
        """Take over the person's name as the provider knows it."""
        user = super().populate_user(request, sociallogin, data)
        user.name = str(data.get("name") or "")[:120]
        return user
