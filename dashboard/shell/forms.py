"""What becomes of a form that a service refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms

if TYPE_CHECKING:
    from common.problems import Problem

HTTP_UNPROCESSABLE = 422
"""How a form is shown again that was not taken (RFC 9110 §15.5.21)."""


def attach(form: forms.Form, problem: Problem) -> None:
    """Show a service's refusal beside the field it speaks of, or above the form."""
    # ``allow.3`` is the fourth of the field ``allow``.
    param = (problem.param or "").partition(".")[0]
    form.add_error(param if param in form.fields else None, problem.message)
