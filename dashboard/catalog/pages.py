"""The catalog, inside a project and for everyone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from catalog import selectors as catalog
from catalog.errors import ModelUnknown
from dashboard.catalog.cards import TASKS, ModelCard, model_card
from dashboard.docs.markdown import render
from dashboard.shell.contexts import Chip, Crumb, Shell, crumbs_to, shell_for
from dashboard.shell.door import project_page, show

if TYPE_CHECKING:
    from projects.access import Seat


@dataclass(frozen=True, slots=True)
class Entry:
    """A card and where it leads."""

    card: ModelCard
    url: str


@dataclass(frozen=True, slots=True)
class ModelList:
    """The catalog, filtered. ``shell`` is there inside a project only."""

    shell: Shell | None
    crumbs: tuple[Crumb, ...]
    entries: tuple[Entry, ...]
    tasks: tuple[Chip, ...]
    query: str
    task: str
    url: str


@dataclass(frozen=True, slots=True)
class ModelPage:
    """One model. ``deploy_url`` leads to the form, or to signing up first."""

    shell: Shell | None
    crumbs: tuple[Crumb, ...]
    card: ModelCard
    text: SafeString
    deploy_url: str


@require_GET
@project_page()
def model_list(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Browse what can be deployed."""
    base = reverse("project:models", args=[seat.project.public_id])
    context = _listing(request, base, shell_for(seat, "models"), crumbs_to(seat))
    return show(request, "dashboard/catalog/models.html", context)


@require_GET
@project_page()
def model_page(request: HttpRequest, seat: Seat, name: str) -> HttpResponse:
    """Show one model, and offer to deploy it."""
    base = reverse("project:models", args=[seat.project.public_id])
    deploy = reverse("project:new-endpoint", args=[seat.project.public_id]) + f"?model={name}"
    crumbs = crumbs_to(seat, ("Models", base))
    context = _model(name, shell_for(seat, "models"), crumbs, deploy)
    if context is None:
        raise ModelUnknown(f"The catalog lists no model “{name}”.")
    return show(request, "dashboard/catalog/model.html", context)


@require_GET
def public_list(request: HttpRequest) -> HttpResponse:
    """Browse the catalog without an account."""
    context = _listing(request, reverse("catalog"), None, ())
    return show(request, "dashboard/catalog/public_models.html", context)


@require_GET
def public_page(request: HttpRequest, name: str) -> HttpResponse:
    """Show one model to everyone."""
    crumbs = (Crumb("Models", reverse("catalog")),)
    context = _model(name, None, crumbs, reverse("dashboard"))
    if context is None:
        raise Http404
    return show(request, "dashboard/catalog/public_model.html", context)


def _listing(
    request: HttpRequest, base: str, shell: Shell | None, crumbs: tuple[Crumb, ...]
) -> ModelList:
    query, task = request.GET.get("q", "").strip(), request.GET.get("task", "")
    cards = [model_card(model) for model in catalog.listed_models()]
    found = [card for card in cards if _fits(card, query, task)]
    return ModelList(
        shell=shell,
        crumbs=crumbs,
        entries=tuple(Entry(card, f"{base}{card.name}/") for card in found),
        tasks=_chips(base, query, task),
        query=query,
        task=task,
        url=base,
    )


def _fits(card: ModelCard, query: str, task: str) -> bool:
    words = " ".join((card.name, card.title, card.summary, card.family, *card.tags)).lower()
    return (not task or card.task == task) and all(word in words for word in query.lower().split())


def _chips(base: str, query: str, task: str) -> tuple[Chip, ...]:
    def url(name: str) -> str:
        said = urlencode({key: value for key, value in (("q", query), ("task", name)) if value})
        return f"{base}?{said}" if said else base

    return (
        Chip("All", url(""), not task),
        *(Chip(label, url(name), name == task) for name, label in TASKS.items()),
    )


def _model(
    name: str, shell: Shell | None, crumbs: tuple[Crumb, ...], deploy_url: str
) -> ModelPage | None:
    model = catalog.listed_model(name)
    if model is None:
        return None
    return ModelPage(shell, crumbs, model_card(model), render(model.card).html, deploy_url)
