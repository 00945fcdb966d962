"""Pieces of the admin console that every app's admin uses."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from common.actor import REQUEST_ID, Actor, ActorKind
from common.addresses import caller_address
from common.models import OutboxEntry


def operator(request: HttpRequest) -> Actor:
    """Return who works at the console, for the audit log."""
    person = request.user
    return Actor(
        kind=ActorKind.PERSON,
        subject=str(person.pk),
        name=person.get_username(),
        address=caller_address(request),
        request_id=request.META.get(REQUEST_ID, ""),
    )


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc] # why: unfold ships no types
    """A list to look at: rows that services write, or that nobody may change."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: services make these rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Refuse: services change these rows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Refuse: nothing here is ever deleted."""
        return False


class KeptAdmin(ModelAdmin):  # type: ignore[misc] # why: unfold ships no types
    """Rows that may be changed through services but are never deleted."""

    list_per_page = 50

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Refuse: other rows and old bills name it."""
        return False


@admin.register(OutboxEntry)
class OutboxAdmin(ReadOnlyAdmin):
    """What was announced, and whether everyone who reads of it was told."""

    list_display = ["id", "topic", "subject_id", "written_at", "sent_at"]
    list_filter: list[Any] = ["topic", ("sent_at", admin.EmptyFieldListFilter)]
    search_fields = ["subject_id"]
