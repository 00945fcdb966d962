"""Celery, and the one schedule of everything that happens by the clock."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerotier_site.settings")  # noqa: TID251 - as manage.py does

app = Celery("xerotier")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 3600},
    timezone="UTC",
    beat_schedule={
        # Every task is idempotent and locks its rows, so two beats do no harm.
        "carry what was not carried at once": {
            "task": "publisher.carry_unsent",
            "schedule": 1.0,
            "options": {"expires": 5},
        },
        "hold the links of agents against their rows": {
            "task": "agents.reconcile",
            "schedule": 1.0,
            "options": {"expires": 2},
        },
        "read what decisions gateways told of": {
            "task": "publisher.read_decisions",
            "schedule": 2.0,
            "options": {"expires": 4},
        },
        "sweep decisions that had their time": {
            "task": "routing.sweep",
            "schedule": 60.0,
            "options": {"expires": 60},
        },
        "compare the data plane with the truth": {
            "task": "publisher.reconcile",
            "schedule": 600.0,
            "options": {"expires": 600},
        },
        "tell of budgets": {
            "task": "usage.notify_thresholds",
            "schedule": 60.0,
            "options": {"expires": 60},
        },
        "drop old fine sums": {
            "task": "usage.forget_old",
            "schedule": 24 * 3600.0,
            "options": {"expires": 3600},
        },
        "make next month's usage partition": {
            "task": "usage.ensure_partitions",
            "schedule": 6 * 3600.0,
            "options": {"expires": 3600},
        },
        "end projects whose days of grace are over": {
            "task": "projects.purge_due",
            "schedule": 3600.0,
            "options": {"expires": 3600},
        },
        "lift suspensions whose end has come": {
            "task": "projects.lift_due",
            "schedule": 5.0,
            "options": {"expires": 5},
        },
        "end overrides of limits whose moment has come": {
            "task": "endpoints.end_due",
            "schedule": 15.0,
            "options": {"expires": 15},
        },
        "chain the heads of the audit log": {
            "task": "audit.anchor_heads",
            "schedule": 60.0,
            "options": {"expires": 60},
        },
        "say whose free allowance is where": {
            "task": "endpoints.settle_allowances",
            "schedule": 60.0,
            "options": {"expires": 60},
        },
        "bill the hours of projects' own machines": {
            "task": "ledger.bill_agent_hours",
            "schedule": 300.0,
            "options": {"expires": 300},
        },
        "change the key that signs passes": {
            "task": "apikeys.rotate_signing_key",
            "schedule": 3600.0,
            "options": {"expires": 3600},
        },
        "forget notes that arrived a week ago": {
            "task": "common.forget_notes",
            "schedule": 3600.0,
            "options": {"expires": 3600},
        },
        "forget sessions that are over and accounts nobody proved": {
            "task": "accounts.forget_old",
            "schedule": 3600.0,
            "options": {"expires": 3600},
        },
        "forget invitations of long ago": {
            "task": "projects.forget_invitations",
            "schedule": 24 * 3600.0,
            "options": {"expires": 3600},
        },
        "forget answers to POSTs after their day": {
            "task": "common.forget_answers",
            "schedule": 3600.0,
            "options": {"expires": 3600},
        },
    },
)


@worker_init.connect
@beat_init.connect
def _refuse_insecure(**_said: Any) -> None:
    # Imported late: it reads the settings that this module only names.
    from xerotier_site import checks  # noqa: PLC0415

    checks.refuse_insecure()
