"""The pages about oneself that allauth lacks: one's name, and the end of a single session."""

from __future__ import annotations

from typing import cast

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts import selectors, services
from accounts.forms import NameForm
from accounts.models import User
from common.names import NameMalformed

HTTP_UNPROCESSABLE = 422


@login_required
@require_http_methods(["GET", "POST"])
def own_name(request: HttpRequest) -> HttpResponse:
    """Show what one is called, and take another name."""
    user = cast("User", request.user)
    sent = request.POST if request.method == "POST" else None
    form = NameForm(sent, initial={"name": user.name})
    # A form without the field is no wish for no name.
    if form.is_valid() and "name" in request.POST:
        try:
            services.rename(
                user=user, name=form.cleaned_data["name"], by=selectors.actor_of(user, request)
            )
        except NameMalformed as problem:
            form.add_error("name", problem.message)
        else:
            messages.success(request, "Your name is saved.")
            return redirect("account_name")
    status = 200 if sent is None else HTTP_UNPROCESSABLE
    return render(request, "account/name.html", {"form": form}, status=status)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    """End one of one's own sessions; somebody else's answers as a missing one does.

    Whoever only looks at this address is led to the list.
    """
    if request.method != "POST":
        return redirect("usersessions_list")
    session = get_object_or_404(UserSession, pk=session_id, user=request.user)
    session.end()
    messages.success(request, "That session has ended.")
    return redirect("usersessions_list")
