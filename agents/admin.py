"""Workers, in the admin console."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold import widgets

from agents import rules, services
from agents.models import Worker
from common.admin import KeptAdmin, operator


class WorkerForm(forms.ModelForm):  # type: ignore[type-arg] # why: takes no argument at run time
    """A worker as an operator types it in; the credential goes in and never comes out."""

    operations = forms.MultipleChoiceField(
        choices=[(operation, operation) for operation in rules.OPERATIONS],
        widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget,
    )
    secret = forms.CharField(
        label="Credential",
        required=False,
        widget=widgets.UnfoldAdminPasswordWidget,
        help_text="What the server wants as bearer. Leave empty to keep the present one.",
    )

    class Meta:
        model = Worker
        fields = ["name", "url", "model_name", "served_name", "operations", "slots"]

    def clean_url(self) -> str:
        """Refuse a URL no gateway could ask."""
        url: str = self.cleaned_data["url"]
        fault = rules.fault_in_url(url)
        if fault:
            raise forms.ValidationError(fault)
        return url


@admin.register(Worker)
class WorkerAdmin(KeptAdmin):
    """Servers known by their URL. A worker's name and model are for life."""

    form = WorkerForm
    list_display = ["name", "model_name", "url", "state", "added_at", "public_id"]
    list_filter = ["state", "model_name"]
    search_fields = ["name", "url", "model_name", "public_id"]
    actions = ["suspend", "resume", "retire"]

    def get_readonly_fields(self, request: HttpRequest, obj: Worker | None = None) -> list[str]:
        """Return what may not change once the worker exists."""
        if obj is None:
            return []
        return ["name", "model_name", "served_name", "slots", "public_id", "state"]

    def save_model(self, request: HttpRequest, obj: Worker, form: Any, change: bool) -> None:
        """Add or move a worker by its services, so that the data plane is told."""
        said = form.cleaned_data
        if change:
            services.move_worker(
                worker=obj, url=obj.url, credential=said["secret"] or None, by=operator(request)
            )
            return
        added = services.add_worker(
            services.Enrolment(
                name=said["name"],
                url=said["url"],
                model_name=said["model_name"],
                operations=said["operations"],
                credential=said["secret"],
                served_name=said["served_name"],
                slots=said["slots"],
            ),
            by=operator(request),
        )
        obj.pk = added.pk

    @admin.action(description="Suspend: no new work")
    def suspend(self, request: HttpRequest, chosen: QuerySet[Worker]) -> None:
        """Suspend the chosen workers."""
        for worker in chosen:
            services.suspend_worker(worker=worker, by=operator(request))

    @admin.action(description="Resume")
    def resume(self, request: HttpRequest, chosen: QuerySet[Worker]) -> None:
        """Resume the chosen workers."""
        for worker in chosen:
            services.resume_worker(worker=worker, by=operator(request))

    @admin.action(description="Retire for good")
    def retire(self, request: HttpRequest, chosen: QuerySet[Worker]) -> None:
        """Retire the chosen workers."""
        for worker in chosen:
            services.retire_worker(worker=worker, by=operator(request))
