"""What anyone may ask, and what every answer says: health, HEAD, OPTIONS, keys, plain fields."""

from __future__ import annotations

import pytest

from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, until
from tests.plane.workers import answer, completion
from tests.plane.world import ASK, CHAT, KEY, PROJECT, World, make_key

pytestmark = pytest.mark.anyio

MODELS = CHAT.replace("chat/completions", "models")
HEALTH = f"/{PROJECT}/chat/health"


async def head_of(running: Running, path: str, **options: object) -> tuple[int, dict[str, str]]:
    caller = await running.connect()
    await caller.send(request(path, method="HEAD", **options))  # type: ignore[arg-type] # why: as given
    heard = await caller.head()
    await caller.send(request("/healthz", method="GET"))
    after = await caller.answer()
    assert (after.status, after.body[:1]) == (200, b"{")
    return heard.status, dict(heard.headers)


@pytest.mark.parametrize("path", [MODELS, f"{MODELS}/small", f"{MODELS}/other", HEALTH])
@pytest.mark.parametrize("key", [KEY, None])
async def test_head_is_get_without_a_body(
    running: Running, hire: Hire, path: str, key: str | None
) -> None:
    await hire([answer(completion())])
    asked = await running.ask(request(path, method="GET", key=key))

    status, fields = await head_of(running, path, key=key)

    assert (status, fields["content-length"]) == (asked.status, str(len(asked.body)))
    assert fields["content-type"] == asked.header("content-type")
    assert fields["x-request-id"].startswith("req_")


async def test_health_says_whether_a_live_worker_serves_it_and_nothing_else(
    running: Running, hire: Hire, world: World
) -> None:
    async def health(path: str = HEALTH) -> tuple[int, bytes]:
        heard = await running.ask(request(path, method="GET"))
        return heard.status, heard.body

    nobody = await health()
    await hire([answer(completion())])
    served = await health()
    running.gateway.health.put_out("wrk_0")
    dead = await health()
    running.gateway.health.let_in("wrk_0")
    world.route(version=2, paused=True)
    paused = await health()
    world.route(version=3, gone=True)
    gone = await health()
    never = await health(f"/{PROJECT}/never/health")

    unserved, unknown = (503, b'{"status":"unavailable"}'), (404, b'{"status":"unknown"}')
    assert served == (200, b'{"status":"ok"}')
    assert (nobody, dead, paused) == (unserved,) * 3
    assert (gone, never) == (unknown,) * 2
    assert world.events() == []


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [
        (CHAT, "GET", "POST, OPTIONS"),
        (CHAT, "DELETE", "POST, OPTIONS"),
        (MODELS, "POST", "GET, HEAD, OPTIONS"),
        (HEALTH, "POST", "GET, HEAD, OPTIONS"),
    ],
)
async def test_wrong_method_is_told_the_right_ones(
    running: Running, path: str, method: str, allow: str
) -> None:
    heard = await running.ask(request(path, method=method, key=KEY))

    assert (heard.status, heard.header("allow")) == (405, allow)


async def test_every_401_names_the_scheme(running: Running) -> None:
    for key in (None, "nonsense", make_key(9)):
        heard = await running.ask(request(CHAT, ASK, key=key))

        assert (heard.status, heard.header("www-authenticate")) == (401, "Bearer")


@pytest.mark.parametrize("name", ["api-key", "x-api-key", "X-API-Key"])
async def test_key_may_come_as_other_clouds_clients_send_it(
    running: Running, hire: Hire, name: str
) -> None:
    worker = await hire([answer(completion())])
    caller = await running.connect()

    said = []
    for _ in range(4):
        await caller.send(request(CHAT, ASK, headers={name: KEY}))
        said.append((await caller.answer()).status)

    assert said == [200] * 4
    assert all(
        asked.header("x-api-key") is asked.header("api-key") is None for asked in worker.asked
    )


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param({"x-api-key": KEY, "api-key": KEY}, 200, id="twice the same"),
        pytest.param({"x-api-key": KEY, "api-key": make_key(9)}, 401, id="two different ones"),
        pytest.param(
            {"x-api-key": make_key(9), "Authorization": f"Bearer {KEY}"}, 200, id="bearer"
        ),
        pytest.param({"x-api-key": KEY, "Authorization": "Basic eA=="}, 401, id="another scheme"),
        pytest.param({"x-api-key": "sk-1"}, 401, id="malformed"),
    ],
)
async def test_two_keys_are_never_a_choice(
    running: Running, hire: Hire, fields: dict[str, str], status: int
) -> None:
    await hire([answer(completion())])

    assert (await running.ask(request(CHAT, ASK, headers=fields))).status == status


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        (f"/{PROJECT}/chat/v1", "base URL"),
        (f"/{PROJECT}/chat/v1/", "base URL"),
        (f"/{PROJECT}/chat/v1//chat/completions", f"Did you mean {CHAT}?"),
    ],
)
async def test_wrong_base_urls_are_told_the_right_one(
    running: Running, path: str, hint: str
) -> None:
    heard = await running.ask(request(path, ASK, key=KEY))

    assert heard.status in {400, 404}
    assert hint in heard.error["message"]


async def test_workers_page_never_becomes_one_of_ours(running: Running, hire: Hire) -> None:
    await hire([answer(b"<script>", status=400, content_type="text/html")], [answer(completion())])

    page, plain = [await running.ask(request(CHAT, ASK, key=KEY)) for _ in range(2)]

    assert (
        page.header("x-content-type-options") == plain.header("x-content-type-options") == "nosniff"
    )
    assert page.header("content-security-policy") == "sandbox; default-src 'none'"
    assert plain.header("content-security-policy") is None


async def test_what_is_refused_while_it_is_read_is_counted_and_told_by_its_id(
    running: Running, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    heard = [await running.ask(b"nonsense\r\n\r\n") for _ in range(12)]
    shown = (await running.ask(request("/metrics", method="GET"))).body.decode()
    running.gateway.log.flush()
    told = capfdbinary.readouterr().out.decode()

    assert 'xerotier_turned_away_total{status="400"} 12.0' in shown
    assert (heard[0].header("x-request-id") or "nothing") in told
    assert told.count("request_turned_away") <= 20
    await until(lambda: not running.gateway.plane.running)
