"""Addresses of what can be deployed, of machines and of backends, below a project."""

from __future__ import annotations

from django.urls import path

from agents.api import AgentDetail, AgentEvents, AgentList
from agents.backends_api import (
    BackendAskedAgain,
    BackendCredential,
    BackendDetail,
    BackendList,
    BackendQuestion,
)
from agents.offers_api import ModelList, TierList

urlpatterns = [
    path("models", ModelList.as_view(), name="management-models"),
    path("tiers", TierList.as_view(), name="management-tiers"),
    path("backends", BackendList.as_view(), name="backends"),
    path("backends/ask", BackendQuestion.as_view(), name="backend-question"),
    path("backends/<str:backend_id>", BackendDetail.as_view(), name="backend"),
    path("backends/<str:backend_id>/ask", BackendAskedAgain.as_view(), name="backend-asked-again"),
    path(
        "backends/<str:backend_id>/rotate", BackendCredential.as_view(), name="backend-credential"
    ),
    path("agents", AgentList.as_view(), name="agents"),
    path("agents/<str:agent_id>", AgentDetail.as_view(), name="agent"),
    path("agents/<str:agent_id>/events", AgentEvents.as_view(), name="agent-events"),
]
