"""The management API under ``/{project}/v1/management/…``, and its description."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularJSONAPIView

from api.audit import AuditExport, AuditList

management: list[URLPattern | URLResolver] = [
    path("", include("endpoints.urls")),
    path("", include("apikeys.urls")),
    path("", include("projects.urls")),
    path("audit", AuditList.as_view(), name="audit"),
    path("audit/export", AuditExport.as_view(), name="audit-export"),
]

urlpatterns = [
    path("", include("ledger.urls")),
    path("api/openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("<str:project_id>/v1/management/", include(management)),
]
