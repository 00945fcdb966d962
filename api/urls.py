"""The management API under ``/{project}/v1/management/…``, and its description."""

from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView

management = [
    path("", include("endpoints.urls")),
    path("", include("apikeys.urls")),
]

urlpatterns = [
    path("api/openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("<str:project_id>/v1/management/", include(management)),
]
