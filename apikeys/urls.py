"""Addresses of the key resources, below a project."""

from __future__ import annotations

from django.urls import path

from apikeys.api import KeyDetail, KeyList

urlpatterns = [
    path("api-keys", KeyList.as_view(), name="api-keys"),
    path("api-keys/<str:key_id>", KeyDetail.as_view(), name="api-key"),
]
