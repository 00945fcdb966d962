"""The first start of a platform: an operator, a project, two endpoints and their keys.

Every start brings the schema, the defaults and the machine it runs on up to date; only a
platform on which nobody has an account yet is furnished. What is shown once is written to
``quickstart.env`` before the rows are committed, so neither exists without the other.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from allauth.account.models import EmailAddress
from django.core.management import call_command
from django.db import transaction

from accounts.models import User
from apikeys.rules import Scope
from apikeys.services import issue_key
from catalog import selectors as catalog
from catalog.services import supersede_terms
from common import clock
from endpoints.models import Endpoint
from endpoints.services import NewEndpoint, open_endpoint
from ledger.services import top_up
from projects.models import Project
from projects.services import open_project
from publisher.services import reconcile
from xerotier_site.embedded import envfile
from xerotier_site.own_machine import CHAT, EMBED, TIER, BuiltIn, tiers_of_this_machine

EMAIL = "operator@localhost"
ANSWER_S = 300
"""Seconds for a whole answer on the first run's free tier: its engine is a processor."""

CREDIT = 10_000_000
"""Micro-units the first project starts with, so that the paid tiers can be tried."""

ABOUT = "Written by the first make run. Keep it private: these keys open your platform."


def bring_up_to_date() -> None:
    """Migrate, add the defaults that are missing, gather the static files."""
    call_command("migrate", interactive=False, verbosity=0)
    call_command("load_defaults", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)


def furnish(public_url: str, quickstart: Path) -> bool:
    """Give an empty platform its first inhabitants; say whether it was empty."""
    if User.objects.exists():
        _move_quickstart(public_url, quickstart)
        return False
    with transaction.atomic():
        password = secrets.token_urlsafe(12)
        operator = User.objects.create_superuser(EMAIL, password, name="Operator")
        EmailAddress.objects.create(user=operator, email=EMAIL, verified=True, primary=True)
        project = open_project(owner=operator, name="Demo", slug="demo")
        top_up(project=project, amount=CREDIT, note="To try the paid tiers")
        _give_time()
        endpoints = {one.slug: _open(project, one, operator) for one in (CHAT, EMBED)}
        values = {
            "XEROTIER_OPERATOR_EMAIL": EMAIL,
            "XEROTIER_OPERATOR_PASSWORD": password,
            "XEROTIER_PROJECT": project.public_id,
            "XEROTIER_ENDPOINT": endpoints[CHAT.slug].slug,
            "XEROTIER_TIER": tiers_of_this_machine()[1],
            "OPENAI_API_KEY": _key(project, operator, "Quickstart", Scope.INFERENCE),
            "XEROTIER_MANAGEMENT_KEY": _key(
                project, operator, "Quickstart management", Scope.MANAGEMENT
            ),
        }
        envfile.write(quickstart, _with_addresses(values, public_url), about=ABOUT)
    return True


def _give_time() -> None:
    # On a processor a whole answer takes longer than the shipped 30 s; the banner says so.
    free = catalog.offered_tier(TIER)
    if free is not None and catalog.terms_at(free, clock.now()).request_timeout_s < ANSWER_S:
        supersede_terms(tier=free, changes={"request_timeout_s": ANSWER_S})


def _open(project: Project, built_in: BuiltIn, operator: User) -> Endpoint:
    model, tier = catalog.listed_model(built_in.model), catalog.offered_tier(TIER)
    if model is None or tier is None:
        raise LookupError(f"The defaults lack {built_in.model} or the tier {TIER}.")
    new = NewEndpoint(project=project, slug=built_in.slug, model=model, tier=tier)
    return open_endpoint(new, opened_by=operator)


def _key(project: Project, operator: User, name: str, scope: Scope) -> str:
    return issue_key(project=project, name=name, scopes=[scope], issuer=operator).secret


def _with_addresses(values: Mapping[str, str], public_url: str) -> dict[str, str]:
    base = f"{public_url}/{values['XEROTIER_PROJECT']}"
    return {
        **values,
        "XEROTIER_URL": public_url,
        "OPENAI_BASE_URL": f"{base}/{CHAT.slug}/v1",
        "XEROTIER_EMBEDDINGS_URL": f"{base}/{EMBED.slug}/v1",
    }


def _move_quickstart(public_url: str, quickstart: Path) -> None:
    # The port may be another one today; the keys are the same.
    values = envfile.read(quickstart)
    if values.get("XEROTIER_URL", public_url) != public_url:
        envfile.write(quickstart, _with_addresses(values, public_url), about=ABOUT)


def publish() -> None:
    """Tell the data plane everything: its store may be new while the rows are old."""
    reconcile()
