"""The function library is Lua and its callers are Python: what both must say is the same."""

from __future__ import annotations

import re

import pytest

from inference.admission import lanes
from inference.admission.key_limits import KEY_LIMITS, KeyLimit
from inference.admission.library import TEXT
from inference.contracts import functions
from inference.contracts.functions import Call, Whose, account_of
from inference.http.problems import CODES
from inference.tests.asks import ask_of, ended

EVENT = ended(ask_of())
WHOSE = Whose(EVENT.request_id, EVENT.project, EVENT.endpoint_id, EVENT.key_id, EVENT.tier)
CALLS = [
    functions.grant("proj_a", 1, 2),
    functions.budget("proj_a", "p:proj_a", 3, 1),
    functions.restore("{s1}", "p:proj_a", {functions.SPENT: 1}),
    functions.remember("{s1}", ["req_a"]),
    functions.orphan(WHOSE, 1, 2, 3),
    functions.estimate(EVENT, "{}"),
    functions.settle(EVENT, "{}"),
    functions.open_shard("{s1}", 3, "", "token"),
]
REGISTERED = set(re.findall(r"register_function\('(\w+)'", TEXT))


def test_library_has_the_name_its_callers_use() -> None:
    assert TEXT.startswith(f"#!lua name={functions.LIBRARY}\n")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_function_that_the_control_plane_calls_is_in_the_library(call: Call) -> None:
    assert call[0] in REGISTERED
    assert call[1:2] == (1,)
    assert all(isinstance(part, str) for part in call[2:])


def test_both_languages_count_the_same_arguments() -> None:
    [counts] = re.findall(r"local LIMITS, ASK, WHO, END = (\d+), (\d+), (\d+), (\d+)\n", TEXT)

    assert tuple(map(int, counts)) == (
        lanes.LIMITS,
        lanes.ASK_PARTS,
        lanes.WHO,
        lanes.END_PARTS,
    )


@pytest.mark.parametrize("limit", KEY_LIMITS, ids=lambda limit: limit.code)
def test_library_refuses_by_the_word_of_each_limit_of_a_key(limit: KeyLimit) -> None:
    assert f"return '{limit.word.decode()}'" in TEXT
    assert limit.code in CODES


@pytest.mark.parametrize("kind", ["project", "endpoint", "key"])
def test_accounts_are_named_as_the_library_names_them(kind: str) -> None:
    prefix = account_of(kind, "")

    assert re.search(rf"function {kind}_key\(tag, who\) return tag \.\. ':{prefix}'", TEXT)


@pytest.mark.parametrize(
    "field",
    [
        functions.GRANTED,
        functions.SEQUENCE,
        functions.SPENT,
        functions.BUDGET,
        functions.BUDGET_VERSION,
        functions.month_field(""),
    ],
)
def test_fields_are_named_as_the_library_names_them(field: str) -> None:
    assert f"'{field}'" in TEXT


def test_allowance_is_named_as_the_library_names_it() -> None:
    assert functions.allowance_field("202611", "pro") == "a:202611:pro"
    assert "'a:' .. month .. ':' .. who.tier" in TEXT
