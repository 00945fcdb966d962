"""Addresses of what can be deployed, and of the machines that dial out, below a project."""

from __future__ import annotations

from django.urls import path

from agents.api import AgentDetail, AgentEvents, AgentList
from agents.offers_api import ModelList, TierList

urlpatterns = [
    path("models", ModelList.as_view(), name="management-models"),
    path("tiers", TierList.as_view(), name="management-tiers"),
    path("agents", AgentList.as_view(), name="agents"),
    path("agents/<str:agent_id>", AgentDetail.as_view(), name="agent"),
    path("agents/<str:agent_id>/events", AgentEvents.as_view(), name="agent-events"),
]
