"""The app's name card; hooks the publisher to the outbox."""

from __future__ import annotations

from django.apps import AppConfig


class PublisherConfig(AppConfig):
    """Register the app, and hear of every note once its transaction committed."""

    name = "publisher"

    def ready(self) -> None:
        """Listen to the outbox."""
        # Models can be imported only now.
        from common import outbox  # noqa: PLC0415
        from publisher import services  # noqa: PLC0415

        outbox.listen(services.carry)
