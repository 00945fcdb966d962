"""Each plane has a user of its own in Valkey: what one must not do, it can't."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from inference.contracts.names import CHANGES, SIGHT
from inference.contracts.records import RECORDS
from xerotier_site.embedded import databases, valkey
from xerotier_site.embedded.process import lesser_account

LIBRARY = Path(__file__).parents[3] / "inference" / "admission" / "functions.lua"
WORDS = {"plane": "a-word-of-the-plane", "control": "a-word-of-the-control"}


@pytest.fixture(scope="module")
def users() -> Iterator[dict[str, redis.Redis]]:
    account = lesser_account()
    folder = databases.socket_folder(account)
    premises = databases.Premises(folder / "data", folder, account, durable=False, output=-3)
    server = databases.start_valkey(premises, "a-word-of-the-admin", WORDS)
    found = {
        name: redis.Redis.from_url(valkey.url(folder, word, name), decode_responses=True)
        for name, word in WORDS.items()
    }
    found["nobody"] = redis.Redis.from_url(f"unix://{folder / valkey.SOCKET}")
    yield found
    for client in found.values():
        client.close()
    server.stop()
    databases.remove(folder)


def denied(client: redis.Redis, *command: Any) -> bool:
    try:
        client.execute_command(*command)  # type: ignore[no-untyped-call] # why: redis-py leaves it untyped
    except (redis.exceptions.NoPermissionError, redis.exceptions.AuthenticationError):
        return True
    except redis.ResponseError as refusal:
        # What a script may not do is told in the words of the script's error.
        return "permission" in str(refusal).lower()
    return False


def test_gateway_does_its_work(users: dict[str, redis.Redis]) -> None:
    plane = users["plane"]

    plane.function_load(LIBRARY.read_text(encoding="utf-8"), replace=True)
    opened = plane.fcall("xt1_open", 1, "{s5}", "0", "", "", "")
    plane.fcall("xt1_reap", 1, "{s5}", "10")
    plane.set("xt:reaper", "me", px=1000)
    plane.xadd("xt:refusals", {"a": "b"}, maxlen=10)
    plane.xadd(RECORDS, {"records": "[]"}, maxlen=10)
    assert plane.publish(SIGHT, "{}") == 0
    plane.zadd("gateways", {"me": 1})
    plane.set("sighting:me", "{}", ex=15)
    assert plane.smembers("pools") == set()
    listener: Any = plane.pubsub()  # type: ignore[no-untyped-call] # why: as above
    listener.subscribe(CHANGES, SIGHT)
    listener.close()

    assert opened is not None
    assert plane.get("grant:none") is None
    assert plane.smembers("pools") == set()
    plane.set("sighting:x", "{}", ex=15)
    plane.zadd("gateways", {"x": 1.0})
    plane.zremrangebyscore("gateways", "-inf", 2.0)
    plane.set("link:agt_1:x", "{}", ex=10)
    plane.zadd("links", {"agt_1:x": 1.0})
    plane.zremrangebyscore("links", "-inf", 0.5)
    plane.zrem("links", "agt_1:x")
    plane.delete("link:agt_1:x")
    assert plane.zcount("gateways", 0, "+inf") == 0
    assert plane.mget("route:x", "pool:x", "agent:x", "jwks", "{s5}:epoch")[0] is None
    assert "run_id" in plane.info("server")


@pytest.mark.parametrize(
    "command",
    [
        ("SET", "grant:x", "mine"),
        ("DEL", "route:x"),
        ("SET", "jwks", "mine"),
        ("SET", "agent:x", "mine"),
        ("SADD", "pools", "mine"),
        ("PUBLISH", CHANGES, "x"),
        ("GET", SIGHT),
        ("EVAL", "return redis.call('SET', 'grant:x', 'mine')", "0"),
        ("GET", ":2:allauth:rl:login"),
        ("SET", ":2:allauth:rl:login", "[]"),
        ("GET", "rate:key:1"),
        ("LPUSH", "celery", "a task"),
        ("KEYS", "*"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "requirepass"),
        ("ACL", "LIST"),
        ("SHUTDOWN", "NOSAVE"),
        ("FUNCTION", "FLUSH"),
    ],
)
def test_gateway_can_neither_make_keys_nor_meet_what_is_the_control_planes(
    users: dict[str, redis.Redis], command: tuple[str, ...]
) -> None:
    assert denied(users["plane"], *command)


def test_control_plane_does_its_work(users: dict[str, redis.Redis]) -> None:
    control = users["control"]

    control.set("grant:x", "{}")
    control.publish(CHANGES, "x")
    control.set(":2:allauth:rl:login", "[]")
    control.lpush("celery", "a task")
    control.xgroup_create("{s5}:usage", "postgres", id="0", mkstream=True)
    control.eval("return redis.call('SET', KEYS[1], '1')", 1, "rate:x")

    assert control.get("grant:x") == "{}"


@pytest.mark.parametrize(
    "command",
    [
        ("FUNCTION", "LOAD", "REPLACE", "#!lua name=xt1\n"),
        ("FUNCTION", "FLUSH"),
        ("FLUSHALL",),
        ("CONFIG", "SET", "maxmemory", "1"),
        ("ACL", "SETUSER", "me", "on"),
        ("SHUTDOWN", "NOSAVE"),
        ("REPLICAOF", "127.0.0.1", "1"),
        ("MONITOR",),
    ],
)
def test_control_plane_changes_neither_the_server_nor_the_functions(
    users: dict[str, redis.Redis], command: tuple[str, ...]
) -> None:
    assert denied(users["control"], *command)


def test_nobody_else_does_anything(users: dict[str, redis.Redis]) -> None:
    assert denied(users["nobody"], "GET", "grant:x")
