"""A tier's numbers as people write and read them, and what new ones would change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any

from django.conf import settings

from catalog.errors import NumberMalformed
from common.money import UNIT, money

GB = 10**9
UNLIMITED = "unlimited"
MOST = 10**15


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a tier: what it is called, in which unit, and whether it may be unlimited."""

    name: str
    label: str
    unit: str = ""
    scale: int = 1
    may_be_unlimited: bool = False
    least: int = 0
    most: int = MOST

    def read(self, text: str) -> int | None:
        """Return the number a person wrote. Raises ``NumberMalformed``."""
        said = text.strip().lower()
        if self.may_be_unlimited and said == UNLIMITED:
            return None
        try:
            value = Decimal(said) * self.scale
        except DecimalException:
            value = Decimal("NaN")
        if not value.is_finite() or value != value.to_integral_value():
            raise NumberMalformed(f"{self.label}: {self._wanted()}", param=self.name)
        if not self.least <= value <= self.most:
            raise NumberMalformed(
                f"{self.label}: from {self.write(self.least)} to {self.write(self.most)}.",
                param=self.name,
            )
        return int(value)

    def write(self, value: int | None) -> str:
        """Return the number as ``read`` takes it."""
        if value is None:
            return UNLIMITED
        whole, rest = divmod(value, self.scale)
        return f"{(Decimal(value) / self.scale).normalize():f}" if rest else str(whole)

    def show(self, value: int | None) -> str:
        """Return the number for people, with its unit."""
        if value is None:
            return UNLIMITED
        whole, dot, rest = self.write(value).partition(".")
        shown = money(value) if self.is_price else f"{int(whole):,}{dot}{rest}"
        return f"{shown} {self.unit}".strip()

    @property
    def is_price(self) -> bool:
        """Say whether it is an amount of the platform's currency."""
        return self.scale == UNIT

    def _wanted(self) -> str:
        amount = f"an amount in {settings.CURRENCY}, such as 0.50"
        what = amount if self.is_price else "a whole number"
        return f"write {what}{' or “unlimited”' if self.may_be_unlimited else ''}."


NUMBERS: tuple[Number, ...] = (
    Number("price_per_million", "Price", "per 1M tokens", UNIT),
    Number("price_per_agent_hour", "Price of an agent-hour", "per agent-hour", UNIT),
    Number("cached_percent", "Cached prompt tokens cost", "%", most=100),
    Number("tokens_per_min", "Tokens a minute", may_be_unlimited=True, least=1),
    Number("requests_per_min", "Requests a minute", may_be_unlimited=True, least=1),
    Number("monthly_tokens", "Tokens a person and month", may_be_unlimited=True, least=1),
    Number("max_model_bytes", "Largest model", "GB", GB, may_be_unlimited=True, most=MOST * 1000),
    Number("concurrent", "Requests at once", least=1, most=100_000),
    Number("request_timeout_s", "Time for an answer", "s", least=1, most=86_400),
    Number("idle_timeout_s", "Silence in a stream", "s", least=1, most=86_400),
    Number("priority", "Priority", most=100),
    Number("max_endpoints", "Endpoints a project", may_be_unlimited=True, most=100_000),
    Number("max_models", "Models a project", may_be_unlimited=True, most=100_000),
)
BY_NAME = {number.name: number for number in NUMBERS}


@dataclass(frozen=True, slots=True)
class Change:
    """What new terms would change of one number, for people."""

    label: str
    before: str
    after: str


def read_all(said: Mapping[str, str]) -> dict[str, int | None]:
    """Read what a person wrote of some numbers. Raises ``NumberMalformed``."""
    return {name: BY_NAME[name].read(text) for name, text in said.items()}


def of(row: Any) -> dict[str, int | None]:
    """Return the numbers of terms."""
    return {number.name: getattr(row, number.name) for number in NUMBERS}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Say what differs, in the order of the numbers."""
    return [
        Change(number.label, number.show(before[number.name]), number.show(after[number.name]))
        for number in NUMBERS
        if before[number.name] != after[number.name]
    ]
