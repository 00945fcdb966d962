"""The management API under ``/{project}/v1/management/…``, and its description."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from rest_framework.authentication import SessionAuthentication

from api import described, wellknown
from api.audit import AuditExport, AuditList
from api.authentication import UsageKeyAuthentication
from api.refusals import UsageRefusals, UsageRequest
from api.scanning import KeyReport
from ledger.urls import management as ledger
from usage.urls import management as budgets
from usage.urls import usage_urls

management: list[URLPattern | URLResolver] = [
    path("", include("agents.urls")),
    path("", include("endpoints.urls")),
    path("", include("apikeys.urls")),
    path("", include("projects.urls")),
    path("", include(ledger)),
    path("", include(budgets)),
    path("audit", AuditList.as_view(), name="audit"),
    path("audit/export", AuditExport.as_view(), name="audit-export"),
]

_READERS = {"authentication_classes": [UsageKeyAuthentication, SessionAuthentication]}
usage = [
    *usage_urls(**_READERS),
    path("refusals", UsageRefusals.as_view(**_READERS), name="usage-refusals"),
    path("requests/<str:request_id>", UsageRequest.as_view(**_READERS), name="usage-request"),
]

urlpatterns = [
    path("", include("ledger.urls")),
    path("<str:project_id>/v1/usage/", include(usage)),
    path(".well-known/jwks.json", wellknown.jwks, name="jwks"),
    path("api/key-scanning/report", KeyReport.as_view(), name="key-report"),
    # For everyone: a key that opens something else doesn't shut what is open without one.
    path("api/openapi.json", described.openapi, name="openapi"),
    path("<str:project_id>/v1/management/", include(management)),
]
