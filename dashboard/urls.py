"""Addresses of the pages. ``{project}`` is always the project's public id."""

from __future__ import annotations

from django.conf import settings as site
from django.urls import include, path
from django.views.generic import RedirectView

from dashboard.catalog import pages as models
from dashboard.docs import pages as docs
from dashboard.endpoints import new as new_endpoint
from dashboard.endpoints import pages as endpoints
from dashboard.endpoints import tier as endpoint_tier
from dashboard.keys import key, rotation
from dashboard.keys import pages as keys
from dashboard.machines import backend_acts as backend
from dashboard.machines import backends, join, new_backend
from dashboard.machines import decisions as machine
from dashboard.machines import pages as machines
from dashboard.money import billing, budgets
from dashboard.people import invitations, members, seats
from dashboard.project import audit, names, overview, settings
from dashboard.project import new as new_project
from dashboard.public import pages as public
from dashboard.public import style_guide
from dashboard.shell import go_on
from dashboard.usage import pages as usage
from dashboard.usage import request, why

project = [
    path("", overview.overview, name="overview"),
    path("endpoints/", endpoints.endpoint_list, name="endpoints"),
    path("endpoints/new/", new_endpoint.new_endpoint, name="new-endpoint"),
    path("endpoints/new/slug/", new_endpoint.check_slug, name="check-slug"),
    path("endpoints/<str:slug>/", endpoints.endpoint_page, name="endpoint"),
    path("endpoints/<str:slug>/pause/", endpoints.pause, name="pause-endpoint"),
    path("endpoints/<str:slug>/resume/", endpoints.resume, name="resume-endpoint"),
    path("endpoints/<str:slug>/tier/", endpoint_tier.change_tier, name="endpoint-tier"),
    path("endpoints/<str:slug>/retire/", endpoints.retire, name="retire-endpoint"),
    path("keys/", keys.key_list, name="keys"),
    path("keys/new/", keys.new_key, name="new-key"),
    path("keys/<str:key_id>/", key.key_page, name="key"),
    path("keys/<str:key_id>/rotate/", rotation.rotate, name="rotate-key"),
    path("keys/<str:key_id>/end-old/", rotation.end_old_secret, name="end-old-secret"),
    path("keys/<str:key_id>/revoke/", keys.revoke_key, name="revoke-key"),
    path("machines/", machines.machine_list, name="machines"),
    path("machines/join-keys/", join.join_key_list, name="join-keys"),
    path("machines/join-keys/new/", join.new_join_key, name="new-join-key"),
    path(
        "machines/join-keys/<str:join_key_id>/revoke/",
        join.revoke_join_key,
        name="revoke-join-key",
    ),
    path("machines/backends/", backends.backend_list, name="backends"),
    path("machines/backends/new/", new_backend.new_backend, name="new-backend"),
    path("machines/backends/<str:backend_id>/", backends.backend_page, name="backend"),
    path("machines/backends/<str:backend_id>/ask/", backend.ask, name="ask-backend"),
    path("machines/backends/<str:backend_id>/change/", backend.change, name="change-backend"),
    path("machines/backends/<str:backend_id>/pause/", backend.pause, name="pause-backend"),
    path("machines/backends/<str:backend_id>/resume/", backend.resume, name="resume-backend"),
    path("machines/backends/<str:backend_id>/rotate/", backend.rotate, name="rotate-backend"),
    path("machines/backends/<str:backend_id>/remove/", backend.remove, name="remove-backend"),
    path("machines/<str:agent_id>/", machines.machine_page, name="machine"),
    path("machines/<str:agent_id>/approve/", machine.approve, name="approve-machine"),
    path("machines/<str:agent_id>/suspend/", machine.suspend, name="suspend-machine"),
    path("machines/<str:agent_id>/drain/", machine.drain, name="drain-machine"),
    path("machines/<str:agent_id>/resume/", machine.resume, name="resume-machine"),
    path("machines/<str:agent_id>/revoke/", machine.revoke, name="revoke-machine"),
    path("models/", models.model_list, name="models"),
    path("models/<path:name>/", models.model_page, name="model"),
    path("names/", names.names, name="names"),
    path("usage/", usage.usage, name="usage"),
    path("usage/<str:request_id>/", request.request_page, name="request"),
    path("usage/<str:request_id>/why/", why.why, name="why"),
    path("settings/", settings.settings, name="settings"),
    path("settings/second-factor/", settings.second_factor, name="second-factor"),
    path("settings/origins/", settings.origins, name="origins"),
    path("settings/delete/", settings.delete, name="delete"),
    path("settings/restore/", settings.restore, name="restore"),
    path("settings/audit/", audit.audit, name="audit"),
    path("settings/billing/", billing.billing, name="billing"),
    path("settings/billing/budgets/", budgets.budget_list, name="budgets"),
    path("settings/billing/budgets/new/", budgets.new_budget, name="new-budget"),
    path("settings/billing/budgets/<str:budget_id>/", budgets.change_budget, name="budget"),
    path("settings/billing/budgets/<str:budget_id>/end/", budgets.end, name="end-budget"),
    path("settings/transfer/", seats.transfer, name="transfer"),
    path("settings/leave/", seats.leave, name="leave"),
    path("settings/members/", members.members, name="members"),
    path("settings/members/invite/", invitations.invite, name="invite"),
    path("settings/members/<str:member_id>/role/", seats.change_role, name="member-role"),
    path("settings/members/<str:member_id>/remove/", seats.remove, name="remove-member"),
    path(
        "settings/invitations/<str:invitation_id>/revoke/",
        invitations.revoke_invitation,
        name="revoke-invitation",
    ),
]

urlpatterns = [
    path("", public.home, name="home"),
    path("favicon.ico", RedirectView.as_view(url=f"{site.STATIC_URL}icon.svg")),
    path("theme/", public.theme, name="theme"),
    path("models/", models.public_list, name="catalog"),
    path("models/<path:name>/", models.public_page, name="catalog-model"),
    path("docs/", docs.docs, name="docs"),
    path("docs/<str:name>/", docs.guide, name="guide"),
    path("dashboard/", public.enter, name="dashboard"),
    path("dashboard/go-on/", go_on.go_on, name="go-on"),
    path("dashboard/new/", new_project.new_project, name="new-project"),
    path("dashboard/style-guide/", style_guide.style_guide, name="style-guide"),
    path("dashboard/<str:project_id>/", include((project, "project"))),
]
