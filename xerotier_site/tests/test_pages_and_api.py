"""Whatever a project's pages can do, its API can do."""

from __future__ import annotations

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from catalog.services import load_defaults
from dashboard import urls
from projects.models import Project
from tests.make import make_tier

BY_API = {
    "overview": {"get_project", "summarise_usage", "series_of_usage"},
    "endpoints": {"list_endpoints"},
    "new-endpoint": {"open_endpoint", "list_catalog_models", "list_tiers"},
    "check-slug": {"open_endpoint"},
    "endpoint": {"get_endpoint", "summarise_usage"},
    "pause-endpoint": {"change_endpoint"},
    "resume-endpoint": {"change_endpoint"},
    "retire-endpoint": {"retire_endpoint"},
    "keys": {"list_api_keys"},
    "new-key": {"issue_api_key"},
    "revoke-key": {"revoke_api_key"},
    "endpoint-tier": {"change_endpoint"},
    "names": {"list_endpoints", "list_api_keys"},
    "request": {"find_request"},
    "why": {"get_decision"},
    "origins": {"change_project"},
    "models": {"list_catalog_models"},
    "model": {"list_catalog_models"},
    "usage": {"summarise_usage", "series_of_usage", "list_usage_records"},
    "settings": {"get_project", "change_project"},
    "key": {"get_api_key", "get_api_key_ip_filter", "get_api_key_quota"},
    "change-key": {"change_api_key"},
    "rotate-key": {"rotate_api_key"},
    "end-old-secret": {"end_old_api_key_secret"},
    "key-ip-rules": {"set_api_key_ip_filter"},
    "key-quota": {"set_api_key_quota", "lift_api_key_quota"},
    "members": {"list_members", "list_invitations"},
    "invite": {"invite_member"},
    "member-role": {"change_member"},
    "remove-member": {"remove_member"},
    "revoke-invitation": {"revoke_invitation"},
    "leave": {"leave_project"},
    "transfer": {"transfer_project"},
    "second-factor": {"change_project"},
    "delete": {"delete_project"},
    "restore": {"restore_project"},
    "audit": {"list_audit_entries", "export_audit_entries"},
    "billing": {"get_balance", "list_ledger_entries", "list_budgets"},
    "budgets": {"list_budgets"},
    "new-budget": {"set_budget"},
    "budget": {"get_budget", "change_budget"},
    "end-budget": {"end_budget"},
    "machines": {"list_agents"},
    "machine": {"get_agent", "list_agent_events"},
    "approve-machine": {"change_agent"},
    "suspend-machine": {"change_agent"},
    "resume-machine": {"change_agent"},
    "drain-machine": {"change_agent"},
    "revoke-machine": {"revoke_agent"},
    "backends": {"list_backends"},
    "new-backend": {"ask_backend", "add_backend"},
    "backend": {"get_backend"},
    "ask-backend": {"ask_backend_again"},
    "change-backend": {"change_backend"},
    "pause-backend": {"change_backend"},
    "resume-backend": {"change_backend"},
    "rotate-backend": {"rotate_backend_credential"},
    "remove-backend": {"remove_backend"},
    "join-keys": {"list_join_keys"},
    "new-join-key": {"issue_join_key"},
    "revoke-join-key": {"revoke_join_key"},
}
"""Page → the operations that do the same. A new page needs a line here, and its operations."""


def test_every_page_of_a_project_has_its_operations() -> None:
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call] # why: untyped there
    offered = {
        one["operationId"] for methods in document["paths"].values() for one in methods.values()
    }

    pages = {str(page.name) for page in urls.project}

    assert pages - set(BY_API) == set()
    assert set().union(*BY_API.values()) - offered == set()


@pytest.mark.parametrize("name", ["models", "tiers"])
def test_what_an_endpoint_needs_can_be_listed(as_ada: APIClient, acme: Project, name: str) -> None:
    load_defaults()

    page = as_ada.get(f"/{acme.public_id}/v1/management/{name}?limit=2").json()

    assert (page["object"], len(page["data"])) == ("list", 2)
    assert page["data"][-1]["id"] == page["last_id"]


def test_tiers_show_their_numbers_in_force(as_ada: APIClient, acme: Project) -> None:
    make_tier()

    tiers = as_ada.get(f"/{acme.public_id}/v1/management/tiers").json()["data"]

    free = next(tier for tier in tiers if tier["id"] == "free")
    assert (free["terms"]["requests_per_min"], free["terms"]["price_per_million"]) == (64, 0)
