"""Where allauth asks us: addresses, sealed secrets, and whom a provider may speak for."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal import ratelimit
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthProcess
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest
from django.shortcuts import redirect
from django.template.loader import render_to_string

from accounts import devices, letters
from accounts.models import User
from accounts.services import SEALED
from common import vault
from common.addresses import caller_address
from common.names import visible
from common.problems import Later

LOGIN_FAILED = {"app": "allauth.account", "action": "login_failed"}
STRANGERS = {"login_failed": "50/15m/key"}
"""Wrong passwords for one account from all browsers it was not opened in."""
CAUSED_BY_ANYBODY = {
    f"account/email/{name}"
    for name in (
        "account_already_exists",
        "email_confirmation",
        "email_confirmation_signup",
        "password_reset_code",
        "unknown_account",
    )
}


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # why: allauth ships no types
    """Accounts: the address behind rate limits and session lists is the proxies' word."""

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the caller's address, believing only the proxies we were told to trust."""
        address = caller_address(request)
        if not address:
            raise PermissionDenied("This server does not say where a request comes from.")
        return address

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Count wrong passwords by account and by whence: a network, or a browser known here.

        Five in five minutes slow whoever tries; nobody else, and never a known browser.
        """
        email = _email_in(credentials)
        device = devices.name_of(request, email)
        return f"{email}:{device or ratelimit.get_ip(request)}"

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Weigh a password only within the limits, for strangers also that of the account."""
        super().pre_authenticate(request, **credentials)
        if devices.name_of(request, _email_in(credentials)) is not None:
            return
        usage = ratelimit.consume(
            request, key=_email_in(credentials), config=STRANGERS, **LOGIN_FAILED
        )
        if usage is None:
            self._rollback_login_failed_rl_usage()
            raise ValidationError(
                "Wrong passwords were tried for this account from many places. Use a browser that "
                "you signed in with before, wait a quarter of an hour, or reset the password."
            )
        self._login_failed_rl_usage.usage.extend(usage.usage)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """Weigh a password; a try that found us too busy was none."""
        try:
            return super().authenticate(request, **credentials)
        except Later:
            self._rollback_login_failed_rl_usage()
            raise

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        """Forget wrong passwords once a new one was set by the mailbox's holder."""
        super()._delete_login_attempts_cached_email(request, **credentials)
        key = _email_in(credentials)
        ratelimit.clear(request, key=key, config=STRANGERS, **LOGIN_FAILED)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a letter; those that anybody may cause are counted. Raises ``TooOften``."""
        if template_prefix in CAUSED_BY_ANYBODY:
            letters.count(self.request, email)
        super().send_mail(template_prefix, email, context)

    def render_mail(
        self,
        template_prefix: str,
        email: str | list[str],
        context: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Write a letter twice: as text, and as HTML made of the same words."""
        letter = super().render_mail(template_prefix, email, context, headers)
        parts = [part.strip() for part in letter.body.split("\n\n") if part.strip()]
        said = {"subject": letter.subject, "parts": parts, "code": context.get("code")}
        letter.attach_alternative(render_to_string("account/email/letter.html", said), "text/html")
        return letter

    def post_login(self, request: HttpRequest, user: User, **said: Any) -> Any:
        """Count registering as proof of who somebody is, as any other way in counts.

        allauth keeps no record of it, so a newcomer would have to repeat the password
        typed a minute ago before the first key.
        """
        if said["signup"] and not get_authentication_records(request, user):
            record_authentication(request, user, method="signup")
        response = super().post_login(request, user, **said)
        devices.remember(request, response, user.email)
        return response


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
        user.name = visible(str(data.get("name") or ""))[:120]
        return user


def _email_in(credentials: dict[str, Any]) -> str:
    return str(credentials.get("email", "")).strip().lower()
