"""The console's question before workers are retired: which endpoints lose their last one."""

from __future__ import annotations

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from agents import selectors, services
from common.admin import operator
from common.problems import Problem
from endpoints.selectors import left_without

SHOWN = 50
LIST = "admin:agents_worker_changelist"


@admin.site.admin_view
@require_http_methods(["GET", "POST"])
def retire_workers(request: HttpRequest) -> HttpResponse:
    """Say what retiring the chosen workers would end, and do it once that was seen."""
    workers = list(selectors.workers_with(request.GET.getlist("id")))
    if not workers:
        messages.error(request, "None of these workers is there any more.")
        return redirect(LIST)
    losing = left_without(workers)
    is_seen = request.POST.get("seen") == "on" or not losing
    if request.method == "POST" and is_seen:
        for worker in workers:
            try:
                services.retire_worker(worker=worker, by=operator(request))
            except Problem as problem:
                messages.error(request, f"{worker.name}: {problem.message}")
        return redirect(LIST)
    said = {
        "title": "Retire for good",
        "workers": workers,
        "losing": losing[:SHOWN],
        "further": max(0, len(losing) - SHOWN),
        "was_asked": request.method == "POST",
    }
    context = {**admin.site.each_context(request), **said}
    return render(request, "admin/retire_workers.html", context)
