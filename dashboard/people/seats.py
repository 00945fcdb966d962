"""What happens to one seat: another role, its end, and the hand-over of a whole project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from apikeys import selectors as keys
from common.problems import Problem
from dashboard.people.forms import HeirForm, RoleForm
from dashboard.people.members import crumbs_to_members
from dashboard.shell import reauthentication
from dashboard.shell.confirm import Confirmation, confirm
from dashboard.shell.contexts import Crumb, Shell, crumbs_to, shell_for
from dashboard.shell.door import project_page, show
from dashboard.shell.forms import HTTP_UNPROCESSABLE, attach
from projects import members, rules, selectors
from projects.errors import MemberUnknown
from projects.rules import Role

if TYPE_CHECKING:
    from accounts.models import User
    from projects.access import Seat
    from projects.models import Membership

KEYS_NAMED = 5


@dataclass(frozen=True, slots=True)
class SeatForm:
    """A form about a seat, what it brings about, and the way back."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    title: str
    purpose: str
    form: forms.Form
    button: str
    cancel_url: str
    names_url: str = ""


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.ADMIN)
def change_role(request: HttpRequest, seat: Seat, member_id: str) -> HttpResponse:
    """Choose another role for a member; nobody hands out more than they have."""
    held = _member(seat, member_id)
    roles = [role for role in Role.values if rules.may_hand_out(seat.role, role)]
    form = RoleForm(reauthentication.typed(request), initial={"role": held.role}, roles=roles)
    if request.method == "POST" and form.is_valid():
        if (way := reauthentication.detour(request)) is not None:
            return way
        try:
            members.change_role(seat=seat, member=held, role=Role(form.cleaned_data["role"]))
        except Problem as problem:
            attach(form, problem)
        else:
            said = form.cleaned_data["role"]
            messages.success(request, f"The role of {held.user.email} is now {said}.")
            return redirect("project:members", seat.project.public_id)
    context = SeatForm(
        shell=shell_for(seat, "settings"),
        crumbs=crumbs_to_members(seat),
        title=f"Role of {held.user.name or held.user.email}",
        purpose="It counts from the next page they open.",
        form=form,
        button="Change role",
        cancel_url=_list_url(seat),
    )
    status = _status(form) if request.method == "POST" else 200
    return show(request, "dashboard/people/seat_form.html", context, status=status)


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.ADMIN)
def remove(request: HttpRequest, seat: Seat, member_id: str) -> HttpResponse:
    """Ask once, then take somebody's seat away."""
    held = _member(seat, member_id)
    if request.method == "GET":
        typed = reauthentication.typed(request)
        return confirm(request, _removal(seat, held, keeps=bool(typed and typed.get("keep"))))
    if (way := reauthentication.detour(request)) is not None:
        return way
    keeps_keys = bool(request.POST.get("keep"))
    members.remove_member(seat=seat, member=held, keeps_keys=keeps_keys)
    messages.success(request, f"{held.user.email} is no member any more.")
    return redirect("project:members", seat.project.public_id)


@require_http_methods(["GET", "POST"])
@project_page()
def leave(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Ask for the slug, then give up one's own seat; the last owner is told why they can't."""
    if request.POST.get("confirmation") != seat.project.slug:
        question = Confirmation(
            shell=shell_for(seat, "settings"),
            crumbs=crumbs_to_members(seat),
            title=f"Leave {seat.project.name}",
            will="You see nothing of this project any more, and need an invitation to return.",
            stays=f"{_keys_made(seat, seat.user)} The endpoints you made stay.",
            choice="Keep my keys working: an owner answers for them from now on.",
            chosen=bool(request.POST.get("keep")),
            button="Leave project",
            action=reverse("project:leave", args=[seat.project.public_id]),
            cancel_url=_list_url(seat),
            word=seat.project.slug,
        )
        return confirm(request, question)
    try:
        members.leave(seat=seat, keeps_keys=bool(request.POST.get("keep")))
    except Problem as problem:
        messages.error(request, problem.message)
        return redirect("project:members", seat.project.public_id)
    messages.success(request, f"You have left {seat.project.name}.")
    return redirect("dashboard")


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.OWNER)
def transfer(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Choose who becomes the owner; whoever gives it away becomes an admin."""
    form = HeirForm(reauthentication.typed(request))
    if request.method == "POST" and form.is_valid() and (heir := _heir(seat, form)) is not None:
        if (way := reauthentication.detour(request)) is not None:
            return way
        members.transfer_ownership(seat=seat, member=heir)
        messages.success(request, f"{heir.user.email} is the owner now, and you are an admin.")
        return redirect("project:members", seat.project.public_id)
    args = [seat.project.public_id]
    context = SeatForm(
        shell=shell_for(seat, "settings"),
        crumbs=crumbs_to(seat, ("Settings", reverse("project:settings", args=args))),
        title="Hand the project over",
        purpose="The new owner decides about money, ownership and deletion. You become an admin, "
        "and only they can make you owner again.",
        form=form,
        button="Hand over",
        cancel_url=reverse("project:settings", args=args),
        names_url=reverse("project:names", args=args),
    )
    status = _status(form) if request.method == "POST" else 200
    return show(request, "dashboard/people/seat_form.html", context, status=status)


def _heir(seat: Seat, form: HeirForm) -> Membership | None:
    """Return who was named to become the owner; if nobody here, it is said beside the field."""
    said = form.cleaned_data["member"].strip()
    held = selectors.member_named(project=seat.project, said=said)
    if held is None:
        form.add_error("member", f"This project has no member “{said}”.")
    elif seat.user is not None and held.user_id == seat.user.pk:
        form.add_error("member", "This is you: choose somebody else.")
    else:
        return held
    return None


def _removal(seat: Seat, held: Membership, *, keeps: bool) -> Confirmation:
    return Confirmation(
        shell=shell_for(seat, "settings"),
        crumbs=crumbs_to_members(seat),
        title=f"Remove {held.user.email}",
        will="They see nothing of this project any more, from the next page they open.",
        stays=f"{_keys_made(seat, held.user)} The endpoints they made stay.",
        choice="Keep their keys working: I answer for them from now on.",
        chosen=keeps,
        button="Remove member",
        action=reverse("project:remove-member", args=[seat.project.public_id, held.public_id]),
        cancel_url=_list_url(seat),
    )


def _keys_made(seat: Seat, user: User | None) -> str:
    """Say which keys end with somebody's seat."""
    made = keys.live_keys_made_by(user=user, project_pk=seat.project.pk) if user else ()
    names = [f"“{key.name}”" for key in made]
    if not names:
        return "No live key of this project was made by them."
    shown = ", ".join(names[:KEYS_NAMED])
    more = f" and {len(names) - KEYS_NAMED} more" if len(names) > KEYS_NAMED else ""
    return f"The keys made by them are revoked: {shown}{more}."


def _member(seat: Seat, public_id: str) -> Membership:
    held = selectors.member_of(project=seat.project, public_id=public_id)
    if held is None:
        raise MemberUnknown("This project has no such member.")
    return held


def _list_url(seat: Seat) -> str:
    return reverse("project:members", args=[seat.project.public_id])


def _status(form: forms.Form) -> int:
    return HTTP_UNPROCESSABLE if form.is_bound else 200
