"""What can go wrong with money."""

from __future__ import annotations

from common.problems import Problem


class AmountMalformed(Problem):
    """An amount that moves nothing, or the wrong way."""

    code = "amount_malformed"


class PaymentUnverified(Problem):
    """A payment notice that its provider did not sign."""

    code = "payment_unverified"


class PaymentMalformed(Problem):
    """A signed notice of a payment of nothing, or of one that nobody understands."""

    code = "payment_malformed"


class PaymentsOff(Problem):
    """No payment provider is set up."""

    code = "payments_off"
    status = 404
