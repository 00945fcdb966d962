"""A worker whose URL a tenant typed is called at public addresses, and nowhere else."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inference.contracts.addresses import Reach, networks
from inference.contracts.entries import Worker
from inference.fleet.fleet import Fleet
from inference.fleet.http.client import HttpTransport
from inference.fleet.http.config import HttpConfig
from inference.fleet.http.lookups import NAMES_MAX, Lookups
from inference.http.lines import extra_lines
from inference.tests.asker import Asker
from inference.tests.certificates import authority
from inference.tests.fleets import LOOPS, PATH, bearer, until
from inference.tests.upstream import Line, Upstream, always, answer, upstream
from tests.addresses import HOSTILE, NAMES_OF_THIS_MACHINE, answering

pytestmark = pytest.mark.anyio
HERE = Reach(networks(["127.0.0.0/8"]))
NAME = "models.example"
OK = always(answer(b"ok"))
Names = Callable[..., list[str]]


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Answer look-ups with these addresses, another row each time; return who was looked up."""

    def tell(*answers: list[str]) -> list[str]:
        look_up, asked = answering(*answers)
        monkeypatch.setattr("inference.fleet.http.lookups.socket.getaddrinfo", look_up)
        return asked

    return tell


@contextmanager
def guarded(config: HttpConfig | None = None) -> Iterator[Fleet]:
    """Open a fleet whose tenants may call this machine, as far as it is told so."""
    client = Fleet([HttpTransport(bearer, config or HttpConfig(tenants_reach=HERE))])
    try:
        yield client
    finally:
        client.close()


@asynccontextmanager
async def listening(**how: Any) -> AsyncIterator[Upstream]:
    async with upstream(OK, **how) as up:
        yield up


def tenants(up: Upstream, host: str = NAME, credential: str = "") -> Worker:
    """Return the server as a tenant's worker: under a name."""
    url = up.url.replace("127.0.0.1", host, 1)
    return replace(up.worker(credential=credential), url="", tenant_url=url)


async def fetch(client: Fleet, worker: Worker) -> Asker:
    asker = Asker()
    client.ask(worker, PATH, extra_lines([]), b"{}", asker)
    return await asker.finished()


def why(asker: Asker) -> str:
    assert asker.failure is not None
    assert asker.failure.reason == "connect"
    return str(asker.failure)


@pytest.mark.parametrize("host", NAMES_OF_THIS_MACHINE)
async def test_this_machine_is_reached_under_none_of_its_names(host: str) -> None:
    with guarded(HttpConfig()) as client:
        async with listening() as up:
            assert "may not be called" in why(await fetch(client, tenants(up, host)))

    assert not up.lines


@pytest.mark.parametrize(("address", "kind"), HOSTILE)
async def test_name_that_leads_to_no_public_address_is_called_by_nobody(
    names: Names, address: str, kind: str
) -> None:
    names(["8.8.8.8", address])
    with guarded(HttpConfig()) as client:
        worker = Worker("w1", "", "mock", (), tenant_url=f"http://{NAME}/v1")

        assert kind in why(await fetch(client, worker))


async def test_operators_worker_may_be_anywhere() -> None:
    with guarded(HttpConfig()) as client:
        async with listening() as up:
            assert (await fetch(client, up.worker())).body == b"ok"


@pytest.mark.parametrize("rows", [["127.0.0.1", "10.0.0.5"], ["10.0.0.5", "127.0.0.1"]])
async def test_one_address_that_is_not_allowed_spoils_the_name(
    names: Names, rows: list[str]
) -> None:
    names(rows)
    with guarded() as client:
        async with listening() as up:
            assert "10.0.0.5 is private" in why(await fetch(client, tenants(up)))

    assert not up.lines


async def test_second_answer_of_a_name_is_heard_by_no_connection_that_is_open(
    names: Names,
) -> None:
    asked = names(["127.0.0.1"], ["10.0.0.5"])
    with guarded() as client:
        async with listening() as up:
            worker = tenants(up)
            bodies = [(await fetch(client, worker)).body for _ in range(3)]
            up.lines[0].writer.transport.abort()
            await until(lambda: not client.stats().open_connections)
            later = why(await fetch(client, worker))

    # One look-up for one connection, however many requests it has; the next is judged anew.
    assert bodies == [b"ok"] * 3
    assert len(up.lines) == 1
    assert asked == [NAME, NAME]
    assert "10.0.0.5 is private" in later


async def test_next_address_of_a_name_is_tried_where_the_first_refuses(names: Names) -> None:
    names(["127.0.0.2", "127.0.0.1"])
    with guarded() as client:
        async with listening() as up:
            asker = await fetch(client, tenants(up))

    assert asker.body == b"ok"
    assert f"\r\nHost: {NAME}:".encode() in up.lines[0].requests[0]


async def test_peer_that_is_another_than_was_judged_is_told_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Elsewhere(socket.socket):
        def getpeername(self) -> Any:
            return ("169.254.169.254", 80)

    with guarded() as client:
        async with listening() as up:
            monkeypatch.setattr("inference.fleet.http.dialling.socket.socket", Elsewhere)
            said = why(await fetch(client, tenants(up, "127.0.0.1", "s3cret")))
            monkeypatch.undo()

    assert "169.254.169.254 was reached instead of 127.0.0.1" in said
    assert not any(line.requests for line in up.lines)


async def test_redirect_is_an_answer_and_is_not_followed() -> None:
    async with listening() as goal:
        extra = f"Location: {goal.url}\r\n".encode()
        moved = always(answer(b"", status=b"302 Found", extra=extra))
        with guarded() as client:
            async with upstream(moved) as up:
                asker = await fetch(client, tenants(up, "127.0.0.1"))

        assert asker.status == 302
        assert not goal.lines


async def test_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as proxy, listening() as up:
        for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(variable, proxy.url)
        with guarded() as client:
            assert (await fetch(client, tenants(up, "127.0.0.1"))).body == b"ok"

        assert not proxy.lines


async def test_credential_is_told_in_the_clear_to_nobody_in_public(names: Names) -> None:
    names(["8.8.8.8"])
    worker = Worker("w1", "", "mock", (), "s3cret", tenant_url=f"http://{NAME}/v1")
    with guarded() as client:
        assert "could be read on the way" in why(await fetch(client, worker))


@pytest.mark.parametrize("port", [22, 25, 6379])
async def test_port_of_what_speaks_no_http_is_not_called(port: int) -> None:
    worker = Worker("w1", "", "mock", (), tenant_url=f"http://127.0.0.1:{port}/v1")
    with guarded() as client:
        assert f"port {port} is none" in why(await fetch(client, worker))


async def test_certificate_is_held_against_the_name_that_was_typed(
    names: Names, tmp_path: Path
) -> None:
    names(["127.0.0.1"])
    ours = authority(tmp_path)
    said: list[str | None] = []
    tls = ours.server(NAME)
    tls.sni_callback = lambda _sock, name, _context: said.append(name)
    with guarded(HttpConfig(tls=ours.trust(), tenants_reach=HERE)) as client:
        async with listening(tls=tls) as up:
            good = await fetch(client, tenants(up, NAME, "s3cret"))
            bad = await fetch(client, tenants(up, "another.example", "s3cret"))

    assert good.body == b"ok"
    assert "certificate verify failed" in why(bad).lower()
    assert said == [NAME, "another.example"]
    assert sum(len(line.requests) for line in up.lines) == 1


async def test_workers_of_two_tenants_share_no_connection_to_the_same_host() -> None:
    with guarded() as client:
        async with listening() as up:
            first = tenants(up, "127.0.0.1", "hers")
            second = replace(first, worker_id="w2", credential="his")
            for worker in (first, second, first, second):
                await fetch(client, worker)

    heads = [[b"hers" in one for one in line.requests] for line in up.lines]
    assert heads == [[True, True], [False, False]]


async def test_name_that_hangs_holds_up_itself_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()
    honest, asked = socket.getaddrinfo, []

    def hang(host: str, *rest: Any, **more: Any) -> Any:
        asked.append(host)
        if host == NAME:
            over.wait(60)
        return honest("127.0.0.1", *rest, **more)

    monkeypatch.setattr("inference.fleet.http.lookups.socket.getaddrinfo", hang)
    quick = HttpConfig(tenants_reach=HERE, connect_timeout_s=0.2)
    try:
        with guarded(quick) as client:
            async with listening() as up:
                stuck = await asyncio.gather(*(fetch(client, tenants(up)) for _ in range(3)))
                other = await fetch(client, tenants(up, "other.example"))
    finally:
        over.set()

    assert [why(one) for one in stuck] == ["connect: no connection within 0.2 s"] * 3
    assert other.body == b"ok"
    # Three requests wait for one thread.
    assert asked == [NAME, "other.example"]


async def test_no_more_names_are_looked_up_at_a_time_than_agreed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()

    def hang(*_: Any, **__: Any) -> list[Any]:
        over.wait(60)
        return []

    monkeypatch.setattr("inference.fleet.http.lookups.socket.getaddrinfo", hang)
    lookups = Lookups(asyncio.get_running_loop())
    waiting = [asyncio.ensure_future(lookups.places(f"n{n}", 80)) for n in range(NAMES_MAX)]
    try:
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="too many names"):
            await lookups.places("one.more", 80)
    finally:
        over.set()
    assert await asyncio.gather(*waiting) == [()] * NAMES_MAX


async def test_name_that_nobody_has_is_a_failure_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("inference.fleet.http.lookups.socket.getaddrinfo", fail)
    worker = Worker("w1", "", "mock", (), tenant_url=f"http://{NAME}/v1")
    with guarded() as client:
        assert "Name or service not known" in why(await fetch(client, worker))


async def test_request_that_is_given_up_leaves_nothing_open() -> None:
    async def silent(line: Line) -> None:
        await line.gone()

    with guarded() as client:
        async with upstream(silent) as up:
            asker = Asker()
            worker = tenants(up, "127.0.0.1")
            call = client.ask(worker, PATH, extra_lines([]), b"{}", asker)
            await until(lambda: bool(up.lines))
            call.abort()
            await until(lambda: not client.stats().open_connections)

    assert asker.calls == []
