"""What a newcomer's project begins with: an endpoint and a key, the first answer close by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents import selectors as agents
from apikeys.services import issue_key
from catalog import selectors as catalog
from common import tenancy
from common.problems import Problem
from endpoints.services import NewEndpoint, open_endpoint

if TYPE_CHECKING:
    from accounts.models import User
    from apikeys.services import IssuedKey
    from catalog.models import CatalogModel
    from common.actor import Actor
    from projects.models import Project

SLUG, KEY = "chat", "first-key"
TIER, TASK = "free", "generate"


def served_model() -> CatalogModel | None:
    """Return a listed chat model that some machine serves; none if a start can't be made."""
    if catalog.offered_tier(TIER) is None:
        return None
    listed = catalog.listed_models().filter(task=TASK)
    served = (one for one in listed if agents.shared_alive(model_name=one.name, tier=TIER))
    return next(served, None)


def make_start(*, project: Project, user: User, by: Actor) -> IssuedKey | None:
    """Open a free endpoint and issue a key for it; none where that is refused now.

    Nobody is kept from their project by it: what can't be made now can be made there.
    """
    model, tier = served_model(), catalog.offered_tier(TIER)
    if model is None or tier is None:
        return None
    try:
        with tenancy.within(project.pk, project.public_id):
            new = NewEndpoint(project=project, slug=SLUG, model=model, tier=tier)
            endpoint = open_endpoint(new, opened_by=user, by=by)
            return issue_key(project=project, name=KEY, issuer=user, endpoint=endpoint, by=by)
    except Problem:
        return None
