"""A guard: whatever writes is told who acts, so that the audit log can name them."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.platform import ROOT

WRITERS = (
    "*/services.py",
    "accounts/tokens.py",
    "agents/backends.py",
    "agents/lifecycle.py",
    "agents/shifts.py",
    "enrolment/joining.py",
    "apikeys/passes.py",
    "apikeys/leaks.py",
    "projects/members.py",
    "projects/invitations.py",
    "usage/budgets.py",
    "usage/rerate.py",
    "ledger/payments.py",
    "projects/suspension.py",
    "endpoints/overrides.py",
)
WITHOUT = {
    "accounts.tokens.is_token": "reads",
    "accounts.tokens.note_use": "counts what the token itself did",
    "accounts.tokens.token_named": "reads",
    "accounts.tokens.token_shown": "reads",
    "catalog.services.terms_before": "reads",
    "apikeys.leaks.check_signature": "reads",
    "apikeys.passes.jwks": "reads",
    "apikeys.passes.sign": "who asks for what is signed is recorded there",
    "projects.invitations.digest_of": "reads",
    "apikeys.passes.rotate_signing_key": "the platform's own keys, by the clock",
    "apikeys.services.note_use": "counts what the key itself did",
    "apikeys.services.touch_keys": "republishes rows; what changed was recorded",
    "endpoints.services.republish": "republishes rows; what changed was recorded",
    "agents.lifecycle.end_drain": "what the machine itself did, which its events tell",
    "agents.lifecycle.touch_agents": "republishes rows; what changed was recorded",
    "agents.services.check_tiers": "reads",
    "agents.services.offer_models": "what a machine says or its owner chose, which is on record",
    "agents.services.withdraw_workers": "follows what was recorded of its machine",
    "agents.services.touch_workers": "republishes rows; what changed was recorded",
    "agents.backends.ask_again": "keeps what a server says of itself",
    "agents.backends.reseal_credentials": "the same secret under another key of the platform's",
    "agents.shifts.begin": "follows what was recorded of its worker",
    "agents.shifts.end": "follows what was recorded of its worker",
    "enrolment.joining.enrol": "recorded as by the join key",
    "enrolment.joining.leave": "recorded as by the machine",
    "enrolment.joining.refresh": "changes nothing",
    "enrolment.services.check_new": "reads",
    "agents.shifts.note_billed": "remembers what the ledger holds",
    "projects.services.free_slug": "reads",
    "projects.invitations.forget_closed": "deletes by the clock what is over; its end was recorded",
    "ledger.payments.take": "the provider's word; the ledger is the record",
    "endpoints.services.touch_endpoints": "republishes rows; what changed was recorded",
    "audit.services.anchor_heads": "is the log",
    "catalog.services.begin_due_terms": "does what was recorded when the terms were set",
    "catalog.services.load_defaults": "what we ship, when the platform is set up",
    "endpoints.overrides.end_due": "records the system as the one who acts",
    "projects.suspension.lift_due": "records the system as the one who acts",
    "projects.services.purge_due": "records the system as the one who acts",
    "publisher.services.take": "copies to the data plane",
    "publisher.services.reader": "says who reads",
    "publisher.services.reconcile": "copies to the data plane",
    "ledger.payments.provider": "reads",
    "usage.budgets.notify_thresholds": "tells what usage reached; its notices are the record",
    "usage.rerate.differences": "reads",
}
"""Public functions that take no ``by``, each with its reason."""


def nameless(path: Path) -> set[str]:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return {
        f"{module}.{found.name}"
        for found in ast.parse(path.read_text()).body
        if isinstance(found, ast.FunctionDef) and not found.name.startswith("_")
        # A seat carries its actor.
        if not {"by", "seat"} & {word.arg for word in [*found.args.args, *found.args.kwonlyargs]}
    }


def test_every_writer_is_told_who_acts_or_says_why_not() -> None:
    paths = [path for pattern in WRITERS for path in ROOT.glob(pattern)]

    assert len(paths) > len(WRITERS)
    assert set().union(*map(nameless, paths)) == set(WITHOUT)
