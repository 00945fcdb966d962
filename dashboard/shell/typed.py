"""Numbers as people type them: ``1,000``, ``$50``, ``1.234,50``."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.conf import settings

from common.money import sign_of

_GROUPED = re.compile(r"\d{1,3}(?:([,.' \u00a0\u202f_])\d{3})(?:\1\d{3})*")
_CENTS = re.compile(r"(?P<whole>.*)[.,](?P<rest>\d{1,6})")
_LIKE_A_GROUP = 3


def whole(text: str) -> str:
    """Return a whole number without what groups its digits; anything else as it is."""
    plain = text.strip()
    return re.sub(r"\D", "", plain) if _GROUPED.fullmatch(plain) else plain


def amount(text: str) -> str:
    """Return an amount of money as a number: without our currency, a point before the cents.

    Where a comma and a point both stand, the last of them is the decimal one; a lone comma
    before exactly three digits groups them, as in ``1,000``.
    """
    code: str = settings.CURRENCY
    mark = f"(?:{re.escape(sign_of(code))}|{code})"
    plain = re.sub(rf"^{mark}\s*|\s*{mark}$", "", text.strip(), flags=re.IGNORECASE)
    found = _CENTS.fullmatch(plain)
    if found is None or _is_grouped(plain, found["rest"]):
        return whole(plain)
    return f"{whole(found['whole'])}.{found['rest']}"


def _is_grouped(plain: str, rest: str) -> bool:
    marks = re.findall(r"[.,]", plain)
    return len(rest) == _LIKE_A_GROUP and set(marks) == {","}


class WholeField(forms.IntegerField):
    """A whole number, in groups or not."""

    def to_python(self, value: Any) -> int | None:
        """Read it."""
        return super().to_python(whole(value) if isinstance(value, str) else value)


class AmountField(forms.DecimalField):
    """An amount of the currency, with or without its sign."""

    def to_python(self, value: Any) -> Any:
        """Read it."""
        return super().to_python(amount(value) if isinstance(value, str) else value)
