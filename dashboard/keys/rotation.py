"""A new secret for a key while the old one goes on for a while, and the end of the old one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from apikeys import services
from common import clock
from dashboard.keys.forms import RotateForm
from dashboard.keys.pages import crumbs_to_keys, own_key, shown_once
from dashboard.keys.rows import SecretRow, secret_row
from dashboard.shell import reauthentication
from dashboard.shell.confirm import Confirmation, confirm
from dashboard.shell.contexts import Crumb, Shell, shell_for
from dashboard.shell.door import project_page, show
from dashboard.shell.forms import HTTP_UNPROCESSABLE
from projects.rules import Role

if TYPE_CHECKING:
    from apikeys.models import ApiKey
    from projects.access import Seat


@dataclass(frozen=True, slots=True)
class Rotation:
    """The question how long the present secret goes on. ``ending`` stops at once in any case."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    name: str
    hint: str
    ending: SecretRow | None
    form: RotateForm
    cancel_url: str


@never_cache
@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.MEMBER)
def rotate(request: HttpRequest, seat: Seat, key_id: str) -> HttpResponse:
    """Give a key a new secret and show it in this one answer; the name and the rules stay."""
    key = own_key(seat, key_id)
    seat.check_scopes(key.scopes)
    form = RotateForm(reauthentication.typed(request))
    if request.method == "POST" and form.is_valid():
        if (way := reauthentication.detour(request, purpose=f"To rotate “{key.name}”")) is not None:
            return way
        issued = services.rotate_key(key=key, grace=form.grace(), by=seat.actor)
        return show(request, "dashboard/keys/key_shown_once.html", shown_once(seat, issued))
    context = Rotation(
        shell=shell_for(seat, "keys"),
        crumbs=_crumbs(seat, key),
        name=key.name,
        hint=next((secret.hint for secret in key.secrets.all()), ""),
        ending=_ending(key),
        form=form,
        cancel_url=_key_url(seat, key),
    )
    status = HTTP_UNPROCESSABLE if request.method == "POST" else 200
    return show(request, "dashboard/keys/rotate_key.html", context, status=status)


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.MEMBER)
def end_old_secret(request: HttpRequest, seat: Seat, key_id: str) -> HttpResponse:
    """Ask once, then stop the secret that was rotated away before its grace is over."""
    key = own_key(seat, key_id)
    if request.method == "GET":
        question = Confirmation(
            shell=shell_for(seat, "keys"),
            crumbs=_crumbs(seat, key),
            title=f"End the old secret of “{key.name}” now",
            will="Whoever still uses it is refused within one second, everywhere.",
            stays="The current secret goes on.",
            button="End old secret",
            action=reverse("project:end-old-secret", args=[seat.project.public_id, key.public_id]),
            cancel_url=_key_url(seat, key),
        )
        return confirm(request, question)
    services.end_old_secret(key=key, by=seat.actor)
    messages.success(request, f"The old secret of “{key.name}” has ended.")
    return redirect(_key_url(seat, key))


def _ending(key: ApiKey) -> SecretRow | None:
    now = clock.now()
    rows = (secret_row(secret, now) for secret in key.secrets.all())
    return next((row for row in rows if row.is_old and row.state.tone), None)


def _crumbs(seat: Seat, key: ApiKey) -> tuple[Crumb, ...]:
    return (*crumbs_to_keys(seat), Crumb(key.name, _key_url(seat, key)))


def _key_url(seat: Seat, key: ApiKey) -> str:
    return reverse("project:key", args=[seat.project.public_id, key.public_id])
