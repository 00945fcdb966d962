"""Other machines for an endpoint: what there is, what it costs, and the owner's word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from agents import offers
from common import clock
from common.problems import Problem
from dashboard.catalog.cards import TierCard, tier_card
from dashboard.endpoints.where import WhereForm
from dashboard.shell.contexts import Crumb, Shell, crumbs_to, shell_for
from dashboard.shell.door import project_page, show
from dashboard.shell.forms import HTTP_UNPROCESSABLE, attach
from endpoints import selectors, services
from endpoints.errors import EndpointUnknown
from projects.rules import Role

if TYPE_CHECKING:
    from endpoints.models import Endpoint
    from projects.access import Seat


@dataclass(frozen=True, slots=True)
class TierPage:
    """The tiers an endpoint may be moved to, and where; the present ones are chosen."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    slug: str
    form: WhereForm
    tiers: tuple[TierCard, ...]
    chosen: str
    cancel_url: str


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.OWNER)
def change_tier(request: HttpRequest, seat: Seat, slug: str) -> HttpResponse:
    """Ask by which machines an endpoint is to be served: its next request is priced by that."""
    endpoint = selectors.endpoint_of(project=seat.project, slug=slug)
    if endpoint is None:
        raise EndpointUnknown(f"This project has no endpoint “{slug}”.")
    said, form = request.POST.get("tier", endpoint.tier.slug), _form(request, seat, endpoint)
    if request.method == "POST" and form.is_valid():
        try:
            _change(seat, endpoint, said, form)
        except Problem as problem:
            attach(form, problem)
        else:
            messages.success(request, f"{slug} is served as you chose from its next request on.")
            return redirect("project:endpoint", seat.project.public_id, slug)
    context = _context(seat, endpoint, said, form)
    status = HTTP_UNPROCESSABLE if form.errors else 200
    return show(request, "dashboard/endpoints/endpoint_tier.html", context, status=status)


def _form(request: HttpRequest, seat: Seat, endpoint: Endpoint) -> WhereForm:
    fallback = endpoint.fallback.slug if endpoint.fallback else ""
    return WhereForm(
        request.POST if request.method == "POST" else None,
        initial={"region": endpoint.region, "fallback": fallback},
        project=seat.project,
        tiers=offers.offers_to(seat.project, model_name=endpoint.model.name),
    )


def _change(seat: Seat, endpoint: Endpoint, slug: str, form: WhereForm) -> None:
    region = form.cleaned_data["region"]
    tier = offers.chosen_tier(slug, project=seat.project, model=endpoint.model, region=region)
    services.change_endpoint(
        endpoint=endpoint,
        tier=tier,
        region=region,
        fallback=form.fallback_tier(),
        by=seat.actor,
    )


def _context(seat: Seat, endpoint: Endpoint, chosen: str, form: WhereForm) -> TierPage:
    now, args = clock.now(), [seat.project.public_id]
    url = reverse("project:endpoint", args=[*args, endpoint.slug])
    return TierPage(
        shell=shell_for(seat, "endpoints"),
        crumbs=crumbs_to(
            seat, ("Endpoints", reverse("project:endpoints", args=args)), (endpoint.slug, url)
        ),
        slug=endpoint.slug,
        form=form,
        tiers=tuple(tier_card(offer.tier, now, offer.reason) for offer in form.tiers_on_offer),
        chosen=chosen,
        cancel_url=url,
    )
