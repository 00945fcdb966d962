"""Addresses of the endpoint resources, below a project."""

from __future__ import annotations

from django.urls import path

from endpoints.api import EndpointDetail, EndpointList

urlpatterns = [
    path("endpoints", EndpointList.as_view(), name="endpoints"),
    path("endpoints/<str:slug>", EndpointDetail.as_view(), name="endpoint"),
]
