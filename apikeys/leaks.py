"""Keys that somebody found in public: revoked at once, and their owners told.

The protocol is that of GitHub's secret scanning partner programme: a signed list of what was
found, answered with which of it was real. A report without a signature counts only for keys
that it contains in full: whoever holds a key may close it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string

from apikeys import secrets, selectors, services
from apikeys.errors import ReportUnsigned, SignatureInvalid
from apikeys.models import ApiKey
from common import tenancy
from common.actor import Actor
from projects import selectors as projects
from projects.rules import Role

MAX_SIGNED, MAX_UNSIGNED = 1000, 10
"""Findings in one report: of those whose signature we know, and of anybody."""
REAL, UNKNOWN = "true_positive", "false_positive"


@dataclass(frozen=True, slots=True)
class Finding:
    """A text that looks like a key of ours, and where it was found."""

    token: str = field(repr=False)
    kind: str
    url: str
    source: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it was one."""

    token_hash: str
    kind: str
    label: str


def check_signature(body: bytes, key_id: str, signature: str) -> bool:
    """Say whether a report is signed; raise ``SignatureInvalid`` if its signature is not good.

    ECDSA on P-256 over SHA-256 of the body as it came, by one of the configured keys.
    """
    if not key_id and not signature:
        return False
    key = _public_keys(settings.SCANNER_KEYS).get(key_id)
    if key is None:
        raise SignatureInvalid("No key of this name is known here.")
    try:
        key.verify(base64.b64decode(signature, validate=True), body, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError) as fault:
        # ValueError: what is no base64, or has a letter that no base64 has.
        raise SignatureInvalid("The signature does not fit the report.") from fault
    return True


def take_report(findings: Sequence[Finding], *, is_signed: bool, by: Actor) -> list[Verdict]:
    """Revoke every key among the findings; say of each finding whether it was one.

    Raises ``ReportUnsigned`` if nothing but a signature could have made it believable, or if
    it is longer than what anybody may have looked up.
    """
    if not is_signed and len(findings) > MAX_UNSIGNED:
        raise ReportUnsigned(
            f"Sign the report: without a signature it may hold {MAX_UNSIGNED} findings."
        )
    real = _real_keys(findings)
    if not is_signed and not real:
        raise ReportUnsigned("Sign the report: it holds no key that would speak for itself.")
    for finding in findings:
        key = real.get(finding.token)
        if key is not None and key.revoked_at is None:
            _close(key, finding, by)
    return [
        Verdict(_hash(one.token), one.kind, REAL if one.token in real else UNKNOWN)
        for one in findings
    ]


def _real_keys(findings: Sequence[Finding]) -> dict[str, ApiKey]:
    """Return the keys among the findings by what was found: one statement, however many."""
    digests = {one.token: secrets.digests(one.token) for one in findings}
    found = selectors.secrets_by_digest([digest for two in digests.values() for digest in two])
    return {
        token: found[digest].key
        for token, two in digests.items()
        for digest in two
        if digest in found
    }


def _close(key: ApiKey, finding: Finding, by: Actor) -> None:
    # Whoever reports a key has no seat in its project.
    with tenancy.system():
        reason = f"found in public ({finding.source[:40]}): {finding.url[:400]}"
        if services.revoke_key(key=key, by=by, reason=reason):
            # A mail server that is away must not keep a leaked key open.
            transaction.on_commit(partial(_tell_owners, key, finding), robust=True)


def _tell_owners(key: ApiKey, finding: Finding) -> None:
    seats = projects.members_of(project=key.project)
    people = {seat.user.email for seat in seats if seat.role == Role.OWNER}
    if key.issued_by is not None:
        people.add(key.issued_by.email)
    context = {"key": key, "project": key.project, "url": finding.url, "source": finding.source}
    text = render_to_string("apikeys/email/leaked.txt", context)
    subject = " ".join(f"API key “{key.name}” was found in public and revoked".split())
    for address in sorted(people):
        send_mail(subject, text, None, [address])


@lru_cache(maxsize=4)
def _public_keys(text: str) -> dict[str, ec.EllipticCurvePublicKey]:
    """Read the configured keys by their identifier, in the shape GitHub publishes them in."""
    said = json.loads(text or '{"public_keys": []}')
    found = {}
    for one in said["public_keys"]:
        key = load_pem_public_key(one["key"].encode())
        if isinstance(key, ec.EllipticCurvePublicKey):
            found[str(one["key_identifier"])] = key
    return found


def _hash(token: str) -> str:
    return base64.b64encode(hashlib.sha256(token.encode()).digest()).decode()
