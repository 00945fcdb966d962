"""Who may ask a gateway to ask its agents: whoever has the platform's keyring, and once."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

from inference.fleet.hop import wire
from inference.fleet.hop.host import HERE, HopHost, is_reachable
from inference.fleet.hop.proof import ASKING, Keys
from inference.fleet.hop.wire import Nonsense, Question
from inference.fleet.ports import WorkerFailed
from inference.fleet.tunnel.transport import TunnelTransport
from inference.tests.fleets import until
from inference.tests.hop_scene import RING, asking, place
from inference.tests.test_hop import Scene, scene

pytestmark = pytest.mark.anyio

STRANGERS = Keys(["another platform's"])
QUESTION = Question("agt_1", "mock", "/chat/completions", b"", 2)


class Raw:
    """A connection to the listener that says whatever a test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, made: Scene) -> Raw:
        path = made.other.address.removeprefix("unix:")
        return cls(*await asyncio.open_unix_connection(path))

    async def greeting(self, nonce: bytes) -> bytes:
        """Say HELLO, and return the other's nonce."""
        self.writer.write(wire.frame(wire.HELLO, nonce))
        said = await asyncio.wait_for(self._reader.readexactly(6 + 64), 5)
        return said[6:38]

    async def rest(self) -> bytes:
        """Read until the other end closes."""
        try:
            return await asyncio.wait_for(self._reader.read(), 5)
        except ConnectionResetError:
            return b""


def opening(keys: Keys, nonces: tuple[bytes, bytes], name: bytes = b"gtw_1") -> bytes:
    head = wire.question_bytes(QUESTION)
    proof = keys.prove(ASKING, *nonces, name, head)
    return wire.frame(wire.OPEN, proof + head) + wire.frame(wire.DATA, b"{}", wire.FIN)


async def test_asker_without_the_keyring_is_closed_counted_and_asks_nothing() -> None:
    async with scene() as made:
        raw, mine = await Raw.open(made), os.urandom(32)
        theirs = await raw.greeting(mine)
        raw.writer.write(opening(STRANGERS, (mine, theirs)))

        assert await raw.rest() == b""
        assert made.other.host.refused == {"forged": 1}
        assert made.streams == []
        raw.writer.close()


async def test_conversation_that_is_played_again_asks_nothing() -> None:
    async with scene() as made:
        raw, mine = await Raw.open(made), os.urandom(32)
        good = opening(Keys(RING), (mine, await raw.greeting(mine)))
        raw.writer.write(good)
        assert b"ok" in await _until_ok(raw)
        again = await Raw.open(made)
        await again.greeting(mine)
        again.writer.write(good)

        assert await again.rest() == b""
        assert made.other.host.refused == {"forged": 1}
        assert len(made.streams) == 1
        for each in (raw, again):
            each.writer.close()


async def test_second_question_on_one_connection_is_nonsense() -> None:
    async with scene() as made:
        raw, mine = await Raw.open(made), os.urandom(32)
        good = opening(Keys(RING), (mine, await raw.greeting(mine)))
        raw.writer.write(good + good)

        await raw.rest()
        assert made.other.host.refused == {"nonsense": 1}
        raw.writer.close()


async def _until_ok(raw: Raw) -> bytes:
    seen = b""
    while b"ok" not in seen:
        seen += await asyncio.wait_for(raw._reader.read(100), 5)
    return seen


@pytest.mark.parametrize(
    "said",
    [
        wire.frame(wire.OPEN, b"\0" * 90),
        wire.frame(wire.DATA, b"{}"),
        wire.frame(wire.HELLO, b"short"),
        wire.frame(wire.HELLO, b"n" * 32) * 2,
        wire.frame(wire.HELLO, b"n" * 32) + wire.frame(99),
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\x01\x00\xff\xff\xff\xff",
    ],
    ids=["no hello", "a body", "short", "twice", "unknown", "http", "too long"],
)
async def test_nonsense_is_closed_and_counted(said: bytes) -> None:
    async with scene() as made:
        raw = await Raw.open(made)
        raw.writer.write(said)
        await raw.rest()

        assert made.other.host.refused == {"nonsense": 1}
        raw.writer.close()


async def test_who_says_nothing_is_closed_and_a_crowd_of_them_at_once() -> None:
    async with scene() as made:
        host = made.other.host
        host.patience_s, host.unmet_max = 0.2, 2
        silent = [await Raw.open(made) for _ in range(3)]
        await until(lambda: host.refused.get("crowd") == 1)
        asker_within_the_crowd = made.ask()
        await until(lambda: host.refused.get("late") == 2)
        await asker_within_the_crowd.finished()

        assert (await made.ask().finished()).failure is not None  # It is passed over a moment.
        made.here.directory.replace([place(made.other.address, gateway="gtw_1")])
        for each in silent:
            assert await each.rest() == b""
            each.writer.close()


async def test_gateway_that_has_no_keyring_of_ours_is_told_nothing() -> None:
    async with scene(keys=STRANGERS) as made:
        asker = await made.ask().finished()

        assert str(asker.failure) == (
            "connect: the gateway with its link is not the gateway it should be"
        )
        assert made.streams == []
        assert made.other.host.running == 0


async def test_address_that_another_gateway_has_now_is_told_nothing() -> None:
    async with scene() as made:
        made.here.directory.replace([place(made.other.address, gateway="gtw_before")])
        asker = await made.ask().finished()

        assert asker.failure is not None
        assert "is not the gateway it should be" in str(asker.failure)
        assert made.streams == []


async def test_keyring_is_changed_as_documented_behind_the_present_key_first() -> None:
    async with scene(keys=Keys(["a newer key", *RING])) as made:
        assert (await made.ask().finished()).failure is not None
    async with scene(keys=Keys([*RING, "a newer key"])) as made:
        assert (await made.ask().finished()).status == 200


async def test_socket_is_for_this_user_alone_and_goes_with_the_gateway() -> None:
    async with scene() as made:
        path = Path(made.other.address.removeprefix("unix:"))
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert is_reachable(made.other.address)
        assert is_reachable("10.0.0.7:9400")

    assert not path.parent.exists()
    assert not is_reachable(made.other.address)


async def test_socket_lies_in_the_home_where_that_can_be_and_what_the_killed_left_goes(
    tmp_path: Path,
) -> None:
    left = tmp_path / "xt-hop-killed"
    left.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left / "s"))
    (tmp_path / "data").mkdir()
    nobody = TunnelTransport(asking().links)
    hosts = [HopHost(f"gtw_{n}", Keys(RING), nobody, lambda: False, 1) for n in range(3)]
    first, second = [await host.open(HERE, str(tmp_path)) for host in hosts[:2]]
    elsewhere = await hosts[2].open(HERE, str(tmp_path / ("long" * 30)))
    there = entries(tmp_path)

    assert all(is_reachable(address) for address in (first, second, elsewhere))
    assert (str(tmp_path) in first, str(tmp_path) in elsewhere) == (True, False)
    assert len(there) == 3
    assert "xt-hop-killed" not in there
    for host in hosts:
        host.close()
    assert entries(tmp_path) == ["data"]


def entries(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_parts_that_are_joined_another_way_are_signed_another_way() -> None:
    keys = Keys(RING)
    proof = keys.prove(ASKING, b"ab", b"c")

    assert keys.believe(proof, ASKING, b"ab", b"c")
    assert not keys.believe(proof, ASKING, b"a", b"bc")
    assert not keys.believe(proof, ASKING, b"abc")
    assert not keys.believe(b"", ASKING, b"ab", b"c")
    assert Keys(["new", *RING]).believe(proof, ASKING, b"ab", b"c")
    assert not Keys([]).are_there


def test_failure_and_head_are_read_as_they_were_written() -> None:
    failed = WorkerFailed("timeout", "ü" * 150, is_declined=True)
    reader = wire.Reader()
    reader.feed(wire.fail_frame(failed) + wire.headers_frame(200, [(b"a", b"b: c"), (b"d", b"")]))
    kind, flags, payload = reader.next() or (0, 0, b"")
    read = wire.read_fail(flags, payload)
    said = reader.next()

    assert (kind, read.reason, read.is_declined) == (wire.FAIL, "timeout", True)
    assert str(read).startswith("timeout: üü")
    assert said is not None
    assert wire.read_headers(said[2]) == (200, [(b"a", b"b: c"), (b"d", b"")])
    assert reader.next() is None


@pytest.mark.parametrize(
    "read",
    [
        lambda: wire.read_fail(0, b""),
        lambda: wire.read_fail(0, b"\x09"),
        lambda: wire.read_headers(b"\0"),
        lambda: wire.read_credit(b"\0"),
        lambda: wire.read_greeting(b"\0"),
        lambda: wire.read_question(b"\xff"),
    ],
    ids=["no reason", "no such reason", "no status", "no offset", "no proof", "no request"],
)
def test_what_is_malformed_is_nonsense_and_nothing_else(read: object) -> None:
    with pytest.raises(Nonsense):
        read()  # type: ignore[operator] # why: a parametrised callable


def test_bytes_are_cut_into_the_same_frames_however_they_arrive() -> None:
    said = b"".join(wire.data_frames(b"z" * 150_000, is_last=True)) + wire.credit_frame(7)
    whole, single = wire.Reader(), wire.Reader()
    whole.feed(said)
    frames = []
    for at in range(0, len(said), 7_001):
        single.feed(said[at : at + 7_001])
        while (found := single.next()) is not None:
            frames.append(found)

    assert frames == [whole.next() for _ in frames]
    assert whole.next() is None
    assert [len(payload) for _, _, payload in frames] == [65536, 65536, 18928, 8]
    assert [flags for _, flags, _ in frames] == [0, 0, wire.FIN, 0]
