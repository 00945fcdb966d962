"""Workers, in the admin console."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold import widgets
from unfold.admin import TabularInline

from agents import asking, lifecycle, rules, services
from agents.models import Agent, AgentEvent, AgentState, Worker, WorkerState
from agents.sightings import worker_health
from catalog import selectors as catalog
from common.admin import KeptAdmin, ReadOnlyAdmin, operator
from common.problems import Problem
from inference.contracts.addresses import EVERYWHERE


class WorkerForm(forms.ModelForm):  # type: ignore[type-arg] # why: takes no argument at run time
    """A worker as an operator types it in; the credential goes in and never comes out."""

    operations = forms.MultipleChoiceField(
        choices=[(operation, operation) for operation in rules.OPERATIONS],
        widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget,
    )
    tiers = forms.MultipleChoiceField(
        required=False,
        widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="The tiers whose endpoints it serves. None for a project's own machine.",
    )
    secret = forms.CharField(
        label="Credential",
        required=False,
        widget=widgets.UnfoldAdminPasswordWidget,
        help_text="What the server wants as bearer. Leave empty to keep the present one.",
    )

    unasked = forms.BooleanField(
        required=False,
        label="Add it without asking it",
        help_text="Otherwise it is asked now which models it serves.",
    )

    class Meta:
        model = Worker
        fields = [
            "name",
            "project",
            "tiers",
            "url",
            "model_name",
            "served_name",
            "operations",
            "slots",
            "cache_scope",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "tiers" in self.fields:
            tiers = cast("forms.MultipleChoiceField", self.fields["tiers"])
            tiers.choices = [(slug, slug) for slug in catalog.shared_tiers()]

    def clean(self) -> dict[str, Any]:
        """Refuse tiers where they don't fit."""
        said: dict[str, Any] = super().clean() or self.cleaned_data
        owner = said.get("project") if self.instance.pk is None else self.instance.project
        try:
            services.check_tiers(said.get("tiers", []), owner)
        except Problem as problem:
            self.add_error("tiers", problem.message)
        if self.instance.pk is None and not self.errors and not said.get("unasked"):
            self._ask(said)
        return said

    def _ask(self, said: dict[str, Any]) -> None:
        if catalog.listed_model(said["model_name"]) is None:
            self.add_error("model_name", "The catalog lists no such model. Add it there first.")
        found = asking.ask(said["url"], said["secret"], EVERYWHERE)
        wished = said["served_name"] or said["model_name"]
        names = ", ".join(one.name for one in found.models)
        if found.fault:
            self.add_error("url", found.fault)
        elif found.url != said["url"].rstrip("/"):
            self.add_error("url", f"It answers at {found.url}: write that.")
        elif found.named(wished) is None:
            self.add_error("served_name", f"It serves {names}. Write which of these is meant.")

    def clean_url(self) -> str:
        """Refuse a URL no gateway could ask."""
        url: str = self.cleaned_data["url"]
        fault = rules.fault_in_url(url)
        if fault:
            raise forms.ValidationError(fault)
        return url


class EventInline(TabularInline):  # type: ignore[misc] # why: unfold ships no types
    """What happened to an agent."""

    model = AgentEvent
    fields = ["at", "what", "detail", "by"]
    readonly_fields = fields
    extra = 0
    can_delete = False
    per_page = 20

    def has_add_permission(self, request: HttpRequest, obj: Agent | None = None) -> bool:
        """Refuse: it happened, or it did not."""
        return False


@admin.register(Agent)
class AgentAdmin(ReadOnlyAdmin):
    """Machines that dial out, whoever's they are. An operator decides as their owner does."""

    list_display = ["name", "project", "standing", "tiers", "region", "seen_at", "public_id"]
    list_filter = ["state", "is_linked"]
    list_select_related = ["project"]
    search_fields = ["name", "public_id", "project__slug", "project__public_id"]
    inlines = [EventInline]
    exclude = ["version", "public_key"]
    readonly_fields = ["fingerprint"]
    actions = ["approve", "suspend", "resume", "retire"]

    @admin.display(description="state")
    def standing(self, agent: Agent) -> str:
        """Say what people decided, and whether it is there."""
        return rules.shown_state(agent.state, is_linked=agent.is_linked, is_dead=agent.is_dead)

    @admin.action(description="Approve those that wait")
    def approve(self, request: HttpRequest, chosen: QuerySet[Agent]) -> None:
        """Let the chosen machines work."""
        for agent in chosen:
            lifecycle.approve_agent(agent=agent, by=operator(request))

    @admin.action(description="Suspend: no new work")
    def suspend(self, request: HttpRequest, chosen: QuerySet[Agent]) -> None:
        """Suspend the chosen machines."""
        for agent in chosen.exclude(state=AgentState.RETIRED):
            lifecycle.suspend_agent(agent=agent, by=operator(request))

    @admin.action(description="Resume")
    def resume(self, request: HttpRequest, chosen: QuerySet[Agent]) -> None:
        """Resume the chosen machines that are suspended."""
        for agent in chosen.filter(state=AgentState.SUSPENDED):
            lifecycle.resume_agent(agent=agent, by=operator(request))

    @admin.action(description="Revoke for good: their links are cut")
    def retire(self, request: HttpRequest, chosen: QuerySet[Agent]) -> None:
        """Revoke the chosen machines."""
        for agent in chosen:
            lifecycle.retire_agent(agent=agent, by=operator(request))


@admin.register(Worker)
class WorkerAdmin(KeptAdmin):
    """Servers known by their URL, and models of agents. Name and model are for life."""

    form = WorkerForm
    list_display = [
        "name",
        "model_name",
        "project",
        "tiers",
        "state",
        "seen",
        "cache_scope",
        "url",
        "public_id",
    ]
    list_filter = ["state", "cache_scope", "model_name"]

    @admin.display(description="Seen by the gateways")
    def seen(self, worker: Worker) -> str:
        """Say what the gateways see of a worker."""
        health = worker_health([worker.public_id])[worker.public_id]
        if worker.state != WorkerState.ACTIVE:
            return "–"
        if not health.is_seen:
            return "not looked at: no gateway runs"
        last = f"last answer {health.answered_at:%d %b %H:%M:%S} UTC" if health.answered_at else ""
        if health.is_out:
            return f"out; {last or 'never answered'}"
        return f"{last or 'not asked yet'}; {health.running} of {worker.slots or '∞'} at work"

    list_select_related = ["project"]
    search_fields = ["name", "url", "model_name", "public_id"]
    actions = ["suspend", "resume", "retire"]

    def get_readonly_fields(self, request: HttpRequest, obj: Worker | None = None) -> list[str]:
        """Return what may not change once the worker exists."""
        if obj is None:
            return []
        fixed = ["name", "project", "model_name", "public_id", "state"]
        # What a machine serves is as it says, or as its owner does.
        is_a_machines = obj.agent_id is not None or obj.backend_id is not None
        return [*fixed, "url", "tiers", "served_name", "slots"] if is_a_machines else fixed

    def save_model(self, request: HttpRequest, obj: Worker, form: Any, change: bool) -> None:
        """Add or move a worker by its services, so that the data plane is told."""
        said = form.cleaned_data
        if change:
            changes = {name: said[name] for name in form.changed_data if name in rules.CHANGEABLE}
            if said["secret"]:
                changes["credential"] = said["secret"]
            if changes:
                services.change_worker(worker=obj, by=operator(request), **changes)
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
                project=said["project"],
                tiers=said["tiers"],
                cache_scope=said["cache_scope"],
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

    @admin.action(description="Retire for good …")
    def retire(self, request: HttpRequest, chosen: QuerySet[Worker]) -> HttpResponse:
        """Lead to the page that says who loses what, and asks."""
        ids = urlencode([("id", worker.pk) for worker in chosen])
        return redirect(f"{reverse('retire-workers')}?{ids}")
