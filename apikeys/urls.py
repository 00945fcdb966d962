"""Addresses of the key resources, below a project."""

from __future__ import annotations

from django.urls import path

from apikeys.api import (
    LIMIT_VIEWS,
    KeyDetail,
    KeyIpFilter,
    KeyList,
    KeyOldSecret,
    KeyRotation,
    PassList,
)

urlpatterns = [
    path("api-keys", KeyList.as_view(), name="api-keys"),
    path("api-keys/<str:key_id>", KeyDetail.as_view(), name="api-key"),
    path("api-keys/<str:key_id>/rotate", KeyRotation.as_view(), name="api-key-rotation"),
    path("api-keys/<str:key_id>/old-secret", KeyOldSecret.as_view(), name="api-key-old-secret"),
    path("api-keys/<str:key_id>/ip-filter", KeyIpFilter.as_view(), name="api-key-ip-filter"),
    *(
        path(f"api-keys/<str:key_id>/{name}", view.as_view(), name=f"api-key-{name}")
        for name, view in LIMIT_VIEWS.items()
    ),
    path("tokens", PassList.as_view(), name="tokens"),
]
