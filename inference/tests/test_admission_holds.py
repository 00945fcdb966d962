"""What a request holds and what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.admission.buckets import request_bucket, token_bucket
from inference.admission.commands import ask_of as packed_ask
from inference.admission.holds import Hold, hold_of, price
from inference.contracts.money import cost_of
from inference.tests.asks import ask_of, paid, route_of, terms_of

PAID = paid(route_of())


def test_stream_holds_its_prompt_and_one_slice_a_choice() -> None:
    hold = hold_of(ask_of(PAID, prompt_tokens=100, limit_tokens=4000, n=2, streaming=True))

    assert hold == Hold(
        est_in=100,
        est_out=512,
        est_money=612,
        tokens=0,
        money=612,
        covered=612,
        step=512,
    )


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("absurd", [{"n": 10**17}, {"limit_tokens": 10**30}, {"n": 10**400}])
def test_what_an_absurd_request_holds_can_still_be_packed(
    absurd: dict[str, Any], streaming: bool
) -> None:
    ask = ask_of(PAID, streaming=streaming, **absurd)
    hold, request_id = hold_of(ask), ask.request_id.encode()

    usual = packed_ask(request_id, hold_of(ask_of(PAID)))
    assert len(packed_ask(request_id, hold)) == len(usual)
    assert hold.money >= 256


def test_stream_that_fits_in_a_slice_never_renews() -> None:
    hold = hold_of(ask_of(PAID, prompt_tokens=100, limit_tokens=256, streaming=True))

    assert (hold.covered, hold.money) == (None, 356)


def test_answer_that_is_not_streamed_holds_all_it_may_use_and_reserves_a_slice() -> None:
    hold = hold_of(ask_of(PAID, prompt_tokens=100, limit_tokens=4000, n=2))

    assert (hold.covered, hold.money, hold.est_out, hold.est_money) == (None, 8100, 512, 612)


@pytest.mark.parametrize(
    ("context_length", "task", "held"),
    [
        pytest.param(2048, "generate", 2048, id="what the context leaves"),
        pytest.param(50, "generate", 101, id="a token where the prompt leaves none"),
        pytest.param(None, "generate", 4196, id="a guess where nobody knows"),
        pytest.param(2048, "embed", 100, id="no answer of an embedding"),
    ],
)
def test_answer_without_a_limit_holds(context_length: int | None, task: str, held: int) -> None:
    route = replace(PAID, context_length=context_length, task=task)

    assert hold_of(ask_of(route, prompt_tokens=100)).money == held


def test_tokens_are_held_only_where_there_is_an_allowance() -> None:
    route = route_of(terms_of(monthly_tokens=1000))

    assert hold_of(ask_of(route, prompt_tokens=100, limit_tokens=50)).tokens == 150
    assert hold_of(ask_of(route_of(), prompt_tokens=100, limit_tokens=50)).tokens == 0


def test_request_on_own_machines_asks_for_a_balance_and_costs_nothing() -> None:
    hold = hold_of(ask_of(route_of(terms_of(least_hold=1)), prompt_tokens=100, limit_tokens=50))

    assert (hold.money, hold.est_money) == (1, 0)


@pytest.mark.parametrize(
    ("tier", "per_minute", "at_once"),
    [
        pytest.param("free", 64, 32, id="half the limit"),
        pytest.param("free", 2, 3, id="three on free"),
        pytest.param("gpu", 2, 10, id="ten elsewhere"),
    ],
)
def test_burst(tier: str, per_minute: int, at_once: int) -> None:
    step_us, cap_us = request_bucket(terms_of(tier=tier, requests_per_min=per_minute))

    assert cap_us // step_us == at_once
    assert step_us * per_minute >= 60_000_000


def test_unlimited_buckets_have_no_steps() -> None:
    unlimited = terms_of(requests_per_min=None, tokens_per_min=None)

    assert request_bucket(unlimited) == (0, 0)
    assert token_bucket(unlimited) == (0, 0)


def test_cached_tokens_cost_a_quarter() -> None:
    terms = terms_of(price_per_million=1_000_000)

    assert price(terms, 100, 10) == 110
    assert price(terms, 100, 10, 80) == 50


@given(
    counts=st.lists(st.integers(0, 10**7), min_size=2, max_size=2),
    rate=st.integers(0, 10**9),
    percent=st.integers(0, 100),
)
def test_price_is_the_exact_one_rounded_up(counts: list[int], rate: int, percent: int) -> None:
    tokens_in, tokens_out = counts
    cached = tokens_in // 2
    paid_in_full = (tokens_in - cached + tokens_out) * 100 * rate

    cost = cost_of(tokens_in, tokens_out, cached, price_per_million=rate, cached_percent=percent)

    assert 0 <= cost * 10**8 - paid_in_full - cached * percent * rate < 10**8


@pytest.mark.parametrize(
    ("asked", "held", "covered"),
    [
        ({"streaming": True, "limit_tokens": 4000}, 100 + 256, 100 + 256),
        ({"streaming": True, "limit_tokens": 4000, "n": 2}, 100 + 512, 100 + 512),
        ({"streaming": False, "limit_tokens": 1000}, 100 + 1000, None),
        ({"streaming": False, "limit_tokens": 1000, "is_open": True}, 100 + 1000, 100 + 256),
        ({"streaming": True, "limit_tokens": 10}, 110, None),
    ],
)
def test_what_is_held_is_prompt_and_answer_whether_there_is_a_price_or_not(
    asked: dict[str, Any], held: int, covered: int | None
) -> None:
    for route in (PAID, route_of()):
        hold = hold_of(ask_of(route, prompt_tokens=100, **asked))

        assert (hold.held, hold.covered) == (held, covered)
