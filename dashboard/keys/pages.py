"""API keys: the list, the one time a secret is shown, and the end of a key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from apikeys import selectors, services
from apikeys.rules import Scope
from common import clock
from common.problems import Problem
from dashboard.examples.snippets import FirstRun, Snippet, base_url_of, first_run, snippets_for
from dashboard.keys.forms import NewKeyForm
from dashboard.keys.rows import KeyRow, SecretRow, key_row
from dashboard.shell import reauthentication
from dashboard.shell.confirm import Confirmation, confirm
from dashboard.shell.contexts import Crumb, Shell, crumbs_to, shell_for
from dashboard.shell.door import project_page, show
from dashboard.shell.forms import HTTP_UNPROCESSABLE, attach
from dashboard.shell.lists import Finder, asked, part_of
from endpoints import selectors as endpoints
from projects.rules import Role

if TYPE_CHECKING:
    from apikeys.models import ApiKey
    from apikeys.services import IssuedKey
    from projects.access import Seat

STATES = {"active": "Active", "ended": "Expired or revoked", "all": "All"}


@dataclass(frozen=True, slots=True)
class KeyList:
    """A part of a project's keys, and how the list is asked for others."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    keys: tuple[KeyRow, ...]
    finder: Finder
    has_any: bool


@dataclass(frozen=True, slots=True)
class NewKey:
    """The form of a new key."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    form: NewKeyForm
    names_url: str


@dataclass(frozen=True, slots=True)
class ShownOnce:
    """A new key with its secret, for the one page that may show it."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    key: KeyRow
    secret: str = field(repr=False)
    old: SecretRow | None
    done_url: str
    snippets: tuple[Snippet, ...] = field(repr=False)
    run: FirstRun | None


@require_GET
@project_page()
def key_list(request: HttpRequest, seat: Seat) -> HttpResponse:
    """List the keys, newest first: those that open a door, or those asked for."""
    project, now = seat.project, clock.now()
    url = reverse("project:keys", args=[project.public_id])
    finder = asked(request, url, "Search by name, id or hint", STATES)
    wanted = selectors.found_keys(
        project=project, query=finder.query, state=finder.state, moment=now
    )
    rows, finder = part_of(wanted, request, finder)
    context = KeyList(
        shell=shell_for(seat, "keys"),
        crumbs=crumbs_to(seat),
        keys=tuple(key_row(seat, key, now) for key in rows),
        finder=finder,
        has_any=bool(rows) or selectors.has_any(project=project),
    )
    return show(request, "dashboard/keys/keys.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.MEMBER)
def new_key(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Ask what the key is for, issue it, and show its secret in this one answer.

    No redirect on purpose: a page that can be fetched again would show the secret twice.
    """
    form = _form(request)
    if request.method == "POST" and form.is_valid() and has_endpoint(seat, form):
        purpose = f"To create the key “{form.cleaned_data['name']}”"
        if (way := reauthentication.detour(request, purpose=purpose)) is not None:
            return way
        try:
            issued = _issue(seat, form)
        except Problem as problem:
            attach(form, problem)
        else:
            return show(request, "dashboard/keys/key_shown_once.html", shown_once(seat, issued))
    names_url = reverse("project:names", args=[seat.project.public_id])
    context = NewKey(shell_for(seat, "keys"), crumbs_to_keys(seat), form, names_url)
    status = HTTP_UNPROCESSABLE if request.method == "POST" else 200
    return show(request, "dashboard/keys/new_key.html", context, status=status)


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.MEMBER)
def revoke_key(request: HttpRequest, seat: Seat, key_id: str) -> HttpResponse:
    """Ask once, then close the key for good."""
    key = own_key(seat, key_id)
    keys_url = reverse("project:keys", args=[seat.project.public_id])
    if request.method == "GET":
        question = Confirmation(
            shell=shell_for(seat, "keys"),
            crumbs=crumbs_to_keys(seat),
            title=f"Revoke “{key.name}”",
            will="Whoever uses it is refused within one second, everywhere. "
            "A revoked key can't be brought back.",
            stays="It stays in the list, and so does what it used.",
            button="Revoke key",
            action=reverse("project:revoke-key", args=[seat.project.public_id, key.public_id]),
            cancel_url=keys_url,
        )
        return confirm(request, question)
    services.revoke_key(key=key, by=seat.actor)
    messages.success(request, f"“{key.name}” is revoked.")
    return redirect(keys_url)


def _form(request: HttpRequest) -> NewKeyForm:
    typed = reauthentication.typed(request)
    if typed is not None:
        return NewKeyForm(typed)
    pin = request.GET.get("endpoint", "")
    return NewKeyForm(initial={"endpoint": pin, "scopes": [Scope.INFERENCE.value]})


def _issue(seat: Seat, form: NewKeyForm) -> IssuedKey:
    said = form.cleaned_data
    seat.check_scopes(said["scopes"])
    pin = None
    if said["endpoint"]:
        pin = endpoints.endpoint_of(project=seat.project, slug=said["endpoint"])
    return services.issue_key(
        project=seat.project,
        name=said["name"],
        scopes=said["scopes"],
        issuer=seat.user,
        endpoint=pin,
        expires_at=form.expiry(),
        limits=form.limits(),
        by=seat.actor,
    )


def shown_once(seat: Seat, issued: IssuedKey) -> ShownOnce:
    """Lay out a new secret for the one answer that shows it, with examples that use it."""
    row = key_row(seat, issued.key, clock.now())
    endpoint = issued.key.endpoint or endpoints.first_to_try(project=seat.project)
    keys_url = reverse("project:keys", args=[seat.project.public_id])
    done_url = keys_url
    snippets: tuple[Snippet, ...] = ()
    run = None
    if endpoint is not None and Scope.INFERENCE in row.scopes:
        done_url = reverse("project:endpoint", args=[seat.project.public_id, endpoint.slug])
        path = f"/{seat.project.public_id}/{endpoint.slug}/v1"
        run = first_run(task=endpoint.model.task, path=path, model=endpoint.model.name)
        snippets = snippets_for(
            with_env=True,
            task=endpoint.model.task,
            base_url=base_url_of(seat.project, endpoint.slug),
            model=endpoint.model.name,
            key=issued.secret,
        )
    old = next((secret for secret in row.secrets if secret.is_old), None)
    return ShownOnce(
        shell=shell_for(seat, "keys"),
        crumbs=crumbs_to_keys(seat),
        key=row,
        secret=issued.secret,
        old=old,
        done_url=row.url if old else done_url,
        snippets=snippets,
        run=run,
    )


def has_endpoint(seat: Seat, form: Form) -> bool:
    """Say whether the endpoint a form names exists here; if not, it is said beside the field."""
    slug = form.cleaned_data["endpoint"]
    if not slug or endpoints.endpoint_of(project=seat.project, slug=slug) is not None:
        return True
    form.add_error("endpoint", f"This project has no endpoint “{slug}”.")
    return False


def found_key(seat: Seat, key_id: str) -> ApiKey:
    """Return a key of the seat's project. Raises ``KeyUnknown``."""
    return selectors.known_key(project=seat.project, public_id=key_id)


def own_key(seat: Seat, key_id: str) -> ApiKey:
    """Return a key that this seat may change. Raises ``KeyUnknown`` or ``RoleInsufficient``."""
    key = found_key(seat, key_id)
    seat.check_own(key.issued_by_id)
    return key


def crumbs_to_keys(seat: Seat) -> tuple[Crumb, ...]:
    """Return the way to what lies behind the list of keys."""
    return crumbs_to(seat, ("Keys", reverse("project:keys", args=[seat.project.public_id])))
