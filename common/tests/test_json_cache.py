"""Nothing in the cache can run code when it is read."""

from __future__ import annotations

import pickle

import pytest
import redis
from django.conf import settings
from django.core.cache import cache

from common.json_cache import JsonSerializer


class Bomb:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (pytest.fail, ("a pickle was read",))


@pytest.mark.parametrize("value", [1, 0, -5, True, None, "text", 1.5, [1, "a"], {"a": [1]}])
def test_cache_gives_back_what_it_was_given(value: object) -> None:
    cache.set("json", value, 60)

    found = cache.get("json", "missing")

    assert (found, type(found)) == (value, type(value))


def test_number_can_be_raised_where_it_lies() -> None:
    cache.set("count", 1, 60)

    assert cache.incr("count") == 2


def test_pickle_in_the_cache_is_as_if_it_were_not_there() -> None:
    name = cache.make_key("poisoned")
    redis.Redis.from_url(settings.CACHE_VALKEY).set(name, pickle.dumps(Bomb()))

    assert cache.get("poisoned") is None


def test_what_json_can_not_say_is_refused_when_written() -> None:
    with pytest.raises(TypeError):
        JsonSerializer().dumps(Bomb())
