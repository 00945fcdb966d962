"""Questions about workers."""

from __future__ import annotations

from django.db.models import QuerySet

from agents.models import Worker, WorkerState


def workers_of_model(model_name: str) -> QuerySet[Worker]:
    """Return every worker that ever served a model, retired ones included, by age."""
    return Worker.objects.filter(model_name=model_name).order_by("id")


def active_workers(model_name: str) -> QuerySet[Worker]:
    """Return the workers that take work for a model, by age."""
    return workers_of_model(model_name).filter(state=WorkerState.ACTIVE)


def worker_by_name(name: str) -> Worker | None:
    """Return a worker by its name."""
    return Worker.objects.filter(name=name).first()


def served_models() -> QuerySet[Worker, str]:
    """Return the names of all models that some worker ever served."""
    return Worker.objects.order_by("model_name").values_list("model_name", flat=True).distinct()


def all_workers() -> QuerySet[Worker]:
    """Return every worker, by name."""
    return Worker.objects.order_by("name")
