"""The app's name card; hooks the publisher to the outbox."""

from __future__ import annotations

from django.apps import AppConfig


class PublisherConfig(AppConfig):
    """Register the app, and read the notes of what the data plane has to know."""

    name = "publisher"

    def ready(self) -> None:
        """Become a reader of the outbox."""
        # Models can be imported only now.
        from common import readers  # noqa: PLC0415
        from publisher import services  # noqa: PLC0415

        readers.register(services.reader())
