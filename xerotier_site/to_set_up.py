"""What an operator does once: the list at the top of the console until all of it is done."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from accounts import selectors as accounts
from accounts.models import User
from agents.models import Agent, AgentState, Worker, WorkerState
from xerotier_site import mail

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to set up: why, where, and whether it is done."""

    title: str
    text: str
    link: str
    is_done: bool


def tasks(operator: User) -> tuple[Task, ...]:
    """Return everything there is to set up; none once all of it is done."""
    listed = (
        Task(
            "Add a second factor",
            "A password alone should not open the console.",
            reverse("mfa_index"),
            accounts.has_second_factor(operator),
        ),
        Task(
            "Send mail",
            "Codes, resets and invitations reach nobody until XEROTIER_SMTP_URL is set.",
            "/docs/settings/",
            mail.is_sent(),
        ),
        Task(
            "Give it its public address",
            "XEROTIER_URL stands in every link and example; passkeys need https there.",
            "/docs/settings/",
            not _is_here(settings.PUBLIC_URL),
        ),
        Task(
            "Add a machine of your own",
            "What runs beside the platform is a demonstration. Let a machine join, or add a worker "
            "by its URL.",
            reverse("admin:agents_worker_add"),
            any(not _is_here(worker.url) for worker in _by_url()) or _has_others(),
        ),
        Task(
            "Invite a colleague",
            "A second operator gets in on the day you don’t.",
            reverse("admin:accounts_user_changelist"),
            User.objects.filter(is_staff=True, is_active=True).count() > 1,
        ),
    )
    return () if all(task.is_done for task in listed) else listed


def _by_url() -> Iterable[Worker]:
    return Worker.objects.filter(state=WorkerState.ACTIVE, agent=None)


def _has_others() -> bool:
    """Say whether a machine joined that is not this one."""
    living = Agent.objects.exclude(state=AgentState.RETIRED)
    return living.exclude(facts__hostname=socket.gethostname()).exists()


def _is_here(url: str) -> bool:
    return (urlsplit(url).hostname or "") in HERE
