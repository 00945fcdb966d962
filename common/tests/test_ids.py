"""Public ids say what they name, tell nothing else, and request ids sort by time."""

from __future__ import annotations

import re
import time
import uuid

import pytest

from common import ids
from common.actor import SYSTEM, ActorKind
from common.problems import Busy, Later, Problem, Stale, TooOften
from inference.contracts.events import moment_of


@pytest.mark.parametrize(
    ("mint", "prefix"),
    [
        (ids.project_id, "proj"),
        (ids.member_id, "mem"),
        (ids.invitation_id, "inv"),
        (ids.endpoint_id, "ep"),
        (ids.key_id, "key"),
        (ids.signing_key_id, "sig"),
        (ids.worker_id, "wrk"),
        (ids.model_id, "mdl"),
        (ids.operator_token_id, "opt"),
        (ids.budget_id, "bud"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_id_says_its_kind_and_twelve_letters_of_chance(mint: object, prefix: str) -> None:
    assert callable(mint)
    minted = [mint() for _ in range(50)]

    assert all(re.fullmatch(rf"{prefix}_[0-9A-Za-z]{{12}}", one) for one in minted)
    assert len(set(minted)) == 50


def test_every_letter_of_the_alphabet_is_used_and_no_other() -> None:
    drawn = ids.random_base62(20_000)

    assert len(drawn) == 20_000
    assert set(drawn) == set(ids.ALPHABET)
    assert len(ids.ALPHABET) == 62


def test_request_id_is_a_uuid_of_the_seventh_kind_and_says_its_moment() -> None:
    before = time.time_ns() // 1_000_000

    minted = ids.request_id()

    assert re.fullmatch(r"req_[0-9a-f]{32}", minted)
    number = uuid.UUID(minted.removeprefix("req_"))
    assert (number.version, number.variant) == (7, uuid.RFC_4122)
    assert before <= moment_of(minted) * 1000 <= time.time_ns() / 1_000_000 + 1


def test_request_ids_sort_by_time() -> None:
    first = ids.request_id()
    time.sleep(0.002)

    assert first < ids.request_id()


def test_system_acts_under_its_own_name() -> None:
    assert (SYSTEM.kind, SYSTEM.subject, SYSTEM.name) == (ActorKind.SYSTEM, "system", "System")
    assert (SYSTEM.address, SYSTEM.request_id) == ("", "")


@pytest.mark.parametrize(
    ("wait", "seconds"), [(0, 1), (-5, 1), (0.01, 1), (1, 1), (1.01, 2), (59.2, 60)]
)
def test_wait_is_said_in_whole_seconds_that_are_enough(wait: float, seconds: int) -> None:
    assert Later("Not now.", wait=wait).wait == seconds


@pytest.mark.parametrize(
    ("problem", "status", "code", "kind"),
    [
        (Problem("No."), 400, "problem", "invalid_request_error"),
        (Stale("Old."), 412, "precondition_failed", "invalid_request_error"),
        (Busy("Busy.", wait=2), 503, "service_unavailable", "service_error"),
        (TooOften("Often.", wait=2), 429, "rate_limit_exceeded", "rate_limit_error"),
    ],
)
def test_refusal_is_what_programs_know_it_by(
    problem: Problem, status: int, code: str, kind: str
) -> None:
    assert (problem.status, problem.code, problem.kind) == (status, code, kind)
    assert problem.param is None
    assert str(problem) == problem.message
