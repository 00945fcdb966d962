"""Who sees which machine, whatever a query forgot to ask for."""

from __future__ import annotations

import pytest
from django.db import DatabaseError

from agents.models import Backend, Worker
from common import tenancy
from projects.models import Project
from tests.make import make_backend, make_worker

pytestmark = pytest.mark.django_db


def test_machines_of_the_platform_are_everyones_and_those_of_a_project_its_own(
    acme: Project, rival: Project
) -> None:
    shared, own, foreign = [make_worker(project=whose) for whose in (None, acme, rival)]

    with tenancy.within(acme.pk, acme.public_id):
        assert {worker.pk for worker in Worker.objects.all()} == {shared.pk, own.pk}
    with tenancy.confined():
        assert {worker.pk for worker in Worker.objects.all()} == {shared.pk}
    with tenancy.within(acme.pk, acme.public_id), pytest.raises(DatabaseError):
        Worker.objects.filter(pk=own.pk).update(project=None)
    assert Worker.objects.get(pk=foreign.pk).project == rival


def test_backend_is_seen_changed_and_made_by_its_own_project_alone(
    acme: Project, rival: Project
) -> None:
    own, foreign = make_backend(acme), make_backend(rival)

    with tenancy.within(acme.pk, acme.public_id):
        assert {backend.pk for backend in Backend.objects.all()} == {own.pk}
        assert Backend.objects.filter(pk=foreign.pk).update(credential="") == 0
        assert not Worker.objects.filter(backend=foreign.pk).exists()
    with tenancy.confined():
        assert not Backend.objects.exists()
    with tenancy.within(acme.pk, acme.public_id), pytest.raises(DatabaseError):
        Backend.objects.filter(pk=own.pk).update(project=rival)
