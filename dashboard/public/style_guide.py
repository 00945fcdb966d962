"""Every piece in one place, for those who build pages. Shown in development, and to operators."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from common import clock
from dashboard.examples.snippets import Snippet, snippets_for
from dashboard.keys.forms import NewKeyForm
from dashboard.project.overview import Step
from dashboard.shell import charts, icons
from dashboard.shell.contexts import Chip, Crumb, State
from dashboard.shell.door import show


@dataclass(frozen=True, slots=True)
class StyleGuide:
    """Made-up values, enough to show each piece."""

    icons: tuple[str, ...]
    crumbs: tuple[Crumb, ...]
    chips: tuple[Chip, ...]
    states: tuple[State, ...]
    steps: tuple[Step, ...]
    snippets: tuple[Snippet, ...]
    chart: charts.Chart
    form: NewKeyForm
    faulty_form: NewKeyForm


@require_GET
def style_guide(request: HttpRequest) -> HttpResponse:
    """Show every piece once."""
    is_operator = bool(getattr(request.user, "is_staff", False))
    if settings.ENVIRONMENT == "production" and not is_operator:
        raise Http404
    return show(request, "dashboard/public/style_guide.html", _context())


def _context() -> StyleGuide:
    return StyleGuide(
        icons=tuple(icons.PATHS),
        crumbs=(Crumb("Acme", "#"), Crumb("Endpoints", "#")),
        chips=tuple(Chip(one.label, "#", one == charts.DEFAULT) for one in charts.RANGES),
        states=(
            State("good", "active"),
            State("waiting", "pending"),
            State("warning", "disconnected"),
            State("", "suspended"),
            State("bad", "failing"),
        ),
        steps=(
            Step("Create an endpoint", "", "#", is_done=True),
            Step("Create a key", "It is shown once.", "#", is_done=False),
        ),
        snippets=snippets_for(task="generate", base_url="https://example.com/v1", model="a-model"),
        chart=_chart(),
        form=NewKeyForm(prefix="fine"),
        faulty_form=_faulty(),
    )


def _faulty() -> NewKeyForm:
    form = NewKeyForm({}, prefix="faulty")
    form.is_valid()
    return form


def _chart() -> charts.Chart:
    steps = charts.steps_of(charts.DEFAULT, clock.now())
    wave = {step: 20 + (at * 7) % 23 for at, step in enumerate(steps)}
    before = {step: wave[step] // 2 + 4 for step in steps}

    return charts.chart_of(
        "style-chart",
        "An example",
        steps,
        (charts.Line("Now", "main", wave), charts.Line("Before", "previous", before)),
    )
