"""Another tier for an endpoint: what there is, what it costs, and the owner's word."""

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
from dashboard.shell.contexts import Crumb, Shell, crumbs_to, shell_for
from dashboard.shell.door import project_page, show
from dashboard.shell.forms import HTTP_UNPROCESSABLE
from endpoints import selectors, services
from endpoints.errors import EndpointUnknown
from projects.rules import Role

if TYPE_CHECKING:
    from endpoints.models import Endpoint
    from projects.access import Seat


@dataclass(frozen=True, slots=True)
class TierPage:
    """The tiers an endpoint may be moved to; the present one is chosen."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    slug: str
    tiers: tuple[TierCard, ...]
    chosen: str
    fault: str
    cancel_url: str


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.OWNER)
def change_tier(request: HttpRequest, seat: Seat, slug: str) -> HttpResponse:
    """Ask for another tier and move the endpoint there: its next request is priced by it."""
    endpoint = selectors.endpoint_of(project=seat.project, slug=slug)
    if endpoint is None:
        raise EndpointUnknown(f"This project has no endpoint “{slug}”.")
    said, fault = request.POST.get("tier", ""), ""
    if request.method == "POST":
        try:
            tier = offers.chosen_tier(said, project=seat.project, model=endpoint.model)
            services.change_endpoint(endpoint=endpoint, tier=tier, by=seat.actor)
        except Problem as problem:
            fault = problem.message
        else:
            messages.success(request, f"{slug} is served on {tier.name} from its next request on.")
            return redirect("project:endpoint", seat.project.public_id, slug)
    context = _context(seat, endpoint, said or endpoint.tier.slug, fault)
    status = HTTP_UNPROCESSABLE if fault else 200
    return show(request, "dashboard/endpoints/endpoint_tier.html", context, status=status)


def _context(seat: Seat, endpoint: Endpoint, chosen: str, fault: str) -> TierPage:
    now, args = clock.now(), [seat.project.public_id]
    url = reverse("project:endpoint", args=[*args, endpoint.slug])
    on_offer = offers.offers_to(seat.project, model_name=endpoint.model.name)
    return TierPage(
        shell=shell_for(seat, "endpoints"),
        crumbs=crumbs_to(
            seat, ("Endpoints", reverse("project:endpoints", args=args)), (endpoint.slug, url)
        ),
        slug=endpoint.slug,
        tiers=tuple(tier_card(offer.tier, now, offer.reason) for offer in on_offer),
        chosen=chosen,
        fault=fault,
        cancel_url=url,
    )
