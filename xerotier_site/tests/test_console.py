"""The whole console, page by page: it opens, and it tells no secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse

from accounts import services
from accounts.models import User
from accounts.tests.people import SEED, make_person
from accounts.tokens import make_token
from agents.models import Worker
from apikeys.models import KeySecret
from common.actor import SYSTEM
from common.models import OutboxEntry
from inference.contracts.entries import dump
from tests.make import (
    make_agent,
    make_backend,
    make_endpoint,
    make_event,
    make_join_key,
    make_key,
    make_project,
    make_worker,
)
from usage.intake import Arrived, take_in
from usage.models import PoisonEvent
from xerotier_site.admin_site import SIDEBAR

pytestmark = pytest.mark.django_db

SECRET = "a-client-secret-nobody-may-read"
PAGES = sorted(admin.site._registry, key=lambda model: model._meta.label)
BY_LABEL = pytest.mark.parametrize("model", PAGES, ids=lambda model: model._meta.label)


@dataclass
class Platform:
    """A platform with one of everything, and every string that may never be shown."""

    secrets: list[str] = field(default_factory=list)

    def fill(self) -> None:
        """Make one row of everything an operator can look at."""
        ada = make_person("ada")
        ada.set_password("another-long-enough-password")
        ada.save()
        project = make_project("acme", owner=ada)
        make_endpoint(project, "chat")
        issued = make_key(project)
        worker = make_worker("engine")
        backend = make_backend(project, "theirs", credential="backend-secret")
        self.secrets += ["backend-secret", backend.credential]
        self.secrets += [make_join_key(project).secret, make_agent(project).public_key]
        app = SocialApp(provider="openid_connect", provider_id="x", name="X", client_id="c")
        app.settings = {"server_url": "https://x.example"}
        services.save_provider(app=app, secret=SECRET, by=SYSTEM)
        SocialAccount.objects.create(
            user=ada, provider="x", uid="1", extra_data={"access_token": "extra-token"}
        )
        UserSession.objects.create(user=ada, ip="10.0.0.1", session_key="s" * 32)
        PoisonEvent.objects.create(stream="s", entry_id="1", body="{}", reason="torn")
        OutboxEntry.objects.create(topic="apikey", subject_id="1")
        take_in([Arrived("s", "1-1", dump(make_event(project)))])
        boss = User.objects.create_superuser("boss@example.com", "x")
        token, plain = make_token(user=boss, name="ci", lasts=timedelta(days=1))
        sealed = [str(factor.data) for factor in Authenticator.objects.all()]
        self.secrets += [
            issued.secret,
            issued.secret.rsplit("_", 1)[1],
            *KeySecret.objects.values_list("digest", flat=True),
            *User.objects.values_list("password", flat=True),
            *Worker.objects.exclude(credential="").values_list("credential", flat=True),
            "worker-secret",
            worker.credential,
            SECRET,
            app.settings[services.SEALED],
            SEED,
            *re.findall(r"gAAAA[\w=-]+", "".join(sealed)),
            "s" * 32,
            "extra-token",
            plain,
            token.digest,
        ]


@pytest.fixture
def platform(as_operator: Client) -> Platform:
    made = Platform()
    made.fill()
    return made


def page_of(model: type[models.Model], verb: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{verb}", args=args)


def pages(model: type[models.Model], client: Client) -> Iterator[str]:
    """Yield every address of one kind of row: the list, its searches and filters, each row."""
    listed = page_of(model, "changelist")
    yield listed
    yield f"{listed}?q=acme"
    shown = client.get(listed)
    for spec in shown.context["cl"].filter_specs:
        for choice in spec.choices(shown.context["cl"]):
            yield listed + choice.get("query_string", "")
    for row in model._default_manager.all()[:3]:
        yield page_of(model, "change", row.pk)
        yield page_of(model, "history", row.pk)
    if shown.context["has_add_permission"]:
        yield page_of(model, "add")


@BY_LABEL
def test_every_page_opens_and_tells_no_secret(
    as_operator: Client, platform: Platform, model: type[models.Model]
) -> None:
    assert all(platform.secrets)

    for path in pages(model, as_operator):
        answer = as_operator.get(path)
        text = answer.content.decode()
        assert answer.status_code == 200, path
        assert [secret for secret in platform.secrets if secret in text] == [], path


def test_platform_of_these_tests_has_a_row_on_nearly_every_page(platform: Platform) -> None:
    bare = {model._meta.label for model in PAGES if not model._default_manager.exists()}

    # Tasks make the first, and money the others; no secret comes near them.
    assert bare <= {
        "audit.AuditAnchor",
        "ledger.LedgerEntry",
        "ledger.UnmatchedPayment",
        "routing.KeptDecision",
        "usage.Budget",
        "usage.BudgetNotice",
        "usage.RefusalRollup",
        "usage.RefusedCall",
        "usage.UsageRollup",
    }


@BY_LABEL
def test_person_who_is_no_operator_sees_no_page(
    platform: Platform, model: type[models.Model]
) -> None:
    client = Client()
    client.force_login(User.objects.get(email="ada@example.com"))

    assert client.get(page_of(model, "changelist")).status_code == 302


def test_sidebar_leads_to_every_page_there_is() -> None:
    led_to = {str(item["link"]) for group in SIDEBAR for item in group["items"]}

    lists = {page_of(model, "changelist") for model in PAGES}
    assert led_to == lists | {
        reverse("admin:index"),
        reverse("admin:usage_reconcile"),
        reverse("tenants"),
    }


def test_front_page_counts_what_there_is(as_operator: Client, platform: Platform) -> None:
    answer = as_operator.get("/admin/")

    figures = {one.label: one.value for one in answer.context["totals"]}
    assert figures == {
        "People": 3,
        "Projects": 1,
        "Endpoints": 1,
        "API keys": 1,
        "Requests": 1,
        "Failures": 0,
        "Tokens in": 12,
        "Tokens out": 8,
    }
    alarms = {one.label: (one.value, one.is_alarm) for one in answer.context["health"]}
    assert alarms["Unreadable usage events"] == (1, True)
    assert alarms["Workers unavailable"] == (0, False)
    assert sum(hour.requests for hour in answer.context["hours"]) == 1
    names = [worker.name for worker in answer.context["workers"]]
    assert names == ["engine", "theirs/smollm2-135m-instruct"]


def test_note_nobody_carries_raises_the_alarm(as_operator: Client, platform: Platform) -> None:
    note = OutboxEntry.objects.filter(sent_at=None).latest("pk")
    OutboxEntry.objects.exclude(pk=note.pk).delete()

    fresh = as_operator.get("/admin/").context["health"][0]
    note.written_at = note.written_at.replace(year=note.written_at.year - 1)
    note.save()
    late = as_operator.get("/admin/").context["health"][0]

    assert (fresh.value, fresh.is_alarm) == (1, False)
    assert (late.value, late.is_alarm) == (1, True)


def test_console_alone_may_evaluate_expressions(as_operator: Client) -> None:
    console = as_operator.get("/admin/").headers["Content-Security-Policy"]
    elsewhere = as_operator.get("/auth/sessions/").headers["Content-Security-Policy"]

    assert "'unsafe-eval'" in console
    assert "script-src 'self' 'unsafe-eval';" in console + ";"
    assert "unsafe" not in elsewhere
