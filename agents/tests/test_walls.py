"""Who sees which machine, whatever a query forgot to ask for."""

from __future__ import annotations

import pytest
from django.db import DatabaseError

from agents.models import Worker
from common import tenancy
from projects.models import Project
from tests.make import make_worker

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
