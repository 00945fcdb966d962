"""Pages about oneself, all under ``/auth/``. Every view but two is allauth's.

allauth's own addresses stay, but for signing up and in, which have ours.
"""

from __future__ import annotations

from allauth.account import views
from django.db import transaction
from django.urls import include, path
from django.views.generic import RedirectView

from accounts import pages

_to_login = RedirectView.as_view(pattern_name="account_login", query_string=True)
_to_register = RedirectView.as_view(pattern_name="account_signup", query_string=True)
# Without a letter nobody is registered: the next try finds everything as the first did.
_signup = transaction.atomic(views.signup)
_signup_by_passkey = transaction.atomic(views.signup_by_passkey)

urlpatterns = [
    path("login/", _to_login),
    path("signup/", _to_register),
    path("register/", _to_register),
    path("name/", pages.own_name, name="account_name"),
    path("sessions/<int:session_id>/end/", pages.end_session, name="end-session"),
    path("", include("allauth.urls")),
    # Last, because of two patterns with one name the later is the one that links lead to.
    path("login", views.login, name="account_login"),
    path("register", _signup, name="account_signup"),
    path("register/passkey", _signup_by_passkey, name="account_signup_by_passkey"),
]
