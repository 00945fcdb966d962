"""What the crash suite of the fleet decides by: its schedule, and what it takes for right."""

from __future__ import annotations

import json
import random

import pytest

from tests.chaos.faults import (
    FAULTS,
    HEAL_S,
    Healing,
    is_linked,
    is_own_answer,
    is_the_word,
    schedule,
)
from tests.chaos.fleet_load import Question, body_of, judge
from tests.chaos.fleet_scene import aged
from tests.plane.caller import Heard
from xim.sim.words import answer

AGENTS = ("agt_1", "agt_2")


def said(question: str, tokens: int) -> str:
    return "".join(answer(question, tokens))


def asked(*, streamed: bool = False) -> Question:
    return Question(0, "gateway-1", "chat", streamed, 0, word="1234")


def event(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def usage(tokens: int) -> bytes:
    told = {"prompt_tokens": 3, "completion_tokens": tokens}
    return b"data: " + json.dumps({"choices": [], "usage": told}).encode() + b"\n\n"


def test_same_seed_is_the_same_run() -> None:
    first, again = (list(schedule(30, 4, 2, random.Random(7))) for _ in range(2))

    assert first == again
    assert list(schedule(30, 4, 2, random.Random(8))) != first


def test_every_kind_of_fault_comes_before_any_comes_again() -> None:
    faults = [one.kind for one in schedule(2 * len(FAULTS), 4, 2, random.Random(3))]

    assert sorted(faults[: len(FAULTS)]) == sorted(FAULTS) == sorted(faults[len(FAULTS) :])


def test_every_agent_and_gateway_has_its_turn() -> None:
    faults = list(schedule(60, 4, 2, random.Random(1)))

    assert {one.agent for one in faults} == set(range(4))
    assert {one.gateway for one in faults} == {0, 1}


@pytest.mark.parametrize("tokens", [1, 3, 14, 60])
def test_own_answer_is_right_whole_and_as_far_as_it_came(tokens: int) -> None:
    text = said("Say 1234", tokens)

    assert is_own_answer("Say 1234", text, tokens)
    assert is_own_answer("Say 1234", text[:-2], None)


@pytest.mark.parametrize("tokens", [30, None])
def test_answer_to_another_question_is_wrong(tokens: int | None) -> None:
    assert not is_own_answer("Say 1234", said("Say 1235", 30), tokens)


def test_answer_that_lost_or_repeated_a_piece_is_wrong() -> None:
    text = said("Say 1234", 30)

    assert not is_own_answer("Say 1234", text[:40] + text[44:], 30)
    assert not is_own_answer("Say 1234", text[:40] + text[36:], 30)
    assert not is_own_answer("Say 1234", text[:40] + text[44:], None)
    assert not is_own_answer("Say 1234", text, 31)


def test_stream_is_held_against_its_question() -> None:
    text = said("Say 1234", 20)
    body = event(text[:40]) + event(text[40:]) + usage(20) + b"data: [DONE]\n\n"
    whole, mixed = asked(streamed=True), asked(streamed=True)

    judge(whole, Heard(200, [], body, complete=True))
    judge(mixed, Heard(200, [], body.replace(b"1234", b"9999"), complete=True))

    assert (whole.ending, whole.is_wrong, whole.tokens_out) == ("finished", False, 20)
    assert (mixed.ending, mixed.is_wrong) == ("finished", True)


def test_word_that_was_wanted_is_right_and_no_other() -> None:
    assert is_the_word("1234", '"1234"', is_whole=True)
    assert is_the_word("1234", '"12', is_whole=False)
    assert not is_the_word("1234", '"12', is_whole=True)
    assert not is_the_word("1234", '"1235"', is_whole=True)
    assert not is_the_word("1234", '"13', is_whole=False)


def test_engine_is_told_by_its_answer_and_held_to_the_question() -> None:
    def heard(word: str) -> Question:
        question = asked(streamed=True)
        body = event(f'"{word[:2]}') + event(f'{word[2:]}"') + usage(6) + b"data: [DONE]\n\n"
        judge(question, Heard(200, [], body, complete=True))
        return question

    own, mixed = heard("1234"), heard("9934")

    assert (own.engine, own.ending, own.is_wrong) == ("llama.cpp", "finished", False)
    assert (mixed.engine, mixed.is_wrong) == ("llama.cpp", True)
    assert body_of(own)["response_format"]["json_schema"]["schema"] == {"const": "1234"}


def test_request_that_lost_its_connection_is_known_by_what_it_had_heard() -> None:
    unheard, begun = asked(), asked()
    begun.request_id = "req_1"
    unheard.lose()
    begun.lose()

    assert (unheard.ending, begun.ending) == ("unreachable", "broken")


@pytest.mark.parametrize(("complete", "ending"), [(True, "cut"), (False, "broken")])
def test_stream_without_its_end_is_right_as_far_as_it_came(complete: bool, ending: str) -> None:
    begun = asked(streamed=True)

    judge(begun, Heard(200, [], event(said("Say 1234", 9)) + b"data: {", complete=complete))

    assert (begun.ending, begun.is_wrong) == (ending, False)


def test_plain_answer_is_held_against_its_question() -> None:
    text = said("Say 1234", 20)
    told = {"prompt_tokens": 3, "completion_tokens": 20}
    body = json.dumps({"choices": [{"message": {"content": text}}], "usage": told}).encode()
    whole, other = asked(), asked()
    other.word = "4321"

    judge(whole, Heard(200, [], body, complete=True))
    judge(other, Heard(200, [], body, complete=True))

    assert (whole.ending, whole.is_wrong) == ("finished", False)
    assert other.is_wrong


def test_refusal_is_no_answer() -> None:
    refused = asked()

    judge(refused, Heard(503, [], b'{"error": {"code": "service_unavailable"}}', complete=True))

    assert (refused.ending, refused.code) == ("refused", "service_unavailable")
    assert not refused.is_wrong


def test_fleet_is_whole_when_every_gateway_has_heard_every_agent_since() -> None:
    heard = {"agt_1": [11.0, 12.0], "agt_2": [11.0, 12.0, 3.0]}

    assert is_linked(heard, AGENTS, 10, 2)
    assert not is_linked(heard, AGENTS, 11.5, 2)
    assert not is_linked({**heard, "agt_2": [12.0]}, AGENTS, 10, 2)
    assert not is_linked({"agt_1": [11.0, 12.0]}, AGENTS, 10, 2)


def test_what_healed_late_or_never_is_named() -> None:
    healing = Healing()
    healing.add("link closed", 2.0)
    healing.add("link closed", HEAL_S + 1)
    healing.add("agent killed", None)

    assert healing.too_slow() == ["link closed: 16.0 s", "agent killed: never"]
    assert [line.split(":")[1] for line in healing.lines()] == [
        " never",
        " p50 9.0 s, max 16.0 s",
    ]


def test_aged_token_is_another_moment_and_otherwise_the_same() -> None:
    assert aged({"sub": "agt_1", "iat": 1000, "exp": 4600}, 700) == {
        "sub": "agt_1",
        "iat": 300,
        "exp": 3900,
    }
