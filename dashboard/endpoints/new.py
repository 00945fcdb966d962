"""The making of an endpoint: choose a model, a tier and a slug."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from agents import offers
from catalog import selectors as catalog
from common import clock
from common.problems import Problem
from dashboard.catalog.cards import ModelCard, TierCard, model_card, tier_card
from dashboard.endpoints.forms import EndpointForm
from dashboard.shell.contexts import Crumb, Shell, crumbs_to, shell_for
from dashboard.shell.door import project_page, show
from dashboard.shell.forms import HTTP_UNPROCESSABLE, attach
from endpoints import rules, selectors, services
from projects.rules import Role
from usage import selectors as usage

if TYPE_CHECKING:
    from endpoints.models import Endpoint
    from projects.access import Seat


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """The form with its choices."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    form: EndpointForm
    models: tuple[ModelCard, ...]
    tiers: tuple[TierCard, ...]
    url_prefix: str
    check_url: str
    balance: int

    @property
    def is_broke(self) -> bool:
        """Say whether requests on what costs something would be refused."""
        return self.balance <= 0 and any(tier.price_per_million for tier in self.tiers)


@dataclass(frozen=True, slots=True)
class SlugCheck:
    """What there is to say about a slug while it is typed."""

    fault: str
    fine: str
    offer: str


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.MEMBER)
def new_endpoint(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Ask for a model, a tier and a slug; create the endpoint and show it."""
    form = _form(request, seat)
    if request.method == "POST" and form.is_valid():
        try:
            endpoint = _open(seat, form)
        except Problem as problem:
            attach(form, problem)
        else:
            messages.success(request, f"{endpoint.slug} is ready. Its URL is permanent.")
            return redirect("project:endpoint", seat.project.public_id, endpoint.slug)
    status = HTTP_UNPROCESSABLE if form.is_bound else 200
    return show(
        request, "dashboard/endpoints/new_endpoint.html", _context(seat, form), status=status
    )


@require_GET
@project_page(at_least=Role.MEMBER)
def check_slug(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Say whether a slug would be taken, by the rules that decide it in the end."""
    slug = request.GET.get("slug", "").strip()
    fault = rules.fault_in_slug(slug) or ""
    if not fault and selectors.is_slug_taken(project=seat.project, slug=slug):
        fault = "This project has, or had, an endpoint of this name. Slugs are never reused."
    fine = "" if fault else "Available. It can’t be changed afterwards."
    wish = rules.slug_from(slug)
    offer = wish if fault and wish and wish != slug else ""
    return show(request, "dashboard/endpoints/slug_check.html", SlugCheck(fault, fine, offer))


def _form(request: HttpRequest, seat: Seat) -> EndpointForm:
    is_sent = request.method == "POST"
    said = request.POST if is_sent else request.GET
    model = said.get("model", "").replace("\x00", "")
    return EndpointForm(
        request.POST if is_sent else None,
        initial={"model": model, "tier": said.get("tier", "free")},
        project=seat.project,
        tiers=offers.offers_to(seat.project, model_name=model or None),
    )


def _open(seat: Seat, form: EndpointForm) -> Endpoint:
    said, project = form.cleaned_data, seat.project
    model, region = offers.chosen_model(said["model"]), said["region"]
    new = services.NewEndpoint(
        project=project,
        slug=said["slug"],
        model=model,
        tier=offers.chosen_tier(said["tier"], project=project, model=model, region=region),
        region=region,
        fallback=form.fallback_tier(),
    )
    return services.open_endpoint(new, opened_by=seat.user, by=seat.actor)


def _context(seat: Seat, form: EndpointForm) -> NewEndpoint:
    project, now = seat.project, clock.now()
    machines = offers.machines_by_model(project)
    return NewEndpoint(
        shell=shell_for(seat, "endpoints"),
        crumbs=crumbs_to(
            seat, ("Endpoints", reverse("project:endpoints", args=[project.public_id]))
        ),
        form=form,
        models=tuple(model_card(one, machines[one.name]) for one in catalog.listed_models()),
        tiers=tuple(tier_card(offer.tier, now, offer.reason) for offer in form.tiers_on_offer),
        url_prefix=f"/{project.public_id}/",
        check_url=reverse("project:check-slug", args=[project.public_id]),
        balance=usage.account_of(project=project).balance,
    )
