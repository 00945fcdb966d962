"""The plane is tested on the event loop that production has; what might differ, on both."""

from __future__ import annotations

import asyncio

import pytest

from tests.plane.conftest import LOOPS, Running

pytestmark = pytest.mark.anyio

KINDS = {"uvloop": "uvloop", "asyncio": "asyncio.unix_events"}


async def test_test_runs_on_the_loop_it_names(request: pytest.FixtureRequest) -> None:
    wanted = next(kind for kind in KINDS if kind in request.node.name)

    assert type(asyncio.get_running_loop()).__module__ == KINDS[wanted]


async def test_server_would_choose_the_first_of_them(running: Running) -> None:
    factory = running.server.config.get_loop_factory()

    assert factory is not None
    loop = factory()
    loop.close()
    assert type(loop).__module__ == LOOPS[0].id
