"""What every page around a project is told: plain frozen values, no rows, no queries left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

from django.urls import reverse

from common import clock
from projects import selectors
from projects.errors import RoleInsufficient
from projects.rules import Role

if TYPE_CHECKING:
    from accounts.models import User
    from projects.access import Seat
    from projects.models import Project


@dataclass(frozen=True, slots=True)
class ProjectTag:
    """A project as the switcher shows it."""

    public_id: str
    name: str
    slug: str
    url: str


@dataclass(frozen=True, slots=True)
class NavItem:
    """One entry of the bar on the left."""

    label: str
    icon: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever is signed in, as the menu at the foot of the bar shows them."""

    email: str
    label: str
    is_operator: bool

    @property
    def initial(self) -> str:
        """Return the letter that stands for them."""
        return self.label[:1].upper()


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why the operator has shut a project, and until when; for good if there is no end."""

    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Shell:
    """The frame around a project's page."""

    project: ProjectTag
    projects: tuple[ProjectTag, ...]
    items: tuple[NavItem, ...]
    more_items: tuple[NavItem, ...]
    person: Person
    may_write: bool
    delete_after: datetime | None
    may_restore: bool
    suspension: Suspension | None


@dataclass(frozen=True, slots=True)
class Crumb:
    """A step on the way to a page."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Chip:
    """A choice that lives in the URL: a filter, a range of time, a tab."""

    label: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class State:
    """A dot and its word."""

    tone: str
    word: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a select."""

    value: str
    label: str
    is_chosen: bool


_ITEMS = (
    ("Overview", "overview"),
    ("Endpoints", "endpoints"),
    ("Usage", "usage"),
    ("Keys", "keys"),
    ("Machines", "machines"),
    ("Models", "models"),
)
_TABS = (
    ("General", "settings", Role.VIEWER),
    ("Members", "members", Role.VIEWER),
    ("Billing", "billing", Role.VIEWER),
    ("Audit log", "audit", Role.ADMIN),
)


def shell_for(seat: Seat, current: str) -> Shell:
    """Gather the frame of one page; ``current`` is the name of its entry in the bar."""
    user = cast("User", seat.user)  # pages are for people; keys have the API
    project = seat.project
    return Shell(
        project=_tag(project),
        projects=tuple(_tag(held.project) for held in selectors.seats_of(user)),
        items=tuple(
            NavItem(
                label, name, reverse(f"project:{name}", args=[project.public_id]), name == current
            )
            for label, name in _ITEMS
        ),
        more_items=(
            NavItem(
                "Settings",
                "settings",
                reverse("project:settings", args=[project.public_id]),
                current == "settings",
            ),
            NavItem("Docs", "docs", reverse("docs"), current == "docs"),
        ),
        person=Person(user.email, user.name or user.email, is_operator=user.is_staff),
        may_write=may(seat, Role.MEMBER),
        delete_after=project.delete_after,
        may_restore=seat.may(Role.OWNER),
        suspension=_suspension(project),
    )


def may(seat: Seat, floor: Role) -> bool:
    """Say whether to offer what needs a role: nothing is changed in a project that is shut."""
    is_shut = seat.project.delete_after is not None or _suspension(seat.project) is not None
    return seat.may(floor) and not is_shut


def may_change(seat: Seat, creator_id: int | None) -> bool:
    """Say whether a seat may change a thing: members their own, admins and owners all."""
    try:
        seat.check_own(creator_id)
    except RoleInsufficient:
        return False
    return may(seat, Role.MEMBER)


def tabs_of_settings(seat: Seat, current: str) -> tuple[Chip, ...]:
    """Return the parts of a project's settings that this seat may look at."""
    return tuple(
        Chip(label, reverse(f"project:{name}", args=[seat.project.public_id]), name == current)
        for label, name, floor in _TABS
        if seat.may(floor)
    )


def tabs_of_machines(seat: Seat, current: str) -> tuple[Chip, ...]:
    """Return what serves a project of its own: machines that dial out, and servers by URL."""
    return tuple(
        Chip(label, reverse(f"project:{name}", args=[seat.project.public_id]), name == current)
        for label, name in (("Machines", "machines"), ("Backends by URL", "backends"))
    )


def crumbs_to(seat: Seat, *steps: tuple[str, str]) -> tuple[Crumb, ...]:
    """Return the way to a page: the project, then ``(label, url)`` of each step between."""
    home = Crumb(seat.project.name, reverse("project:overview", args=[seat.project.public_id]))
    return (home, *(Crumb(label, url) for label, url in steps))


def _suspension(project: Project) -> Suspension | None:
    if not project.is_suspended(clock.now()):
        return None
    return Suspension(project.suspension_reason, project.suspended_until)


def _tag(project: Project) -> ProjectTag:
    return ProjectTag(
        project.public_id,
        project.name,
        project.slug,
        reverse("project:overview", args=[project.public_id]),
    )
