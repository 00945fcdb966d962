"""One API key: its secrets, what it may do, from where, how often; and each of these changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from apikeys import services
from common import clock
from common.problems import Problem
from dashboard.keys.forms import LIMIT_NAMES, ChangeForm, Forms, IpForm, forms_of
from dashboard.keys.pages import crumbs_to_keys, found_key, has_endpoint, own_key
from dashboard.keys.rows import KeyRow, SecretRow, key_row, secret_row
from dashboard.shell import reauthentication
from dashboard.shell.contexts import Crumb, Shell, may_change, shell_for
from dashboard.shell.door import project_page, show
from dashboard.shell.forms import HTTP_UNPROCESSABLE, attach
from endpoints import selectors as endpoints
from projects.rules import Role

if TYPE_CHECKING:
    from apikeys.models import ApiKey
    from apikeys.services import KeyChanges
    from endpoints.models import Endpoint
    from projects.access import Seat

ENDED_SHOWN = 3
"""How many of the secrets that work no more are still worth a line."""


@dataclass(frozen=True, slots=True)
class KeyPage:
    """One key; no forms for whoever may not change it, nor for a revoked one."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    key: KeyRow
    secrets: tuple[SecretRow, ...]
    ip_allow: tuple[str, ...]
    ip_block: tuple[str, ...]
    limits: tuple[Form, ...]
    forms: Forms | None
    names_url: str


@require_http_methods(["GET", "POST"])
@project_page(to_send=Role.MEMBER)
def key_page(request: HttpRequest, seat: Seat, key_id: str) -> HttpResponse:
    """Show one key. What is sent comes to this same address, whose ``form`` says which of them.

    So a refused form stands on a page that can be reloaded.
    """
    if request.method == "POST":
        send = _SENT.get(request.GET.get("form", ""), _change)
        return send(request, seat, own_key(seat, key_id))
    key = found_key(seat, key_id)
    return show(request, "dashboard/keys/key.html", _context(seat, key, forms_of(key)))


def _change(request: HttpRequest, seat: Seat, key: ApiKey) -> HttpResponse:
    form = ChangeForm(request.POST, key=key)
    forms = replace(forms_of(key), change=form)
    if not form.is_valid() or not (_keeps_pin(key, form) or has_endpoint(seat, form)):
        return _again(request, seat, key, forms)
    key_url = reverse("project:key", args=[seat.project.public_id, key.public_id])
    is_wider = set(form.cleaned_data["scopes"]) - set(key.scopes)
    if is_wider and (way := reauthentication.detour(request, back=key_url)) is not None:
        return way
    pin = _pin(seat, key, form.cleaned_data["endpoint"])
    return _saved(request, seat, key, forms, form, form.changes(pin))


def _ip_rules(request: HttpRequest, seat: Seat, key: ApiKey) -> HttpResponse:
    form = IpForm(request.POST)
    forms = replace(forms_of(key), ip=form)
    if not form.is_valid():
        return _again(request, seat, key, forms)
    return _saved(request, seat, key, forms, form, form.changes())


def _limit(request: HttpRequest, seat: Seat, key: ApiKey) -> HttpResponse:
    forms, form = forms_of(key).with_limit(request.GET["form"], request.POST, key)
    if not form.is_valid():
        return _again(request, seat, key, forms)
    return _saved(request, seat, key, forms, form, {"figures": form.columns(form.cleaned_data)})


_SENT = {"change": _change, "ip-rules": _ip_rules, **dict.fromkeys(LIMIT_NAMES, _limit)}


def _saved(
    request: HttpRequest, seat: Seat, key: ApiKey, forms: Forms, sent: Form, changes: KeyChanges
) -> HttpResponse:
    """Change the key; what is refused because of a field is said beside it."""
    try:
        seat.check_scopes([*key.scopes, *changes.get("scopes", ())])
        services.change_key(key=key, changes=changes, by=seat.actor)
    except Problem as problem:
        if problem.param is None:
            raise
        attach(sent, problem)
        return _again(request, seat, key, forms)
    messages.success(request, "Saved. It is in force everywhere within a second.")
    return redirect("project:key", seat.project.public_id, key.public_id)


def _again(request: HttpRequest, seat: Seat, key: ApiKey, forms: Forms) -> HttpResponse:
    context = _context(seat, key, forms)
    return show(request, "dashboard/keys/key.html", context, status=HTTP_UNPROCESSABLE)


def _context(seat: Seat, key: ApiKey, forms: Forms) -> KeyPage:
    now = clock.now()
    secrets = [secret_row(secret, now) for secret in key.secrets.all()]
    ended = [secret for secret in secrets if not secret.state.tone]
    may = may_change(seat, key.issued_by_id) and key.revoked_at is None
    return KeyPage(
        shell=shell_for(seat, "keys"),
        crumbs=crumbs_to_keys(seat),
        key=key_row(seat, key, now),
        secrets=tuple(s for s in secrets if s.state.tone or s in ended[:ENDED_SHOWN]),
        ip_allow=tuple(key.ip_allow),
        ip_block=tuple(key.ip_block),
        limits=forms_of(key).limits,
        forms=forms if may else None,
        names_url=reverse("project:names", args=[seat.project.public_id]),
    )


def _keeps_pin(key: ApiKey, form: ChangeForm) -> bool:
    """Say whether the key stays with its endpoint: also with one that was retired since."""
    return key.endpoint is not None and key.endpoint.slug == form.cleaned_data["endpoint"]


def _pin(seat: Seat, key: ApiKey, slug: str) -> Endpoint | None:
    if key.endpoint is not None and key.endpoint.slug == slug:
        return key.endpoint
    return endpoints.endpoint_of(project=seat.project, slug=slug) if slug else None
