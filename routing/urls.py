"""Addresses of decisions, below a project's management API."""

from __future__ import annotations

from django.urls import path

from routing.api import DecisionDetail

management = [
    path("decisions/<str:decision_id>", DecisionDetail.as_view(), name="management-decision"),
]
