"""Addresses of what can be deployed, below a project."""

from __future__ import annotations

from django.urls import path

from agents.api import ModelList, TierList

urlpatterns = [
    path("models", ModelList.as_view(), name="management-models"),
    path("tiers", TierList.as_view(), name="management-tiers"),
]
