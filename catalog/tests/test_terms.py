"""A tier's numbers are superseded, never changed, and begin when they say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from catalog import selectors
from catalog.errors import TermsInThePast
from catalog.models import CatalogModel, ServiceTier, TierTerms
from catalog.services import load_defaults, set_terms
from common import clock
from tests.make import make_tier

pytestmark = pytest.mark.django_db

NUMBERS = {"concurrent": 7, "request_timeout_s": 30, "idle_timeout_s": 120, "priority": 10}


def test_shipped_tiers_are_those_of_the_product_page() -> None:
    load_defaults()

    slugs = list(ServiceTier.objects.values_list("slug", flat=True))
    assert slugs == [
        "free",
        "cpu_amd_optimized",
        "cpu_intel_optimized",
        "gpu_nvidia_shared",
        "gpu_amd_shared",
        "gpu_intel_shared",
        "self_hosted",
    ]
    free = selectors.terms_at(make_tier("free"), clock.now())
    assert (free.tokens_per_min, free.requests_per_min, free.concurrent) == (10_000, 64, 5)
    assert (free.request_timeout_s, free.idle_timeout_s, free.priority) == (30, 120, 10)
    nvidia = selectors.terms_at(make_tier("gpu_nvidia_shared"), clock.now())
    assert (nvidia.price_per_million, nvidia.tokens_per_min) == (1_250_000, 500_000)
    assert selectors.terms_at(make_tier("self_hosted"), clock.now()).requests_per_min is None


def test_loading_twice_changes_nothing_an_operator_changed() -> None:
    load_defaults()
    ServiceTier.objects.filter(slug="free").update(name="Gratis")

    assert load_defaults() == (0, 0)
    assert ServiceTier.objects.get(slug="free").name == "Gratis"
    assert TierTerms.objects.count() == ServiceTier.objects.count() == 7
    assert CatalogModel.objects.count() == 2


def test_new_terms_supersede_and_the_old_ones_stay() -> None:
    tier = make_tier("free")
    before = clock.now()

    set_terms(tier=tier, numbers=NUMBERS)

    assert selectors.terms_at(tier, clock.now()).concurrent == 7
    assert selectors.terms_at(tier, before).concurrent == 5


def test_terms_to_come_are_not_in_force_yet() -> None:
    tier = make_tier("free")
    later = clock.now() + timedelta(days=1)

    set_terms(tier=tier, numbers=NUMBERS, effective_from=later)

    assert selectors.terms_at(tier, clock.now()).concurrent == 5
    assert selectors.terms_at(tier, later).concurrent == 7


def test_terms_in_the_past_are_refused() -> None:
    tier = make_tier("free")

    with pytest.raises(TermsInThePast):
        set_terms(tier=tier, numbers=NUMBERS, effective_from=clock.now() - timedelta(seconds=1))

    assert tier.terms.count() == 1
