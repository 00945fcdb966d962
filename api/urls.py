"""The management API under ``/{project}/v1/management/…``, the operator API, and a description."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from rest_framework.authentication import SessionAuthentication

from api import described, wellknown
from api.audit import AuditExport, AuditList
from api.authentication import UsageKeyAuthentication
from api.operator_cards import OperatorCards
from api.operator_models import OperatorModel, OperatorModels
from api.operator_tiers import OperatorTerms, OperatorTermsList, OperatorTier, OperatorTiers
from api.refusals import UsageRefusals, UsageRequest
from api.scanning import KeyReport
from enrolment.urls import management as join_keys
from ledger.urls import management as ledger
from routing.urls import management as decisions
from usage.urls import management as budgets
from usage.urls import usage_urls

management: list[URLPattern | URLResolver] = [
    path("", include("agents.urls")),
    path("", include("endpoints.urls")),
    path("", include("apikeys.urls")),
    path("", include(join_keys)),
    path("", include("projects.urls")),
    path("", include(ledger)),
    path("", include(budgets)),
    path("", include(decisions)),
    path("audit", AuditList.as_view(), name="audit"),
    path("audit/export", AuditExport.as_view(), name="audit-export"),
]

_READERS = {"authentication_classes": [UsageKeyAuthentication, SessionAuthentication]}
usage = [
    *usage_urls(**_READERS),
    path("refusals", UsageRefusals.as_view(**_READERS), name="usage-refusals"),
    path("requests/<str:request_id>", UsageRequest.as_view(**_READERS), name="usage-request"),
]

operator: list[URLPattern | URLResolver] = [
    path("models", OperatorModels.as_view(), name="operator-models"),
    path("model-cards", OperatorCards.as_view(), name="operator-model-cards"),
    path("models/<str:model_id>", OperatorModel.as_view(), name="operator-model"),
    path("tiers", OperatorTiers.as_view(), name="operator-tiers"),
    path("tiers/<str:tier>", OperatorTier.as_view(), name="operator-tier"),
    path("tiers/<str:tier>/terms", OperatorTermsList.as_view(), name="operator-terms"),
    path("tiers/<str:tier>/terms/<str:number>", OperatorTerms.as_view(), name="operator-term"),
]

urlpatterns = [
    path("", include("ledger.urls")),
    path("", include("enrolment.urls")),
    path("v1/operator/", include(operator)),
    path("<str:project_id>/v1/usage/", include(usage)),
    path(".well-known/jwks.json", wellknown.jwks, name="jwks"),
    path("api/key-scanning/report", KeyReport.as_view(), name="key-report"),
    # For everyone: a key that opens something else doesn't shut what is open without one.
    path("api/openapi.json", described.openapi, name="openapi"),
    path("<str:project_id>/v1/management/", include(management)),
]
