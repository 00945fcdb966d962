"""Addresses of payments."""

from __future__ import annotations

from django.urls import path

from ledger.api import PaymentNotice

urlpatterns = [path("api/payments/notice", PaymentNotice.as_view(), name="payment-notice")]
