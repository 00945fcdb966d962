"""Join keys, in the admin console: who let in whom, never the key."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold import widgets
from unfold.admin import TabularInline

from catalog import selectors as catalog
from common import clock
from common.admin import KeptAdmin, operator
from common.problems import Problem
from enrolment import services
from enrolment.models import JoinKey, JoinKeyUse
from enrolment.services import NewJoinKey


class JoinKeyForm(forms.ModelForm):  # type: ignore[type-arg] # why: takes no argument at run time
    """A join key for the operator's own machines."""

    tiers = forms.MultipleChoiceField(
        widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="The tiers whose endpoints its machines serve.",
    )

    class Meta:
        model = JoinKey
        fields = [
            "name",
            "tiers",
            "region",
            "name_pattern",
            "needs_approval",
            "uses_max",
            "expires_at",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "tiers" in self.fields:
            self.fields["tiers"].choices = [  # type: ignore[attr-defined] # why: ours, above
                (slug, slug) for slug in catalog.shared_tiers()
            ]

    def clean(self) -> dict[str, Any]:
        """Refuse what the service would refuse."""
        said: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance.pk is None and not self.errors:
            try:
                services.check_new(NewJoinKey(project=None, **said))
            except Problem as problem:
                self.add_error(problem.param or None, problem.message)
        return said


class UseInline(TabularInline):  # type: ignore[misc] # why: unfold ships no types
    """The machines that came with it."""

    model = JoinKeyUse
    fields = ["agent", "at", "address"]
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: JoinKey | None = None) -> bool:
        """Refuse: machines come by themselves."""
        return False


@admin.register(JoinKey)
class JoinKeyAdmin(KeptAdmin):
    """Every owner's join keys. Those made here are the operator's, for shared machines."""

    form = JoinKeyForm
    list_display = ["name", "project", "hint", "standing", "uses", "uses_max", "tiers"]
    list_display += ["issued_at", "expires_at"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["project"]
    search_fields = ["name", "public_id", "hint"]
    inlines = [UseInline]
    actions = ["revoke"]

    @admin.display(description="state")
    def standing(self, key: JoinKey) -> str:
        """Say whether it lets machines in, or why not."""
        return key.state(clock.now()).replace("_", " ")

    def has_change_permission(self, request: HttpRequest, obj: JoinKey | None = None) -> bool:
        """Refuse: a join key is made and revoked, and nothing else."""
        return obj is None and super().has_change_permission(request)

    def save_model(self, request: HttpRequest, obj: JoinKey, form: Any, change: bool) -> None:
        """Make it by its service, and show it this once."""
        new = NewJoinKey(project=None, **form.cleaned_data)
        issued = services.issue_join_key(new, issuer_pk=request.user.pk, by=operator(request))
        obj.pk = issued.join_key.pk
        self.message_user(
            request, f"Shown this once: {issued.secret}", level=messages.SUCCESS, fail_silently=True
        )

    @admin.action(description="Revoke: nobody joins by it any more")
    def revoke(self, request: HttpRequest, chosen: QuerySet[JoinKey]) -> None:
        """Revoke the chosen join keys; their machines stay."""
        for key in chosen:
            services.revoke_join_key(join_key=key, by=operator(request))
