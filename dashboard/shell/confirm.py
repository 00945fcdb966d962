"""The question before something that can't be undone: a page, or a dialog over one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.http import HttpRequest, HttpResponse

from dashboard.shell.contexts import Crumb, Shell
from dashboard.shell.door import is_part, show
from dashboard.shell.forms import HTTP_UNPROCESSABLE


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What will happen, what stays, and the word to type if one is asked for.

    ``typed`` is what stands in its field already. ``choice`` is what a box says that may be
    ticked (the field ``keep``), and ``chosen`` whether it is.
    """

    shell: Shell
    crumbs: tuple[Crumb, ...]
    title: str
    will: str
    stays: str
    button: str
    action: str
    cancel_url: str
    word: str = ""
    typed: str = ""
    fault: str = ""
    choice: str = ""
    chosen: bool = False


def confirm(request: HttpRequest, question: Confirmation) -> HttpResponse:
    """Ask; inside a dialog without the frame around it. A wrong word is said beside the field."""
    if request.method == "POST":
        mistyped = replace(question, fault=f"Type {question.word} exactly.")
        return show(request, "dashboard/shell/confirm.html", mistyped, status=HTTP_UNPROCESSABLE)
    template = (
        "dashboard/shell/confirm_dialog.html"
        if is_part(request)
        else "dashboard/shell/confirm.html"
    )
    return show(request, template, question)
