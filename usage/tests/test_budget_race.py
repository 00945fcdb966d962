"""Two who set the same budget at once: one of them is told that it is there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from projects.models import Project
from usage.budgets import open_budget
from usage.errors import BudgetTaken
from usage.models import Budget


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_budget_stands_and_the_other_is_refused(acme: Project) -> None:
    together = Barrier(2)

    def ask(amount: int) -> int:
        together.wait()
        try:
            open_budget(project=acme, scope="project", subject_id=acme.public_id, amount=amount)
        except BudgetTaken:
            return 0
        finally:
            connection.close()
        return amount

    for _ in range(5):
        Budget.objects.all().delete()
        with ThreadPoolExecutor(2) as both:
            said = sorted(both.map(ask, (100, 200)))

        assert said[0] == 0
        assert Budget.objects.get().amount == said[1]
