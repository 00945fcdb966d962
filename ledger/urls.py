"""Addresses of payments."""

from __future__ import annotations

from django.urls import path

from ledger.api import LedgerList, PaymentNotice

urlpatterns = [path("api/payments/notice", PaymentNotice.as_view(), name="payment-notice")]

management = [
    path("ledger", LedgerList.as_view(), name="management-ledger"),
]
"""Addresses of money in the management API."""
