"""Payment providers: how credit is bought, and how a provider's word is checked.

One interface, so that the platform works without any. Stripe is configured by
``XEROTIER_STRIPE_WEBHOOK_SECRET``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings

from ledger.errors import PaymentsOff, PaymentUnverified

TOLERANCE_S = 300
"""How old a signed notice may be (Stripe's own default)."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that has arrived: for which project, how much, and its unique name."""

    project_public_id: str
    amount: int
    reference: str


class Provider(Protocol):
    """Someone who takes money from people and tells us about it."""

    def read(self, body: bytes, signature: str) -> Payment | None:
        """Return the payment a notice tells of; none if it tells of something else.

        Raises ``PaymentUnverified`` if the provider did not sign it, or too long ago.
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
        notice: dict[str, Any] = json.loads(body)
        if notice.get("type") != "checkout.session.completed":
            return None
        session = notice["data"]["object"]
        if session.get("payment_status") != "paid":
            return None
        # Stripe counts in cents.
        amount = int(session["amount_total"]) * 10_000
        return Payment(session["client_reference_id"], amount, f"stripe:{session['id']}")

    def _verify(self, body: bytes, signature: str) -> None:
        fields = [part.partition("=") for part in signature.split(",")]
        moment = next((value for name, _, value in fields if name == "t"), "")
        given = [value for name, _, value in fields if name == "v1"]
        wanted = hmac.new(self._secret, moment.encode() + b"." + body, hashlib.sha256).hexdigest()
        now = time.time() if self._now is None else self._now
        is_fresh = moment.isdigit() and abs(now - int(moment)) <= TOLERANCE_S
        if not is_fresh or not any(hmac.compare_digest(wanted, value) for value in given):
            raise PaymentUnverified("The notice is not signed by the payment provider.")


def provider() -> Provider:
    """Return the configured provider; raises ``PaymentsOff`` if there is none."""
    if not settings.STRIPE_WEBHOOK_SECRET:
        raise PaymentsOff("This platform takes no payments; ask its operator for credit.")
    return Stripe(settings.STRIPE_WEBHOOK_SECRET)
