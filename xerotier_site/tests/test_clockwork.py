"""What grows has an end: the clock runs every task that forgets."""

from __future__ import annotations

import pytest

from accounts import tasks as accounts
from projects import tasks as projects
from xerotier_site.celery import app

FORGETTING = {
    "accounts.forget_old",
    "projects.forget_invitations",
    "common.forget_answers",
    "routing.sweep",
}


def test_every_task_that_forgets_is_run_by_the_clock() -> None:
    assert {one["task"] for one in app.conf.beat_schedule.values()} >= FORGETTING


@pytest.mark.django_db
def test_there_may_be_nothing_to_forget() -> None:
    accounts.forget_old()
    projects.forget_invitations()
