"""Why a request went to its machine: a bar in milliseconds for each candidate, lower is better."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from dashboard.shell.contexts import Crumb, Shell, crumbs_to, shell_for
from dashboard.shell.door import project_page, show
from dashboard.usage.why_words import PARTS, REASONS, VERDICTS, sentence_of, target_of
from routing import selectors
from routing.errors import DecisionUnknown
from routing.explained import Explained, Seen, decision_id_of

if TYPE_CHECKING:
    from projects.access import Seat

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a bar: where it begins and how wide it is, in hundredths of the longest."""

    part: str
    label: str
    ms: float
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A candidate that could be chosen."""

    name: str
    is_own: bool
    is_chosen: bool
    cost_ms: float
    chance: int
    ttft_ms: float
    load: int
    hit_tokens: int | None
    verdict: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A candidate that could not be chosen, or several beyond the list, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One choice. ``number`` counts from 1."""

    number: int
    sentence: str
    target: str
    at: datetime
    policy: str
    bars: tuple[Bar, ...]
    left_out: tuple[LeftOut, ...]
    predicted_ms: float
    p90_ms: float
    actual_ms: float | None
    target_ms: float | None
    cached: int | None
    expected: int | None
    tokens: int
    is_same_formula: bool


@dataclass(frozen=True, slots=True)
class WhyPage:
    """The attempts of one request."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    decision_id: str
    parts: dict[str, str]
    attempts: tuple[Attempt, ...]


@require_GET
@project_page()
def why(request: HttpRequest, seat: Seat, request_id: str) -> HttpResponse:
    """Explain the decision of a request, each attempt with what was weighed and what came."""
    project = seat.project
    found = selectors.explained_of(project=project, decision_id=request_id)
    if not found:
        raise DecisionUnknown("This project has no such decision, or it is no longer kept.")
    request_id = found[0].request_id
    usage = reverse("project:usage", args=[project.public_id])
    of_request = reverse("project:request", args=[project.public_id, request_id])
    page = WhyPage(
        shell=shell_for(seat, "usage"),
        crumbs=crumbs_to(seat, ("Usage", usage), ("Request", of_request)),
        decision_id=decision_id_of(request_id),
        parts=PARTS,
        attempts=tuple(_attempt(one) for one in found),
    )
    return show(request, "dashboard/usage/why.html", page)


def _attempt(one: Explained) -> Attempt:
    could = [seen for seen in one.candidates if seen.reason == "eligible" or seen.is_chosen]
    longest = max(seen.cost_ms for seen in could) or 1
    chosen = one.chosen
    return Attempt(
        number=one.attempt + 1,
        sentence=sentence_of(one),
        target=target_of(one),
        at=one.at,
        policy=f"{one.policy} {one.policy_version}",
        bars=tuple(_bar(seen, longest) for seen in could),
        left_out=(*_left_out(one),),
        predicted_ms=chosen.ttft_ms,
        p90_ms=chosen.p90_ms,
        actual_ms=one.actual_ms,
        target_ms=one.target_ttft_ms,
        cached=one.cached,
        expected=chosen.hit_tokens,
        tokens=one.tokens,
        is_same_formula=one.is_same_formula,
    )


def _bar(seen: Seen, longest: float) -> Bar:
    pieces, x = [], 0.0
    for term in seen.terms:
        width = max(term.ms, 0) * _WIDTH / longest
        pieces.append(Piece(term.name, PARTS[term.name], term.ms, f"{x:.2f}", f"{width:.2f}"))
        x += width
    return Bar(
        name=seen.name,
        is_own=seen.is_own,
        is_chosen=seen.is_chosen,
        cost_ms=seen.cost_ms,
        chance=seen.chance,
        ttft_ms=seen.ttft_ms,
        load=seen.load,
        hit_tokens=seen.hit_tokens,
        verdict=VERDICTS[seen.verdict],
        pieces=tuple(pieces),
    )


def _left_out(one: Explained) -> list[LeftOut]:
    named = [
        LeftOut(seen.name, REASONS[seen.reason])
        for seen in one.candidates
        if seen.reason in REASONS and not seen.is_chosen
    ]
    beyond = [
        LeftOut(f"{count} more", REASONS.get(reason, "Dearer than those above."))
        for reason, count in one.beyond.items()
    ]
    return named + beyond
