"""What a deleted project takes with it, and what stays: its keys stop, its usage does not."""

from __future__ import annotations

import pytest
import redis

from apikeys.models import KeySecret
from common import clock
from inference.contracts.entries import Grant, dump, load
from inference.contracts.names import grant_key
from projects import services
from projects.models import Project
from tests.make import make_event, make_key, make_project
from usage.intake import Arrived, take_in
from usage.models import UsageRecord


def test_usage_outlives_its_project(acme: Project) -> None:
    take_in([Arrived("s", "1-0", dump(make_event(acme)))])
    services.mark_for_deletion(project=acme, slug="acme")
    Project.objects.filter(pk=acme.pk).update(delete_after=clock.now())

    assert services.purge_due() == 1

    assert UsageRecord.objects.filter(project=acme).count() == 1


@pytest.mark.django_db(transaction=True)
def test_keys_of_a_marked_project_stop_and_work_again_when_it_is_restored(
    valkey: redis.Redis,
) -> None:
    project, other = make_project("acme"), make_project("rival")
    digests = [KeySecret.objects.get(key=make_key(owner).key).digest for owner in (project, other)]

    def gone() -> list[bool]:
        return [load(Grant, str(valkey.get(grant_key(digest)))).gone for digest in digests]

    services.mark_for_deletion(project=project, slug="acme")
    assert gone() == [True, False]

    services.restore_project(project=project)
    assert gone() == [False, False]
