"""People and what vouches for them, in the admin console.

allauth registers its own pages here; they would show seeds and secrets, so ours replace them.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold import widgets
from unfold.decorators import action

from accounts import services, tokens
from accounts.models import OperatorToken, User
from common.admin import KeptAdmin, ReadOnlyAdmin, operator
from common.problems import Problem

admin.site.unregister([Group, Authenticator, EmailAddress, UserSession])
admin.site.unregister([SocialAccount, SocialApp, SocialToken])


class PersonForm(forms.ModelForm):  # type: ignore[type-arg] # why: takes no argument at run time
    """What a person is to the platform; what becomes of their keys is asked beside it."""

    keeps_keys = forms.BooleanField(
        label="Keep the keys they made",
        required=False,
        widget=widgets.UnfoldBooleanWidget,
        help_text="Otherwise switching “active” off revokes their keys and invitations in every "
        "project, for good. Management keys stop either way.",
    )

    class Meta:
        model = User
        fields = ["name", "is_active", "is_staff", "is_superuser"]


@admin.register(User)
class UserAdmin(KeptAdmin):
    """Who registered. Passwords and factors are the person's own and never shown."""

    form = PersonForm

    list_display = ["email", "name", "is_staff", "is_active", "joined_at", "last_login"]
    list_filter = ["is_staff", "is_active", "joined_at"]
    search_fields = ["email", "name"]
    fields = [
        "email",
        "name",
        "is_active",
        "keeps_keys",
        "is_staff",
        "is_superuser",
        "joined_at",
        "last_login",
    ]
    readonly_fields = ["email", "joined_at", "last_login"]
    ordering = ["-joined_at"]
    actions = ["sign_out", "remove_factors"]
    actions_detail = ["see_as", "suspend"]

    def has_add_permission(self, request: object) -> bool:
        """Refuse: people register themselves."""
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save by the service, so that it is audited and nobody locks everyone out."""
        said = form.cleaned_data
        standing = services.Standing(
            name=said["name"],
            is_active=said["is_active"],
            is_staff=said["is_staff"],
            is_superuser=said["is_superuser"],
        )
        try:
            services.set_standing(
                user_id=obj.pk,
                standing=standing,
                by=operator(request),
                keeps_keys=said["keeps_keys"],
            )
        except Problem as problem:
            messages.error(request, problem.message)

    @admin.action(description="Sign out everywhere")
    def sign_out(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """End all sessions of the chosen people."""
        for user in chosen:
            services.end_sessions(user=user, by=operator(request))

    @admin.action(description="Remove second factors: for someone who lost theirs")
    def remove_factors(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """Take away the factors of the chosen people."""
        for user in chosen:
            services.remove_factors(user=user, by=operator(request))

    @action(description="Look as this person", url_path="see-as")  # type: ignore[untyped-decorator] # why: unfold ships no types
    def see_as(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to the question whether to look through this person's eyes."""
        return redirect("see-as", user_id=object_id)

    @action(description="Suspend, or lift that", url_path="suspend")  # type: ignore[untyped-decorator] # why: unfold ships no types
    def suspend(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to the page that asks why, and until when."""
        return redirect("suspend-person", user_id=object_id)


@admin.register(OperatorToken)
class OperatorTokenAdmin(ReadOnlyAdmin):
    """What opens the operator API. Tokens are made in the shell, and ended here or there."""

    list_display = ["name", "user", "hint", "made_at", "expires_at", "revoked_at", "last_used_at"]
    search_fields = ["name", "user__email", "public_id"]
    list_select_related = ["user"]
    actions = ["revoke"]

    @admin.action(description="Revoke: opens nothing any more")
    def revoke(self, request: HttpRequest, chosen: QuerySet[OperatorToken]) -> None:
        """End the chosen tokens."""
        for token in chosen:
            tokens.revoke_token(token=token, by=operator(request))


@admin.register(EmailAddress)
class EmailAddressAdmin(ReadOnlyAdmin):
    """Addresses, and which are proven. Only their owners prove them."""

    list_display = ["email", "user", "primary", "verified"]
    list_filter = ["primary", "verified"]
    search_fields = ["email", "user__email"]
    list_select_related = ["user"]


@admin.register(Authenticator)
class FactorAdmin(ReadOnlyAdmin):
    """Who has which second factor; not the factors themselves."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type", "created_at"]
    search_fields = ["user__email"]
    list_select_related = ["user"]
    fields = ["user", "type", "created_at", "last_used_at"]


@admin.register(UserSession)
class SessionAdmin(ReadOnlyAdmin):
    """Where people are signed in; not the ids that would sign anyone in."""

    list_display = ["user", "ip", "user_agent", "created_at", "last_seen_at"]
    list_filter = ["created_at", "last_seen_at"]
    search_fields = ["user__email", "ip", "user_agent"]
    list_select_related = ["user"]
    fields = ["user", "ip", "user_agent", "created_at", "last_seen_at"]


@admin.register(SocialAccount)
class LinkedAccountAdmin(ReadOnlyAdmin):
    """Accounts elsewhere that open an account here."""

    list_display = ["user", "provider", "uid", "date_joined", "last_login"]
    list_filter = ["provider", "date_joined"]
    search_fields = ["user__email", "uid"]
    list_select_related = ["user"]
    fields = ["user", "provider", "uid", "date_joined", "last_login"]


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg] # why: takes no argument at run time
    """A provider as an operator types it in; the secret goes in and never comes out."""

    provider = forms.ChoiceField(
        choices=[("github", "GitHub"), ("openid_connect", "OpenID Connect")],
        widget=widgets.UnfoldAdminSelectWidget,
    )
    provider_id = forms.SlugField(
        label="Short name",
        required=False,
        widget=widgets.UnfoldAdminTextInputWidget,
        help_text="For OpenID Connect: its place in the way back, /auth/oidc/NAME/login/callback/.",
    )
    url = forms.URLField(
        label="Address",
        required=False,
        assume_scheme="https",
        widget=widgets.UnfoldAdminURLInputWidget,
        help_text="The issuer; for GitHub only that of an Enterprise server.",
    )
    client_secret = forms.CharField(
        required=False,
        widget=widgets.UnfoldAdminPasswordWidget,
        help_text="Sealed at once and never shown. Leave empty to keep the present one.",
    )
    trusts_addresses = forms.BooleanField(
        label="Its addresses count as verified",
        required=False,
        widget=widgets.UnfoldBooleanWidget,
        help_text="Only for a provider that verifies every address but does not say so.",
    )

    class Meta:
        model = SocialApp
        fields = ["provider", "name", "provider_id", "client_id"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        said = self.instance.settings
        self.initial["url"] = said.get("server_url") or said.get("github_url")
        self.initial["trusts_addresses"] = said.get("verified_email", False)

    def clean_url(self) -> str:
        """Refuse an address that would send codes and secrets in the clear."""
        url = str(self.cleaned_data["url"]).rstrip("/")
        if url and settings.IS_PRODUCTION and urlsplit(url).scheme != "https":
            raise forms.ValidationError("Give an https address.")
        return url

    def clean(self) -> dict[str, Any]:
        """Refuse half a provider, and a second one of the same name."""
        said: dict[str, Any] = super().clean() or {}
        is_oidc = said.get("provider") == "openid_connect"
        if is_oidc and not (said.get("url") and said.get("provider_id")):
            raise forms.ValidationError("OpenID Connect needs a short name and an address.")
        if not is_oidc:
            said["provider_id"] = ""
        others = SocialApp.objects.exclude(pk=self.instance.pk)
        name = {"provider": said.get("provider"), "provider_id": said.get("provider_id")}
        if others.filter(**name).exists():
            raise forms.ValidationError("There is one of this kind and name already.")
        if self.instance.pk is None and not said.get("client_secret"):
            raise forms.ValidationError("A new provider needs its client secret.")
        return said


@admin.register(SocialApp)
class ProviderAdmin(KeptAdmin):
    """Who else may vouch for people. The environment's providers win over these."""

    form = ProviderForm
    list_display = ["name", "provider", "provider_id", "client_id"]
    search_fields = ["name", "client_id"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow: accounts that used it stay."""
        return bool(request.user.is_superuser)

    def save_model(self, request: HttpRequest, obj: SocialApp, form: Any, change: bool) -> None:
        """Save by the service, which seals the secret."""
        said = form.cleaned_data
        address = "server_url" if said["provider"] == "openid_connect" else "github_url"
        kept = {services.SEALED: obj.settings.get(services.SEALED, "")}
        obj.provider_id = said["provider_id"]
        obj.settings = {**kept, "verified_email": said["trusts_addresses"]}
        if said["url"]:
            obj.settings[address] = said["url"]
        secret = said["client_secret"] or None
        services.save_provider(app=obj, secret=secret, by=operator(request))

    def delete_model(self, request: HttpRequest, obj: SocialApp) -> None:
        """Delete by the service."""
        services.remove_provider(app=obj, by=operator(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SocialApp]) -> None:
        """Delete each by the service."""
        for app in queryset:
            services.remove_provider(app=app, by=operator(request))
