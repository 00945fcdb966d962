"""Payment providers: how credit is bought, and how a provider's word is checked.

One interface, so that the platform works without any. Stripe is configured by
``XEROTIER_STRIPE_WEBHOOK_SECRET``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import time
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings

from common import tenancy
from common.money import micro_of
from ledger import services
from ledger.errors import PaymentMalformed, PaymentsOff, PaymentUnverified
from ledger.models import LedgerEntry, UnmatchedPayment
from projects import selectors as projects

logger = logging.getLogger(__name__)

_MOMENT = re.compile(r"[0-9]{1,12}")
TOLERANCE_S = 300
"""How old a signed notice may be (Stripe's own default)."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that has arrived: for which project, how much, and its unique name.

    ``minor`` is in the smallest unit of its own currency, as the provider counts.
    """

    project_public_id: str
    minor: int
    currency: str
    reference: str

    @property
    def amount(self) -> int:
        """What it is in micro-units. Raises ``ValueError`` for a currency nobody knows."""
        return micro_of(self.minor, self.currency)


class Provider(Protocol):
    """Someone who takes money from people and tells us about it."""

    def read(self, body: bytes, signature: str) -> Payment | None:
        """Return the payment a notice tells of; none if it tells of something else.

        Raises ``PaymentUnverified`` if the provider did not sign it, or too long ago, and
        ``PaymentMalformed`` for a payment of nothing, or that nobody understands.
        """


class Stripe:
    """Stripe's ``checkout.session.completed`` webhooks.

    https://docs.stripe.com/webhooks#verify-manually: ``t=…,v1=HMAC-SHA256(t.body)``.
    """

    def __init__(self, webhook_secret: str, now: float | None = None) -> None:
        self._secret = webhook_secret.encode()
        self._now = now

    def read(self, body: bytes, signature: str) -> Payment | None:
        """Check the signature and read the notice."""
        self._verify(body, signature)
        try:
            return _payment(json.loads(body))
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise PaymentMalformed(f"The notice can’t be read as a payment: {fault!r}") from fault

    def _verify(self, body: bytes, signature: str) -> None:
        fields = [part.partition("=") for part in signature.split(",")]
        moment = next((value for name, _, value in fields if name == "t"), "")
        given = [value for name, _, value in fields if name == "v1"]
        signed = hmac.new(self._secret, moment.encode() + b"." + body, hashlib.sha256)
        wanted = signed.hexdigest().encode()
        now = time.time() if self._now is None else self._now
        # Strangers write this: neither figures of other scripts nor endless ones are a moment.
        is_fresh = bool(_MOMENT.fullmatch(moment)) and abs(now - int(moment)) <= TOLERANCE_S
        if not is_fresh or not any(hmac.compare_digest(wanted, one.encode()) for one in given):
            raise PaymentUnverified("The notice is not signed by the payment provider.")


def _payment(notice: dict[str, Any]) -> Payment | None:
    if notice.get("type") != "checkout.session.completed":
        return None
    session = notice["data"]["object"]
    if session.get("payment_status") != "paid":
        return None
    minor, currency = session["amount_total"], str(session["currency"]).upper()
    if not isinstance(minor, int) or minor <= 0:
        raise PaymentMalformed("A payment is of an amount above zero.", param="amount_total")
    name = str(session.get("client_reference_id") or "")
    return Payment(name, minor, currency, f"stripe:{session['id']}")


def take(paid: Payment) -> LedgerEntry | None:
    """Credit a payment, once; one that fits nobody is set aside for the operator, whole.

    It was paid, so nothing of it may be lost; but money of another currency is not ours to
    convert, and a project that we don't know is nobody to credit.
    """
    project = projects.project_by_public_id(paid.project_public_id)
    wrong = f"paid in {paid.currency}, not in {settings.CURRENCY}"
    if paid.currency != settings.CURRENCY or project is None:
        _set_aside(paid, wrong if paid.currency != settings.CURRENCY else "no such project")
        return None
    # The provider's signature stands in for a seat: it names the project itself.
    with tenancy.within(project.pk, project.public_id):
        return services.top_up(
            project=project, amount=paid.amount, note="Payment", reference=paid.reference
        )


def _set_aside(paid: Payment, reason: str) -> None:
    # It belongs to no tenant that could be entered.
    with tenancy.system():
        UnmatchedPayment.objects.get_or_create(
            reference=paid.reference,
            defaults={
                "project": paid.project_public_id[:64],
                "minor": paid.minor,
                "currency": paid.currency[:8],
                "reason": reason,
            },
        )
    logger.warning("payment %s was set aside: %s", paid.reference, reason)


def provider() -> Provider:
    """Return the configured provider; raises ``PaymentsOff`` if there is none."""
    if not settings.STRIPE_WEBHOOK_SECRET:
        raise PaymentsOff("This platform takes no payments; ask its operator for credit.")
    return Stripe(settings.STRIPE_WEBHOOK_SECRET)
