"""A page of another origin may read what its project's or the platform's list lets it (CORS)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inference.contracts.origins import is_origin
from inference.exchange.config import PlaneConfig
from tests.plane.caller import Heard, request
from tests.plane.conftest import Hire, Running, serve, until
from tests.plane.workers import DONE, answer, completion, delta, stream
from tests.plane.world import ASK, CHAT, KEY, STREAM, World, make_key

pytestmark = pytest.mark.anyio

APP = "https://app.example.org"
FROM_APP = {"Origin": APP}
WANTED = "authorization,content-type,x-stainless-lang,x-stainless-runtime-version"
PREFLIGHT = {
    **FROM_APP,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": WANTED,
}
MODELS = CHAT.replace("chat/completions", "models")


def may_read(heard: Heard) -> bool:
    exposed = heard.header("access-control-expose-headers") or ""
    assert heard.header("access-control-allow-credentials") is None
    if heard.header("access-control-allow-origin") is None:
        assert not exposed
        return False
    assert {"x-request-id", "retry-after", "x-ratelimit-reset-tokens"} <= set(exposed.split(", "))
    return True


async def list_origins(running: Running, world: World, version: int, *origins: str) -> None:
    """List a project's origins, and wait until the gateway has heard of it."""
    tables = running.gateway.plane.tables
    before = tables.generation
    world.route(version=version, origins=origins)
    await until(lambda: tables.generation > before)


async def test_preflight_needs_no_key_and_takes_every_field_that_is_named(
    running: Running, world: World
) -> None:
    world.route(version=2, origins=(APP,))

    heard = await running.connect()
    await heard.send(request(CHAT, method="OPTIONS", headers=PREFLIGHT))
    said = await heard.head()

    assert (said.status, said.header("content-length")) == (204, None)
    assert said.header("transfer-encoding") is None
    assert said.header("access-control-allow-origin") == APP
    assert said.header("vary") == "Origin"
    assert said.header("access-control-allow-headers") == WANTED
    assert said.header("access-control-allow-methods") == said.header("allow") == "POST, OPTIONS"
    assert int(said.header("access-control-max-age") or 0) >= 600
    await heard.send(request("/healthz", method="GET"))
    assert (await heard.answer()).status == 200


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(request(CHAT, ASK, key=KEY, headers=FROM_APP), id="an answer"),
        pytest.param(request(CHAT, STREAM, key=KEY, headers=FROM_APP), id="a stream"),
        pytest.param(request(MODELS, method="GET", key=KEY, headers=FROM_APP), id="the models"),
        pytest.param(request(CHAT, ASK, headers=FROM_APP), id="no key"),
        pytest.param(request(CHAT, ASK, key=make_key(9), headers=FROM_APP), id="unknown key"),
        pytest.param(request(CHAT, b"{", key=KEY, headers=FROM_APP), id="bad body"),
        pytest.param(
            request(CHAT.replace("chat/c", "audio/c"), ASK, key=KEY, headers=FROM_APP), id="404"
        ),
    ],
)
async def test_answers_and_errors_are_for_the_pages_that_are_listed_and_for_no_other(
    running: Running, hire: Hire, world: World, asked: bytes
) -> None:
    await hire(stream(delta("Pa"), DONE) if asked.find(b'"stream"') > 0 else [answer(completion())])

    unlisted = await running.ask(asked)
    await list_origins(running, world, 2, "https://other.example.org")
    other = await running.ask(asked)
    await list_origins(running, world, 3, "https://other.example.org", APP)
    listed = await running.ask(asked)

    assert [may_read(heard) for heard in (unlisted, other, listed)] == [False, False, True]
    assert listed.header("access-control-allow-origin") == APP


async def test_stranger_page_learns_nothing_from_a_preflight(running: Running) -> None:
    caller = await running.connect()
    await caller.send(request(CHAT, method="OPTIONS", headers=PREFLIGHT))
    heard = await caller.head()

    assert (heard.status, heard.header("allow")) == (204, "POST, OPTIONS")
    assert not any(name.startswith("access-control") for name, _ in heard.headers)


@pytest.mark.parametrize("listed", ["*", APP])
async def test_operators_list_holds_for_every_project(
    config: PlaneConfig, world: World, hire: Hire, listed: str
) -> None:
    await hire([answer(completion())])

    async with serve(replace(config, origins=(listed,))) as running:
        heard = await running.ask(request(CHAT, ASK, key=KEY, headers=FROM_APP))
        refused = await running.ask(request(CHAT, ASK, headers=FROM_APP))
        wrong = await running.ask(request(CHAT, method="GET", headers=FROM_APP))

    assert [may_read(said) for said in (heard, refused, wrong)] == [True] * 3
    assert heard.header("access-control-allow-origin") == listed


async def test_connection_that_sends_a_known_head_keeps_its_fields(
    running: Running, hire: Hire, world: World
) -> None:
    world.route(version=2, origins=(APP,))
    await hire([answer(completion())])
    caller = await running.connect()

    said = []
    for _ in range(5):
        await caller.send(request(CHAT, ASK, key=KEY, headers=FROM_APP))
        said.append(may_read(await caller.answer()))
    world.route(version=3)
    await caller.send(request(CHAT, ASK, key=KEY, headers=FROM_APP))

    assert said == [True] * 5
    assert not may_read(await caller.answer())


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("*", True),
        ("http://localhost:5173", True),
        ("tauri://localhost", True),
        ("https://[::1]:8000", True),
        ("https://app.example.org/", False),
        ("HTTPS://app.example.org", False),
        ("app.example.org", False),
        ("null", False),
        ("https://a b", False),
        ("https://a\r\nx", False),
        ("", False),
    ],
)
def test_origins_are_taken_as_browsers_write_them(text: str, is_one: bool) -> None:
    assert is_origin(text) is is_one
