"""The currency of the amounts beside it, in every answer that holds one."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework import serializers


class CurrencyField(serializers.CharField):
    """``"USD"``: what an object's amounts are micro-units of."""

    def __init__(self, **kwargs: Any) -> None:
        said = {"help_text": "ISO code; amounts are integer micro-units of it (1,000,000 = 1.00)"}
        super().__init__(read_only=True, **{**said, **kwargs})

    def get_attribute(self, instance: Any) -> str:
        """Return the platform's currency, whatever the object is."""
        return str(settings.CURRENCY)
