"""What is guarded: several engines are one machine: who is asked, and what is told of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from link_scene import agent_of, node_for, stand_at
from scripted_gateway import Gateway
from xim.cli import engines, options
from xim.engines.seen import Load, Model, Seen
from xim.faults import Stop
from xim.link.frames import Code
from xim.link.messages import Ask
from xim.serve.places import Refusal
from xim.serve.stands import Stand, load_of, models_of, pick
from xim.web.server import Asked, Handler, Port, Reply


def ask(model: str) -> Ask:
    return Ask("POST" if model else "GET", "/models", b"", 0, "req_1", 1000, model, b"", whole=True)


def stand(*models: str, slots: int = 2, running: int = 0, trouble: str = "") -> Stand:
    made = stand_at(1, slots=slots, models=models)
    made.places.by_model.update(dict.fromkeys(models[:1], running))
    if trouble:
        made.seen = Seen(trouble=trouble)
    return made


def test_request_goes_to_the_engine_that_has_its_model() -> None:
    chat, embed = stand("chat"), stand("embed")

    assert pick(ask("chat"), [chat, embed], drains=False) is chat
    assert pick(ask("embed"), [chat, embed], drains=False) is embed


def test_of_two_engines_with_one_model_the_one_with_more_room_is_asked() -> None:
    busier, freer = stand("chat", slots=2, running=1), stand("chat", slots=8, running=2)

    assert pick(ask("chat"), [busier, freer], drains=False) is freer


def test_engine_in_trouble_takes_nothing_while_another_has_the_model() -> None:
    broken, sound = stand("chat", trouble="it is away"), stand("chat", slots=1)

    assert pick(ask("chat"), [broken, sound], drains=False) is sound


@pytest.mark.parametrize(
    ("stands", "code"),
    [
        ([stand("chat", slots=1, running=1), stand("embed")], Code.BUSY),
        ([stand("other"), stand("embed")], Code.UNKNOWN_MODEL),
        ([stand("other"), stand("chat", trouble="it is away")], Code.UNREACHABLE),
    ],
    ids=["full", "unknown", "away"],
)
def test_reason_that_is_told_is_that_of_whoever_knows_best(stands: list[Stand], code: Code) -> None:
    for order in (stands, stands[::-1]):
        picked = pick(ask("chat"), order, drains=False)

        assert isinstance(picked, Refusal)
        assert picked.code is code


def test_machine_lives_while_one_of_its_engines_does() -> None:
    broken, sound = stand("chat", trouble="it is away"), stand("embed")

    assert pick(ask(""), [broken, sound], drains=False) is sound


def test_machine_that_leaves_takes_nothing_on_any_engine() -> None:
    picked = pick(ask("chat"), [stand("chat"), stand("chat")], drains=True)

    assert isinstance(picked, Refusal)
    assert picked.code is Code.DRAINING


def test_model_of_two_engines_is_told_once_and_as_ready_if_one_has_it_ready() -> None:
    loading, ready = stand("chat", running=1), stand("chat", "embed", running=2)
    loading.seen = Seen(models=(Model("chat", "loading"),))

    told = {one["name"]: one for one in models_of([loading, ready])}

    assert list(told) == ["chat", "embed"]
    assert (told["chat"]["status"], told["chat"]["running"]) == ("ready", 3)
    assert told["embed"]["running"] == 0


def test_load_is_added_up_and_the_fullest_memory_counts() -> None:
    first, second, silent = stand("a", running=1), stand("b"), stand("c", running=2)
    first.seen = Seen(first.seen.models, Load(running=5, waiting=1, kv=0.2, tokens=100.0))
    second.seen = Seen(second.seen.models, Load(running=0, waiting=2, kv=0.9, tokens=50.0))
    silent.count.events = 7

    assert load_of([first, second, silent]) == Load(running=7, waiting=3, kv=0.9, tokens=157.0)
    assert load_of([silent]).kv is None


def answering(words: str, *models: str) -> Handler:
    """Return an engine that says one thing to everybody."""

    async def serve(asked: Asked, reply: Reply) -> None:
        listed = {"data": [{"id": name} for name in models]}
        await reply.json(200, listed if asked.path == "/v1/models" else {"said": words})

    return serve


@pytest.mark.anyio
async def test_two_engines_answer_over_one_link_each_for_its_own_model() -> None:
    gateway = Gateway()
    async with (
        gateway.open(),
        Port(answering("a", "chat")).open("127.0.0.1", 0) as first,
        Port(answering("b", "embed")).open("127.0.0.1", 0) as second,
    ):
        node = node_for(first, models=())
        node.stands.append(stand_at(second, models=()))
        async with agent_of(gateway, node) as agent, asyncio.timeout(60):
            peer = await agent.peer()
            await node.look()
            await peer.until(lambda: len(peer.states[-1]["models"]) == 2)
            heard = []
            for model in ("embed", "chat"):
                body = json.dumps({"model": model}).encode()
                heard.append(await peer.over(await peer.open(body, model=model)))

    assert [json.loads(one.body)["said"] for one in heard] == ["b", "a"]
    assert peer.states[-1]["slots"] == 16
    assert peer.states[-1]["engine"]["kind"] == "sim"


def read(**said: str) -> list[tuple[str, str, str, str, int]]:
    given = ((f"--{name.replace('_', '-')}", value) for name, value in said.items())
    told = options.parser({}).parse_args(["run", *(word for pair in given for word in pair)])
    return [(one.kind, one.url, one.key, one.task, one.slots) for one in engines.read(told)]


def test_several_engines_are_named_with_commas_between(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret\n")

    found = read(
        engine="vllm, openai=http://127.0.0.1:8001/v1",
        engine_key_file=f",{key}",
        task="generate,embed",
        slots="8",
    )

    assert found == [
        ("vllm", "", "", "generate", 8),
        ("openai", "http://127.0.0.1:8001/v1", "secret", "embed", 8),
    ]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"engine": "vlm"}, "there is no kind “vlm”"),
        ({"engine": "vllm,"}, "there is no kind “”"),
        ({"engine": "vllm,sglang", "engine_url": "http://a/v1"}, "of the only engine"),
        ({"engine": "vllm=http://a/v1", "engine_url": "http://b/v1"}, "of the only engine"),
        ({"engine": "vllm,openai=ftp://a"}, "--engine: ftp://a is no"),
        ({"engine": "vllm,openai"}, "needs --engine-url"),
        ({"engine": "vllm,sglang", "slots": "1,2,3"}, "--slots has 3 values for 2 engines"),
        ({"engine": "vllm,sglang", "slots": "1,x"}, "not “x”"),
        ({"engine": "vllm", "task": "paint"}, "there is no “paint”"),
        ({"engine": "llamacpp,llamacpp", "gguf": "x"}, "without an address"),
    ],
)
def test_engines_that_do_not_go_together_are_one_sentence(said: dict[str, str], words: str) -> None:
    with pytest.raises(Stop, match=words):
        read(**said)
