"""Keys on two gateways that share nothing but Valkey: both hear of every change to a key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clock import Stopwatch
from tests.plane.caller import request
from tests.plane.conftest import Hire
from tests.plane.test_news import REVOKED_WITHIN_S, ask, second_gateway
from tests.plane.workers import answer, completion
from tests.plane.world import ASK, CHAT, KEY, World, make_key

pytestmark = pytest.mark.anyio

OLD, NEW = KEY, make_key(2)
GRACE_S = 2.0
PROXY = "10.0.0.7"


@pytest.fixture
async def ports(world: World, hire: Hire, tmp_path: Path) -> AsyncIterator[tuple[int, int]]:
    """Run two gateways behind a proxy that both trust, this machine and one more."""
    await hire([answer(completion())])
    trusted = {"XEROTIER_TRUSTED_PROXIES": f"127.0.0.1,{PROXY}"}
    async with (
        second_gateway(tmp_path / "one", **trusted) as one,
        second_gateway(tmp_path / "two", **trusted) as two,
    ):
        yield one, two


async def statuses(ports: tuple[int, int], key: str, forwarded: str = "") -> list[int]:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    heard = [await ask(port, request(CHAT, ASK, key=key, headers=headers)) for port in ports]
    return [one.status for one in heard]


async def test_both_secrets_work_in_the_grace_and_the_old_one_ends_by_itself(
    ports: tuple[int, int], world: World
) -> None:
    assert await statuses(ports, OLD) == [200, 200]
    ends_at = time.time() + GRACE_S
    world.grant(NEW, secret_id=2)
    world.grant(OLD, version=2, secret_id=1, expires_at=ends_at)

    while time.time() < ends_at - GRACE_S / 2:
        said = [*await statuses(ports, OLD), *await statuses(ports, NEW)]
        if time.time() < ends_at:
            assert said == [200] * 4
    # From here on nobody publishes anything: the end is in the grant itself.
    await asyncio.sleep(max(ends_at - time.time(), 0) + 0.01)

    assert await statuses(ports, OLD) == [401, 401]
    assert await statuses(ports, NEW) == [200, 200]


async def test_revoked_key_stops_on_both_within_a_second(
    ports: tuple[int, int], world: World
) -> None:
    assert await statuses(ports, KEY) == [200, 200]

    world.grant(version=2, gone=True)
    revoked = Stopwatch()
    while await statuses(ports, KEY) != [401, 401]:
        assert revoked.seconds() < REVOKED_WITHIN_S


RULES = [
    pytest.param({"ip_allow": ("198.51.100.0/24",)}, "198.51.100.9", 200, id="allowed v4"),
    pytest.param({"ip_allow": ("198.51.100.0/24",)}, "203.0.113.9", 403, id="not allowed v4"),
    pytest.param({"ip_allow": ("2001:db8::/32",)}, "2001:db8::9", 200, id="allowed v6"),
    pytest.param({"ip_allow": ("2001:db8::/32",)}, "2001:db9::9", 403, id="not allowed v6"),
    pytest.param({"ip_block": ("198.51.100.9",)}, "198.51.100.9", 403, id="blocked v4"),
    pytest.param({"ip_block": ("198.51.100.9",)}, "198.51.100.8", 200, id="beside the block"),
    pytest.param({"ip_block": ("2001:db8::/32",)}, "2001:db8::9", 403, id="blocked v6"),
    pytest.param({"ip_block": ("198.51.100.9",)}, "::ffff:198.51.100.9", 403, id="mapped"),
    pytest.param(
        {"ip_allow": ("198.51.100.0/24",), "ip_block": ("198.51.100.9",)},
        "198.51.100.9",
        403,
        id="a block within what is allowed",
    ),
    pytest.param(
        {"ip_allow": ("198.51.100.0/24",)}, "198.51.100.9, 203.0.113.9", 403, id="a lie in front"
    ),
    pytest.param(
        {"ip_allow": ("198.51.100.0/24",)}, f"198.51.100.9, {PROXY}", 200, id="a second proxy"
    ),
]


async def test_rules_bind_the_caller_whom_the_trusted_proxy_names(
    ports: tuple[int, int], world: World
) -> None:
    for number, case in enumerate(RULES, start=10):
        changes, forwarded, status = case.values
        key = make_key(number)
        world.grant(key, **changes)  # type: ignore[arg-type] # why: a case is a plain tuple

        assert await statuses(ports, key, str(forwarded)) == [status, status], case.id


async def test_word_of_a_caller_who_is_no_proxy_changes_nothing(
    world: World, hire: Hire, tmp_path: Path
) -> None:
    worker = await hire([answer(completion())])
    world.grant(version=2, ip_allow=("198.51.100.0/24",))
    lies = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "X_Forwarded_For", "CF-Connecting-IP")

    async with second_gateway(tmp_path, XEROTIER_TRUSTED_PROXIES="10.0.0.7") as port:
        for name in lies:
            value = "for=198.51.100.9" if name == "Forwarded" else "198.51.100.9"
            heard = await ask(port, request(CHAT, ASK, key=KEY, headers={name: value}))
            assert (heard.status, heard.error["code"]) == (403, "ip_not_allowed"), name

    assert worker.asked == []
