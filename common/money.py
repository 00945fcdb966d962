"""Money in words: one currency a platform, integer micro-units inside, no floats anywhere."""

from __future__ import annotations

from django.conf import settings

from common.currencies import exponent_of

UNIT = 1_000_000
"""Micro-units in one unit of the currency."""
PLACES = 6
_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩", "BRL": "R$"}


def sign_of(code: str) -> str:
    """Return how people write a currency: its sign, else its three letters."""
    return _SIGNS.get(code, code)


def micro_of(minor: int, code: str) -> int:
    """Return micro-units of an amount in a currency's smallest unit (cents, yen)."""
    return int(minor * 10 ** (PLACES - exponent_of(code)))


def figure(micro: int, *, places: int = 2) -> str:
    """Return an amount without its currency: ``12.64``, ``-0.50``; small ones keep more places."""
    sign, micro = ("-", -micro) if micro < 0 else ("", micro)
    whole, rest = divmod(micro, UNIT)
    digits = f"{rest:06d}"
    shown = max(places, len(digits.rstrip("0")))
    return f"{sign}{whole:,}.{digits[:shown]}"


def money(micro: int) -> str:
    """Return an amount with its currency, exactly: ``$12.64``, ``−$0.50``, ``12.64 CHF``."""
    return _dressed(figure(abs(micro)), is_debt=micro < 0)


def rounded(micro: int, places: int) -> str:
    """Return an amount with its currency and so many places, rounded half up."""
    step = 10 ** (PLACES - places)
    whole = (abs(micro) + step // 2) // step * step
    digits = f"{whole % UNIT:06d}"[:places]
    return _dressed(f"{whole // UNIT:,}.{digits}", is_debt=micro < 0)


def _dressed(text: str, *, is_debt: bool) -> str:
    code: str = settings.CURRENCY
    sign = "−" if is_debt else ""
    return f"{sign}{_SIGNS[code]}{text}" if code in _SIGNS else f"{sign}{text} {code}"
