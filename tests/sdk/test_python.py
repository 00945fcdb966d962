"""The official Python SDK works with only base URL and key set: the SDK says so, not we."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.platform import Platform

pytestmark = pytest.mark.sdk

MESSAGES: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "What is the capital of France?"}
]


@pytest.fixture
def chat(platform: Platform) -> Iterator[OpenAI]:
    env = platform.quickstart
    with OpenAI(
        base_url=env["OPENAI_BASE_URL"], api_key=env["OPENAI_API_KEY"], max_retries=0
    ) as client:
        yield client


@pytest.fixture
def embed(platform: Platform) -> Iterator[OpenAI]:
    env = platform.quickstart
    with OpenAI(
        base_url=env["XEROTIER_EMBEDDINGS_URL"], api_key=env["OPENAI_API_KEY"], max_retries=0
    ) as client:
        yield client


def test_chat_answers_and_counts(chat: OpenAI) -> None:
    answer = chat.chat.completions.create(model="any", messages=MESSAGES, max_tokens=24)

    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_streamed_answer_is_the_same_answer_without_usage_nobody_asked_for(chat: OpenAI) -> None:
    whole = chat.chat.completions.create(model="any", messages=MESSAGES, max_tokens=24)

    chunks = list(
        chat.chat.completions.create(model="any", messages=MESSAGES, max_tokens=24, stream=True)
    )

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content
    assert len(chunks) > 2
    assert all(chunk.usage is None for chunk in chunks)


def test_stream_carries_usage_when_asked(chat: OpenAI) -> None:
    chunks = list(
        chat.chat.completions.create(
            model="any",
            messages=MESSAGES,
            max_tokens=8,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


def test_completions_answer(chat: OpenAI) -> None:
    answer = chat.completions.create(model="any", prompt="One, two, three,", max_tokens=4)

    assert answer.choices[0].text


def test_models_say_what_the_endpoint_serves(chat: OpenAI) -> None:
    models = list(chat.models.list())

    assert [model.id for model in models] == ["smollm2-135m-instruct"]
    assert chat.models.retrieve(models[0].id).object == "model"
    with pytest.raises(openai.NotFoundError) as refusal:
        chat.models.retrieve("gpt-4o")
    assert refusal.value.code == "model_not_found"


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_have_the_models_dimensions(embed: OpenAI, encoding: str) -> None:
    answer = embed.embeddings.create(
        model="any",
        input=["a cat", "a kitten", "a power station"],
        encoding_format=encoding,  # type: ignore[arg-type] # why: parametrised over its literals
    )

    assert len(answer.data) == 3
    assert answer.usage.prompt_tokens > 0
    if encoding == "float":
        cat, kitten, station = (item.embedding for item in answer.data)
        assert len(cat) == 384
        assert _dot(cat, kitten) > _dot(cat, station)


@pytest.mark.parametrize(
    ("change", "refused", "code"),
    [
        pytest.param(
            {"api_key": "xero_nobody_" + "a" * 49},
            openai.AuthenticationError,
            "invalid_api_key",
            id="bad key",
        ),
        pytest.param(
            {"path": "/no-such-endpoint/"},
            openai.NotFoundError,
            "endpoint_not_found",
            id="no endpoint",
        ),
    ],
)
def test_refusals_are_the_sdks_own_errors(
    platform: Platform, change: dict[str, str], refused: type[openai.APIStatusError], code: str
) -> None:
    env = platform.quickstart
    base_url = env["OPENAI_BASE_URL"].replace(
        f"/{env['XEROTIER_ENDPOINT']}/", change.get("path", f"/{env['XEROTIER_ENDPOINT']}/")
    )
    api_key = change.get("api_key", env["OPENAI_API_KEY"])

    with (
        OpenAI(base_url=base_url, api_key=api_key, max_retries=0) as client,
        pytest.raises(refused) as refusal,
    ):
        client.chat.completions.create(model="any", messages=MESSAGES)

    assert refusal.value.code == code
    assert refusal.value.request_id


def test_embeddings_on_a_chat_endpoint_are_not_supported(chat: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refusal:
        chat.embeddings.create(model="any", input="x")

    assert refusal.value.code == "operation_not_supported"


def _dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
