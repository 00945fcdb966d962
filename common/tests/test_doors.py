"""Which addresses stand behind the tenants' wall, and what a failure takes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from common import clock, middleware, tenancy
from common.batches import delete_all
from common.middleware import AFTERWARDS, tenant_wall
from common.models import IdempotentAnswer, OutboxEntry
from common.rest.idempotency import forget_old_answers
from common.tenancy import NOBODY, ROLE
from tests.make import make_key, make_project

Step = Callable[[HttpRequest], HttpResponse]


@pytest.fixture
def stood(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note which wall a request stood behind, without a database."""
    noted: list[str] = []

    def wall(name: str) -> Callable[[], Any]:
        @contextmanager
        def standing() -> Iterator[None]:
            noted.append(name)
            yield

        return standing

    for name in ("confined", "system"):
        monkeypatch.setattr(tenancy, name, wall(name))
    return noted


def ok(_request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@pytest.mark.parametrize(
    ("path", "behind"),
    [
        ("/proj_a/v1/management/keys", ["confined"]),
        ("/dashboard/proj_a/", ["confined"]),
        ("/proj_/x", ["confined"]),
        ("/proj_a", []),
        ("/dashboard/", []),
        ("/dashboard/new/", []),
        ("/x/proj_a/", []),
        ("/admin/", ["system"]),
        ("/admin/projects/", ["system"]),
        ("/v1/operator/tiers", ["system"]),
        ("/administrator/", []),
        ("/v1/operators/", []),
        ("/", []),
    ],
)
def test_address_of_a_project_is_confined_and_an_operators_is_not(
    stood: list[str], path: str, behind: list[str]
) -> None:
    tenant_wall(ok)(RequestFactory().get(path))

    assert stood == behind


@pytest.mark.parametrize(
    ("bearer", "behind"),
    [
        ("Bearer nonsense", []),
        ("bearer xero_acme_x", []),
        ("Bearer ", []),
        ("Basic xero", ["confined"]),
        ("", ["confined"]),
    ],
)
def test_bearer_that_is_no_key_costs_no_transaction(
    stood: list[str], bearer: str, behind: list[str]
) -> None:
    headers = {"Authorization": bearer} if bearer else {}

    tenant_wall(ok)(RequestFactory().get("/proj_a/v1/x", headers=headers))

    assert stood == behind


@pytest.mark.django_db
def test_bearer_that_may_be_a_key_is_looked_up_behind_the_wall() -> None:
    secret = make_key(make_project()).secret

    assert not middleware._is_hopeless(
        RequestFactory().get("/", headers={"Authorization": f"Bearer {secret}"})
    )


def note(status: int, *, refused: bool = False) -> Step:
    def step(_request: HttpRequest) -> HttpResponse:
        OutboxEntry.objects.create(topic="t", subject_id="door")
        response = HttpResponse(status=status)
        if refused:
            response.exception = True  # type: ignore[attr-defined] # why: as the API marks it
        return response

    return step


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("status", "refused", "stays"),
    [(200, False, True), (404, False, True), (500, False, False), (409, True, False)],
)
def test_error_undoes_what_was_done_before_it(status: int, *, refused: bool, stays: bool) -> None:
    acts: list[str] = []
    request = RequestFactory().get("/admin/")
    request.META[AFTERWARDS] = [lambda: acts.append("afterwards")]

    answer = tenant_wall(note(status, refused=refused))(request)

    assert answer.status_code == status
    assert OutboxEntry.objects.filter(subject_id="door").exists() is stays
    assert acts == ["afterwards"]


def standing() -> tuple[str, str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('role'), COALESCE(current_setting('app.project_id', true), ''),"
            " COALESCE(current_setting('app.project', true), '')"
        )
        role, key, project = cursor.fetchone() or ("", "", "")
    return role, key, project


@pytest.mark.django_db
def test_walls_may_stand_in_each_other_and_each_gives_back_what_was() -> None:
    seen = []
    with tenancy.within(7, "proj_a"):
        seen.append(standing())
        with tenancy.system():
            seen.append(standing())
            with tenancy.within(8, "proj_b"):
                seen.append(standing())
        seen.append(standing())
        with tenancy.confined():
            tenancy.enter(9, "proj_c")
            seen.append(standing())
        seen.append(standing())

    assert seen == [
        (ROLE, "7", "proj_a"),
        (NOBODY, "", ""),
        (ROLE, "8", "proj_b"),
        (ROLE, "7", "proj_a"),
        (ROLE, "9", "proj_c"),
        (ROLE, "7", "proj_a"),
    ]
    assert standing()[0] != ROLE


@pytest.mark.django_db
def test_failure_inside_a_wall_leaves_nobody_behind_it() -> None:
    with tenancy.within(7, "proj_a"):
        with pytest.raises(ZeroDivisionError), tenancy.system():
            raise ZeroDivisionError
        assert standing() == (ROLE, "7", "proj_a")


@pytest.mark.django_db
def test_log_of_another_project_is_shown_and_the_one_before_is_said() -> None:
    with tenancy.within(7, "proj_a"):
        assert tenancy.see_log_of("proj_b") == "proj_a"
        assert tenancy.see_log_of("proj_a") == "proj_b"
        assert standing() == (ROLE, "7", "proj_a")


@pytest.mark.django_db
@pytest.mark.parametrize(("count", "size"), [(0, 2), (1, 2), (2, 2), (5, 2), (3, 1000)])
def test_everything_is_deleted_a_handful_at_a_time_and_nothing_else(count: int, size: int) -> None:
    for topic, times in (("old", count), ("new", 2)):
        for number in range(times):
            OutboxEntry.objects.create(topic=topic, subject_id=str(number))

    assert delete_all(OutboxEntry.objects.filter(topic="old"), size=size) == count

    assert not OutboxEntry.objects.filter(topic="old").exists()
    assert OutboxEntry.objects.filter(topic="new").count() == 2


@pytest.mark.django_db
def test_answers_are_kept_for_a_day_and_forgotten_then() -> None:
    now = clock.now()
    for name, age in (("fresh", 23), ("old", 25)):
        IdempotentAnswer.objects.create(
            name=name, body_digest="x", status=201, made_at=now - timedelta(hours=age)
        )

    assert forget_old_answers() == 1
    assert [row.name for row in IdempotentAnswer.objects.all()] == ["fresh"]


@pytest.mark.django_db
def test_wall_ends_with_its_transaction() -> None:
    with transaction.atomic():
        with tenancy.within(7, "proj_a"):
            pass
        assert standing()[0] != ROLE
