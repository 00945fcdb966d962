"""Where an endpoint is served: its region, and whose machines step in for the project's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django import forms

from agents import offers
from catalog import selectors as catalog
from common import clock
from common.money import money

if TYPE_CHECKING:
    from agents.offers import Offer
    from catalog.models import ServiceTier
    from projects.models import Project

ANYWHERE = ("", "Anywhere")
NOBODY = ("", "Nothing: requests are refused")


class WhereForm(forms.Form):
    """Region and fallback, offered as what there is; what an endpoint has already stays."""

    region = forms.ChoiceField(
        required=False,
        help_text="Only machines there serve it. A machine’s region is that of its join key.",
    )
    fallback = forms.ChoiceField(
        required=False,
        label="When machines of your own can’t",
        help_text="For the self-hosted tier alone. While none of your machines is there, or each "
        "is full, requests go to this tier and are charged at its price; budgets and the balance "
        "count as always, and each request’s record says which tier served it.",
    )

    def __init__(
        self, *args: Any, project: Project, tiers: Iterable[Offer] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        said = self.initial
        self.tiers_on_offer = tuple(tiers)
        self._offer("region", ANYWHERE, _regions(project, said.get("region", "")))
        self._offer("fallback", NOBODY, _fallbacks(self.tiers_on_offer, said.get("fallback", "")))

    def _offer(self, name: str, none: tuple[str, str], others: Sequence[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - both are, above
        field.choices = [none, *others]

    def fallback_tier(self) -> ServiceTier | None:
        """Return the tier that was chosen. Raises ``TierUnknown`` if it is offered no more."""
        slug = self.cleaned_data["fallback"]
        return offers.known_tier(slug, param="fallback") if slug else None


def price_of(tier: ServiceTier) -> str:
    """Say what a tier costs now: ``0.50 USD per 1M tokens``."""
    terms = catalog.terms_at(tier, clock.now())
    return f"{money(terms.price_per_million)} per million tokens"


def _regions(project: Project, present: str) -> list[tuple[str, str]]:
    known = {*offers.regions_for(project), *([present] if present else [])}
    return [(region, region) for region in sorted(known)]


def _fallbacks(on_offer: Iterable[Offer], present: str) -> list[tuple[str, str]]:
    tiers = (one.tier for one in on_offer if one.machines or one.tier.slug == present)
    return [
        (tier.slug, f"{tier.name}, {price_of(tier)}")
        for tier in tiers
        if not (tier.is_self_hosted or catalog.has_allowance(tier))
    ]
