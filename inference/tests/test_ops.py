"""Who may read the metrics, and what a folder of counts holds after a start."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from inference.edges.asgi import PEER
from inference.exchange.config import PlaneConfig
from inference.gateway.ops import Readers
from inference.telemetry.scrape import Snapshots

TOKEN = b"a-token-of-twenty-characters"
DEAD = 2**22 + 1
"""No process has this number: Linux gives none above 2^22."""


def scope(client: str | None, *headers: tuple[bytes, bytes], **peer: Any) -> dict[str, Any]:
    """Return what a server says of a request; ``peer`` is what ours adds."""
    extensions = {PEER: peer} if peer else {}
    where = (client, 1) if client else None
    return {"client": where, "headers": list(headers), "extensions": extensions}


FORWARDED = (b"x-forwarded-for", b"203.0.113.7")
BEARER = (b"authorization", b"Bearer " + TOKEN)


@pytest.mark.parametrize(
    ("asked", "may"),
    [
        pytest.param(scope("127.0.0.1"), True, id="this machine"),
        pytest.param(scope("::1"), True, id="this machine over v6"),
        pytest.param(scope("10.0.0.9"), False, id="a stranger"),
        pytest.param(scope(None), False, id="nobody knows who"),
        pytest.param(scope("127.0.0.1", FORWARDED), False, id="a proxy on this machine"),
        pytest.param(scope("127.0.0.1", (b"forwarded", b"for=x")), False, id="in the other words"),
        pytest.param(
            scope("203.0.113.7", address="127.0.0.1", is_proxy=True, is_direct=False),
            False,
            id="our server saw a proxy",
        ),
        pytest.param(
            scope("127.0.0.1", address="10.0.0.2", is_proxy=True, is_direct=False),
            False,
            id="a proxy that speaks for this machine",
        ),
        pytest.param(
            scope("127.0.0.1", address="127.0.0.1", is_proxy=False, is_direct=True),
            True,
            id="our server saw this machine",
        ),
        pytest.param(scope("10.0.0.9", BEARER, FORWARDED), True, id="whoever has the token"),
        pytest.param(
            scope("10.0.0.9", (b"authorization", b"Bearer wrong")), False, id="a wrong token"
        ),
    ],
)
def test_metrics_are_for_this_machine_and_whoever_has_the_token(
    asked: dict[str, Any], *, may: bool
) -> None:
    config = PlaneConfig(valkey_url="", peppers=(), metrics_token=TOKEN)

    assert Readers(config).may_read(asked) is may


def test_without_a_token_none_opens() -> None:
    readers = Readers(PlaneConfig(valkey_url="", peppers=()))

    assert not readers.may_read(scope("10.0.0.9", (b"authorization", b"Bearer ")))


def test_address_rule_replaces_this_machine() -> None:
    readers = Readers(PlaneConfig(valkey_url="", peppers=(), metrics_allow=("10.0.0.0/24",)))

    assert readers.may_read(scope("10.0.0.9"))
    assert not readers.may_read(scope("127.0.0.1"))


def written(folder: Path, pid: int) -> Path:
    file = folder / f"{pid}.json"
    file.write_text(json.dumps({"endpoints": {"ep": pid}}))
    return file


def test_start_makes_the_folder_and_forgets_a_run_that_is_over(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "metrics"

    Snapshots(folder).begin()
    left = written(folder, DEAD)
    Snapshots(folder).begin()

    assert not left.exists()
    Snapshots(folder).write({"endpoints": {"ep": 1}})
    assert [file.name for file in folder.iterdir()] == [f"{os.getpid()}.json"]


def test_restart_of_one_among_others_keeps_what_the_dead_had_counted(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path)
    dead, living = written(tmp_path, DEAD), written(tmp_path, os.getppid())

    snapshots.begin()

    assert dead.exists()
    assert living.exists()
    assert len(snapshots.others()) == 2
