"""How many letters anybody may have sent to an address: no mailbox is flooded in our name.

Counted by mailbox, whether or not somebody with it has an account here, so a refusal tells
nobody which. Strangers share one count; a browser the account was opened in has its own.
"""

from __future__ import annotations

import hashlib

from allauth.core.internal.ratelimit import truncate_ip
from django.conf import settings
from django.http import HttpRequest

from accounts import devices
from common.addresses import caller_address
from common.problems import TooOften
from common.rest.throttle import take

HOUR_S, DAY_S = 3600, 86_400
STRANGERS = 4
"""A day's letters from all strangers together, in hours of one caller."""
MAILBOXES = 10
"""An hour's letters from one network to whomever, in those to one mailbox."""
COUNTED = "xerotier.letter"
"""Where a request keeps the mailbox it was counted for."""


def mailbox_of(email: str) -> str:
    """Return what letters are counted by: ``ada+x@…`` is a name of Ada's mailbox."""
    local, _, host = email.strip().lower().rpartition("@")
    return f"{local.partition('+')[0]}@{host}"


def count(request: HttpRequest, email: str) -> None:
    """Count a letter about an account, once a request. Raises ``TooOften``."""
    mailbox = mailbox_of(email)
    if request.META.get(COUNTED) == mailbox:
        return
    network = truncate_ip(caller_address(request))
    device = devices.name_of(request, email)
    caller = device or network
    take_one(f"from:{network}", limit=MAILBOXES * settings.LETTERS_PER_HOUR, period_s=HOUR_S)
    take_one(f"{mailbox}:{caller}", limit=settings.LETTERS_PER_HOUR, period_s=HOUR_S)
    if device is None:
        take_one(mailbox, limit=STRANGERS * settings.LETTERS_PER_HOUR, period_s=DAY_S)
    request.META[COUNTED] = mailbox


def take_one(name: str, *, limit: int, period_s: float) -> None:
    """Count one letter under a name. Raises ``TooOften``."""
    # A digest: what was typed may be long, and need not lie about in a store.
    digest = hashlib.sha256(name.encode()).hexdigest()
    rate = take(f"letter:{digest}", limit=limit, period_s=period_s)
    if rate is not None and not rate.allowed:
        raise TooOften(
            "Enough letters were sent lately, to this address or from yours.", wait=rate.wait_s
        )
