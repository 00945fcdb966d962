"""No engine generates more than is held for: whatever name it knows the limit by counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.body.json_members import Malformed
from inference.body.splice import read_request
from inference.body.streamed_splice import StreamedSplice
from inference.tests.engines import ENGINES
from tests.made_up import examples

OPERATIONS = ("chat/completions", "completions", "responses")
CONTEXT = 4096
NAMES = (
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "n_predict",
    "num_predict",
    "max_new_tokens",
    "min_tokens",
    "n",
    "best_of",
    "n_cmpl",
    "beam_width",
)
COUNT = st.one_of(
    st.integers(-2, 9), st.sampled_from([None, 500, 2.0, 10**6, 129, "7", True]), st.integers(1, 99)
)


def of_whole(body: bytes, operation: str) -> tuple[int | None, int]:
    request = read_request(body, operation)
    return request.limit, request.n


def of_upload(body: bytes, operation: str, step: int = 7) -> tuple[int | None, int]:
    splice = StreamedSplice(operation=operation)
    for at in range(0, len(body), step):
        splice.feed(body[at : at + step])
    splice.finish()
    return splice.limit, splice.answers


BOTH_PATHS = pytest.mark.parametrize("read", [of_whole, of_upload], ids=["whole", "upload"])


@st.composite
def asks(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a body with limits and numbers in any dialect, or several."""
    body: dict[str, Any] = {"model": "m"}
    body |= {name: draw(COUNT) for name in draw(st.sets(st.sampled_from(NAMES), max_size=4))}
    if draw(st.booleans()):
        body["prompt"] = draw(st.sampled_from(["a", ["a", "b"], [1, 2], [[1], [2], [3]]]))
    for name in draw(st.sets(st.sampled_from(["options", "MAX_TOKENS", "N_predict"]), max_size=1)):
        body[name] = {"num_predict": draw(COUNT)} if name == "options" else draw(COUNT)
    return body


@examples(500)
@given(ask=asks(), operation=st.sampled_from(OPERATIONS))
def test_no_engine_generates_more_than_is_held_for(ask: dict[str, Any], operation: str) -> None:
    """Engines are simulated by what their sources say; what none of them takes, none has."""
    body = json.dumps(ask).encode()
    refused: list[str | None] = []
    held: list[int] = []
    for read in (of_whole, of_upload):
        try:
            limit, answers = read(body, operation)
        except Malformed as fault:
            refused.append(fault.param)
        else:
            held.append(answers * min(CONTEXT if limit is None else limit, CONTEXT))

    for engine in ENGINES:
        most = engine(json.loads(body), operation, CONTEXT)
        assert refused or most <= held[0], engine.__name__
    # Both paths say the same, though not in the same order.
    assert len(held) == 2 - len(refused)
    assert len(set(held)) + bool(refused) == 1


@BOTH_PATHS
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        pytest.param({"top_logprobs": 21}, "top_logprobs", id="more than OpenAI has"),
        pytest.param({"top_logprobs": 10**6}, "top_logprobs", id="all there are"),
        pytest.param({"top_logprobs": -1}, "top_logprobs", id="all there are, to vLLM"),
        pytest.param({"logprobs": 21}, "logprobs", id="of completions"),
        pytest.param({"logprobs": "1000"}, "logprobs", id="as text"),
        pytest.param({"n_probs": 1000}, "n_probs", id="llama.cpp's"),
        pytest.param({"prompt_logprobs": 500}, "prompt_logprobs", id="of the prompt"),
        pytest.param({"n": 129}, "n", id="more answers than OpenAI gives"),
        pytest.param({"best_of": 10**17}, "best_of", id="more than anyone needs"),
        pytest.param({"n_predict": "40"}, "n_predict", id="a limit as text"),
        pytest.param({"num_predict": 1.5}, "num_predict", id="half a token"),
        pytest.param({"MAX_TOKENS": 5}, "MAX_TOKENS", id="capitals, which Go reads"),
        pytest.param({"max_to\u212aens": 5}, "max_to\u212aens", id="a Kelvin sign, which Go reads"),
        pytest.param({"options": {"num_predict": 9}}, "options.num_predict", id="inside options"),
        pytest.param({"extra_body": {"a": [{"n_predict": 9}]}}, "extra_body.n_predict", id="deep"),
        pytest.param({"Options": {}}, "Options", id="options in capitals"),
        pytest.param({"cache_prompt": True}, "cache_prompt", id="what others left"),
        pytest.param({"id_slot": 0}, "id_slot", id="a slot"),
        pytest.param({"kv_transfer_params": {}}, "kv_transfer_params", id="another's memory"),
        pytest.param({"prompt_embeds": ["a"]}, "prompt_embeds", id="prompts beside the prompt"),
        pytest.param({"extra_body": {"cache_prompt": True}}, "extra_body.cache_prompt", id="in it"),
        pytest.param({"options": {"x": "y" * 5000}}, "options", id="options too long to be read"),
    ],
)
def test_what_would_get_round_a_limit_is_refused_by_name(
    read: Any, fields: dict[str, Any], param: str
) -> None:
    for escaped in (True, False):
        body = json.dumps({"model": "m", **fields}, ensure_ascii=escaped).encode()

        with pytest.raises(Malformed) as refusal:
            read(body, "chat/completions")

        assert (refusal.value.code, refusal.value.param) == ("invalid_request", param)


@BOTH_PATHS
@pytest.mark.parametrize(
    "fields",
    [
        {"logprobs": True, "top_logprobs": 20},
        {"logprobs": 5},
        {"logprobs": None, "top_logprobs": None},
        {"options": {"num_ctx": 4096, "temperature": 0.5}},
        {"extra_body": None, "parameters": [1, 2]},
        {"N_GPU": 5, "ignore_eos": True},
        {"n": 128},
        {"cache_prompt": False, "id_slot": -1, "cache_salt": "mine"},
    ],
)
def test_what_is_usual_passes(read: Any, fields: dict[str, Any]) -> None:
    read(json.dumps({"model": "m", **fields}).encode(), "chat/completions")


@BOTH_PATHS
def test_no_field_may_stand_twice_however_it_is_spelled(read: Any) -> None:
    for body in (
        b'{"model":"m","max_tokens":1,"max_tokens":1}',
        b'{"model":"m","max_tokens":1,"x":[{"y":2}],"max_\\u0074okens":99}',
        b'{"model":"m","x":1,"x":{"x":2}}',
        b'{"model":"m","\\ud83d":1,"\\ud83d":2}',
        b'{"model":"m","x":1,"y":{"x":2,"y":3},"x":{"x":2,"y":3}}',
    ):
        with pytest.raises(Malformed, match="is given twice") as refusal:
            read(body, "completions")

        assert refusal.value.message.encode()  # It can be said, half a character or not.
