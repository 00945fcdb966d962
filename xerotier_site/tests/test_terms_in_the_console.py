"""The console changes a price without dropping a limit, and only after a look at what changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from catalog import selectors, services
from catalog.models import ServiceTier
from common import clock
from projects.models import Project
from tests.make import make_endpoint, make_tier

pytestmark = pytest.mark.django_db


def page_of(tier: ServiceTier) -> str:
    return reverse("admin:catalog_servicetier_change", args=[tier.pk])


def as_shown(client: Client, tier: ServiceTier) -> dict[str, Any]:
    """Return what the page's form holds, ready to be sent back."""
    page = client.get(page_of(tier))
    form = page.context["adminform"].form
    said = {name: form[name].value() for name in form.fields}
    said = {name: value for name, value in said.items() if value is not None and value is not False}
    return {
        **said,
        "terms-TOTAL_FORMS": "0",
        "terms-INITIAL_FORMS": "0",
        "terms-MIN_NUM_FORMS": "0",
        "terms-MAX_NUM_FORMS": "0",
    }


def test_new_price_changes_nothing_else_and_is_seen_first(
    as_operator: Client, acme: Project
) -> None:
    make_endpoint(acme, "chat", tier="gpu_nvidia_shared")
    tier = make_tier("gpu_nvidia_shared")
    said = as_shown(as_operator, tier) | {"price_per_million": "0.60"}
    assert said["tokens_per_min"] == "500000"
    assert said["monthly_tokens"] == "unlimited"

    preview = as_operator.post(page_of(tier), said).content.decode()

    assert "Price: $1.25 per 1M tokens → $0.60 per 1M tokens" in preview
    assert "for 1 endpoints of 1 projects" in preview
    assert tier.terms.count() == 1

    done = as_operator.post(page_of(tier), {**said, "seen": "on"})

    assert done.status_code == 302
    row = selectors.terms_at(tier, clock.now())
    assert (row.price_per_million, row.tokens_per_min, row.requests_per_min) == (
        600_000,
        500_000,
        256,
    )


def test_empty_limit_is_a_fault_and_never_unlimited(as_operator: Client) -> None:
    tier = make_tier("gpu_nvidia_shared")
    said = as_shown(as_operator, tier) | {"tokens_per_min": "", "seen": "on"}

    answer = as_operator.post(page_of(tier), said)

    assert answer.status_code == 200
    assert tier.terms.count() == 1


def test_versions_are_shown_as_people_write_them_with_units(as_operator: Client) -> None:
    page = as_operator.get(page_of(make_tier("gpu_nvidia_shared"))).content.decode()

    assert "$1.25 per 1M tokens" in page
    assert "1250000" not in page


def test_words_change_without_new_terms(as_operator: Client) -> None:
    tier = make_tier("free")

    as_operator.post(page_of(tier), as_shown(as_operator, tier) | {"name": "Gratis"})

    tier.refresh_from_db()
    assert (tier.name, tier.terms.count()) == ("Gratis", 1)


def test_terms_to_come_are_withdrawn_from_the_list(as_operator: Client) -> None:
    tier = make_tier("free")
    later = clock.now() + timedelta(days=1)
    services.supersede_terms(tier=tier, changes={"concurrent": 9}, effective_from=later)

    as_operator.post(
        reverse("admin:catalog_servicetier_changelist"),
        {"action": "withdraw", "_selected_action": [tier.pk]},
    )

    assert tier.terms.count() == 1
