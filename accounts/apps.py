"""The app's name card."""

from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Register the app under its own name, and listen to allauth."""

    name = "accounts"

    def ready(self) -> None:
        """Begin to write what people do about their sign-in into the audit log."""
        from accounts import consumer  # noqa: PLC0415 - models are there only now

        consumer.listen()
