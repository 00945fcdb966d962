"""Hashing is bounded: nobody's sign-in takes the memory, the core or the connection of others."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.contrib.auth.hashers import check_password, make_password
from django.db import connection
from django.test import Client, override_settings

from accounts import hashing
from accounts.hashing import NICENESS, Bench, BoundedArgon2
from accounts.models import User
from accounts.tests.people import is_signed_in, make_person, register, sign_in
from common.problems import Busy

REAL = override_settings(PASSWORD_HASHERS=["accounts.hashing.BoundedArgon2"])


def test_no_more_is_worked_on_at_once_than_the_bench_has_hands() -> None:
    bench, most, now, lock = Bench(at_once=2, waiting=10), [0], [0], threading.Lock()
    together = threading.Event()

    def work() -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        together.wait(0.02)
        with lock:
            now[0] -= 1

    with ThreadPoolExecutor(12) as crowd:
        list(crowd.map(lambda _: bench.do(work), range(12)))

    assert most[0] == 2


def test_whoever_comes_when_enough_wait_is_sent_away_at_once() -> None:
    bench, go = Bench(at_once=1, waiting=1), threading.Event()
    with ThreadPoolExecutor(2) as crowd:
        held = [crowd.submit(bench.do, go.wait) for _ in range(2)]
        while bench._places._value:
            threading.Event().wait(0.001)

        with pytest.raises(Busy) as sent_away:
            bench.do(lambda: True)
        go.set()

        assert [one.result() for one in held] == [True, True]
        assert bench.do(lambda: "free again") == "free again"
    assert (sent_away.value.status, sent_away.value.wait > 0) == (503, True)


def test_work_that_fails_gives_its_place_back() -> None:
    bench = Bench(at_once=1, waiting=0)

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            bench.do(lambda: 1 / 0)

    assert bench.do(lambda: 1) == 1


def test_hashing_lets_everything_else_go_first() -> None:
    bench = Bench(at_once=1, waiting=0)

    theirs = bench.do(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    assert theirs >= NICENESS
    assert os.getpriority(os.PRIO_PROCESS, os.getpid()) < theirs


@pytest.mark.django_db(transaction=True)
@REAL
def test_no_connection_is_held_while_a_password_is_hashed() -> None:
    encoded = make_password("a-long-enough-password")
    User.objects.count()
    before = connection.connection

    assert check_password("a-long-enough-password", encoded)

    assert before is not None
    assert connection.connection is None
    assert User.objects.count() == 0


@REAL
def test_passwords_of_before_still_fit_and_are_hashed_anew() -> None:
    old = "argon2$argon2id$v=19$m=512,t=2,p=8$c2FsdHNhbHRzYWx0$7Tpqb20Qp0rvSvCmDeUJfg"

    assert not check_password("another", old)
    assert BoundedArgon2().must_update(old)


@pytest.mark.django_db(transaction=True)
@REAL
@pytest.mark.parametrize("door", ["sign in", "register"])
def test_person_is_told_to_come_back_and_not_that_something_broke(
    door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_person("ada")
    full = Bench(at_once=1, waiting=0)
    full._places.acquire()
    monkeypatch.setattr(hashing, "_bench", lambda: full)
    browser = Client(raise_request_exception=False)

    if door == "sign in":
        answer = sign_in(browser, "ada@example.com")
    else:
        answer = register(browser, "new@example.com")

    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert "Try again" in answer.content.decode()
    assert not User.objects.filter(email="new@example.com").exists()


@pytest.mark.django_db(transaction=True)
@REAL
def test_sign_in_works_by_the_bench() -> None:
    make_person("ada")
    browser = Client()

    sign_in(browser, "ada@example.com")

    assert is_signed_in(browser)


def test_production_hashes_by_the_bench() -> None:
    text = (Path(__file__).parents[2] / "xerotier_site" / "settings.py").read_text()

    assert 'PASSWORD_HASHERS = ["accounts.hashing.BoundedArgon2"]' in text
