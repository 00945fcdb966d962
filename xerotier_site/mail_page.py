"""The console's button that shows whether mail arrives."""

from __future__ import annotations

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from common.admin import operator
from xerotier_site import mail


@admin.site.admin_view
@require_http_methods(["GET", "HEAD", "POST"])
def send_test_mail(request: HttpRequest) -> HttpResponse:
    """Send the operator a letter, and say on the next page what became of it."""
    if request.method != "POST":
        return redirect("admin:index")
    address = operator(request).name
    try:
        mail.send_test(address)
    except mail.NotSent as fault:
        messages.error(request, f"The test mail was not sent. {fault}")
    else:
        messages.success(request, f"{mail.place()} took a letter for {address}.")
    return redirect("admin:index")
