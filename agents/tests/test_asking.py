"""What is made of a server's answers when it is asked what it serves."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from agents import asking
from agents.asking import Found, Served
from agents.rules import OPERATIONS
from common.outgoing import connector
from common.outgoing.connector import MOST_BYTES, Call, Refused, Unreachable
from inference.contracts.addresses import EVERYWHERE, PUBLIC, Reach

Answer = tuple[int, bytes] | Exception
Sent = list[tuple[str, str, str]]
Tell = Callable[[dict[str, Answer]], Sent]


def ask(url: str, credential: str = "") -> Found:
    return asking.ask(url, credential, EVERYWHERE)


def models(*rows: object) -> bytes:
    return json.dumps({"data": rows}).encode()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Tell:
    """Answer by URL, 404 to whatever was not named; return what was asked."""

    def tell(answers: dict[str, Answer]) -> Sent:
        asked: Sent = []

        def send(call: Call, reach: Reach) -> connector.Answer:
            assert reach == EVERYWHERE
            credential = call.headers.get("Authorization", "").removeprefix("Bearer ")
            asked.append((call.method, call.url, credential))
            said = answers.get(call.url, (404, b""))
            if isinstance(said, Exception):
                raise said
            return connector.Answer(*said)

        monkeypatch.setattr(asking, "send", send)
        return asked

    return tell


def test_server_is_asked_at_its_url_with_its_credential(server: Tell) -> None:
    asked = server(
        {
            "http://w/v1/models": (200, models({"id": "chat"})),
            "http://w/v1/chat/completions": (400, b""),
        }
    )

    found = ask("http://w/v1/", "s3cret")

    assert found == Found("http://w/v1", (Served("chat"),), ("chat/completions",))
    assert asked[0] == ("GET", "http://w/v1/models", "s3cret")
    assert {method for method, _, _ in asked[1:]} == {"POST"}
    assert {credential for _, _, credential in asked} == {"s3cret"}
    assert len(asked) == 1 + len(OPERATIONS)


def test_server_whose_url_lacks_the_v1_is_found_below_it(server: Tell) -> None:
    server({"http://w/v1/models": (200, models({"id": "chat"}))})

    assert ask("http://w").url == "http://w/v1"


def test_server_that_was_found_is_not_looked_for_below(server: Tell) -> None:
    asked = server({"http://w/api/models": (200, models({"id": "chat"}))})

    assert ask("http://w/api").url == "http://w/api"
    assert not [url for _, url, _ in asked if "/v1/" in url]


def test_nothing_is_looked_for_below_v1(server: Tell) -> None:
    asked = server({})

    assert ask("http://w/v1").fault == (
        "http://w/v1/models lists no models (404): is it an OpenAI URL?"
    )
    assert [url for _, url, _ in asked] == ["http://w/v1/models"]


def test_of_two_places_without_models_the_one_that_was_written_is_named(server: Tell) -> None:
    asked = server({})

    found = ask("http://w/api")

    assert (found.url, found.fault.split()[0]) == ("http://w/api", "http://w/api/models")
    assert [url for _, url, _ in asked] == ["http://w/api/models", "http://w/api/v1/models"]


def test_url_no_gateway_could_ask_is_not_asked(server: Tell) -> None:
    asked = server({})

    assert ask("ftp://w/v1").fault == "Begin the URL with http:// or https://."
    assert asked == []


@pytest.mark.parametrize("status", [401, 403])
def test_server_that_wants_a_credential_is_named_so(server: Tell, status: int) -> None:
    server({"http://w/v1/models": (status, b"")})

    assert ask("http://w/v1").fault == (
        f"http://w/v1 wants a credential, or another one ({status})."
    )


def test_server_that_can_not_be_asked_is_a_sentence_and_no_crash(server: Tell) -> None:
    server({"http://w/v1/models": Unreachable("Connection refused")})

    assert ask("http://w/v1").fault == "Nothing answers at http://w/v1: Connection refused."


def test_address_that_may_not_be_called_is_named_in_the_connectors_words(server: Tell) -> None:
    server({"http://w/v1/models": Refused("w may not be called: 10.0.0.5 is private.")})

    assert ask("http://w/v1").fault == "w may not be called: 10.0.0.5 is private."


def test_stranger_asks_no_machine_of_ours() -> None:
    fault = asking.ask("http://127.0.0.1:8009/v1", "", PUBLIC).fault

    assert fault.startswith("127.0.0.1 may not be called: 127.0.0.1 is the platform's own machine.")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"data": {}}',
        b'{"data": null}',
        b'{"data": ["chat"]}',
        b'{"data": [{"name": "chat"}]}',
        b'{"data": [{"id": 7}]}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_answer_that_lists_no_models_is_no_worker(server: Tell, body: bytes) -> None:
    server({"http://w/v1/models": (200, body)})

    found = ask("http://w/v1")

    assert found.models == ()
    assert "lists no models (200)" in found.fault


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            (200, b'{"data": []}'),
            "http://w/v1 serves no models now. Load one there, then try again.",
        ),
        (
            (307, b""),
            "http://w/v1/models leads elsewhere (307), which is not followed. Write that URL.",
        ),
        ((503, b""), "http://w/v1/models answers with an error (503). Is the server up?"),
        (
            (200, b" " * MOST_BYTES),
            "http://w/v1/models answers more than 1024 KiB: is it an OpenAI URL?",
        ),
        (
            Unreachable("no whole answer within 5 s"),
            "Nothing answers at http://w/v1: no whole answer within 5 s.",
        ),
    ],
    ids=["no models", "redirect", "error", "huge", "timeout"],
)
def test_answer_that_is_no_list_says_what_to_do(server: Tell, answer: Answer, says: str) -> None:
    server({"http://w/v1/models": answer})

    assert ask("http://w/v1").fault == says


def test_questions_end_with_the_time_for_all_of_them(
    server: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = server({"http://w/v1/models": (200, models({"id": "chat"}))})
    ticks = itertools.count(0, 3)
    monkeypatch.setattr("agents.asking.time.monotonic", lambda: float(next(ticks)))

    found = ask("http://w/v1")

    # It began at 0, and at 3, 6 and 9 there was time left of the ten seconds.
    assert (found.models, len(asked)) == ((Served("chat"),), 3)


@pytest.mark.parametrize("name", ["", "a\0b", "a\u202eb", "a\nb", "x" * 201])
def test_model_whose_name_nobody_could_read_is_passed_over(server: Tell, name: str) -> None:
    server({"http://w/v1/models": (200, models({"id": name}, {"id": "chat"}))})

    assert [one.name for one in ask("http://w/v1").models] == ["chat"]


def test_models_of_an_answer_that_is_no_200_are_not_believed(server: Tell) -> None:
    server({"http://w/v1/models": (302, models({"id": "chat"}))})

    assert "(302)" in ask("http://w/v1").fault


@pytest.mark.parametrize(
    ("answer", "is_spoken"),
    [
        ((200, b""), True),
        ((400, b""), True),
        ((422, b""), True),
        ((401, b""), True),
        ((500, b""), True),
        ((404, b""), False),
        ((405, b""), False),
        ((501, b""), False),
        (Unreachable("no whole answer within 5 s"), False),
    ],
)
def test_operation_is_spoken_unless_the_server_knows_no_such_path(
    server: Tell, answer: Answer, *, is_spoken: bool
) -> None:
    server(
        {
            "http://w/v1/models": (200, models({"id": "chat"})),
            "http://w/v1/embeddings": answer,
        }
    )

    assert ask("http://w/v1").operations == (("embeddings",) if is_spoken else ())


@pytest.mark.parametrize(
    ("said", "length"),
    [
        ({"max_model_len": 4096}, 4096),
        ({"context_length": 8192}, 8192),
        ({"meta": {"n_ctx": 2048}}, 2048),
        ({"max_model_len": 1, "context_length": 2, "meta": {"n_ctx": 3}}, 1),
        ({"context_length": 2, "meta": {"n_ctx": 3}}, 2),
        ({"max_model_len": None, "context_length": 2}, 2),
        ({"max_model_len": "4096"}, None),
        ({"max_model_len": 0}, None),
        ({"max_model_len": -1, "meta": {"n_ctx": 3}}, 3),
        ({"max_model_len": 2**31 - 1}, 2**31 - 1),
        ({"max_model_len": 2**31}, None),
        ({"meta": "n_ctx"}, None),
        ({"meta": {}}, None),
        ({}, None),
    ],
)
def test_context_length_is_read_where_each_engine_says_it(
    server: Tell, said: dict[str, Any], length: int | None
) -> None:
    server({"http://w/v1/models": (200, models({"id": "chat", **said}))})

    assert ask("http://w/v1").models[0].context_length == length


@pytest.mark.parametrize(
    ("owner", "engine"),
    [
        ("vllm", "vllm"),
        ("llamacpp", "llamacpp"),
        ("sglang", "sglang"),
        ("library", "ollama"),
        ("me", ""),
        (None, ""),
    ],
)
def test_engine_is_known_by_who_owns_its_models(
    server: Tell, owner: str | None, engine: str
) -> None:
    server({"http://w/v1/models": (200, models({"id": "chat", "owned_by": owner}))})

    assert ask("http://w/v1").models[0].engine == engine


def test_of_a_server_with_thousands_of_models_two_hundred_are_read(server: Tell) -> None:
    rows = [{"id": f"model-{number}"} for number in range(1000)]
    server({"http://w/v1/models": (200, models(*rows))})

    assert [one.name for one in ask("http://w/v1").models] == [f"model-{n}" for n in range(200)]


@pytest.mark.parametrize(
    ("names", "wished", "meant"),
    [
        (("chat", "embed"), "embed", "embed"),
        (("Org/Chat-7B",), "org/chat-7b", "Org/Chat-7B"),
        (("only",), "another", "only"),
        (("one", "two"), "three", None),
        ((), "chat", None),
    ],
)
def test_model_is_meant_by_its_name_or_by_being_the_only_one(
    names: tuple[str, ...], wished: str, meant: str | None
) -> None:
    found = Found("http://w/v1", tuple(map(Served, names)))

    best = found.best(wished)

    assert (best and best.name) == meant


def test_only_model_is_not_taken_for_another_where_the_name_is_asked() -> None:
    assert Found("http://w/v1", (Served("only"),)).named("another") is None
