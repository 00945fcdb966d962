"""Settings are read once, each mistake is told in a sentence, and no password with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from xerotier_site import env
from xerotier_site.later import _in
from xerotier_site.logs import blot_secrets
from xerotier_site.providers import from_environment
from xerotier_site.reach import faults_in_metrics, faults_in_proxies, is_world

NAME = "XEROTIER_TRIED_HERE"
Set = Callable[..., list[str]]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Set what the environment says; return the list of mistakes."""
    mistakes: list[str] = []
    monkeypatch.setattr(env, "mistakes", mistakes)

    def set_(value: str | None = None, **more: str) -> list[str]:
        if value is not None:
            monkeypatch.setenv(NAME, value)
        for name, said in more.items():
            monkeypatch.setenv(name, said)
        return mistakes

    return set_


def test_what_is_not_said_is_the_default_and_no_mistake(given: Set) -> None:
    mistakes = given()

    assert env.text(NAME, "x") == "x"
    assert env.flag(NAME, default=True) is True
    assert env.number(NAME, 7, least=1) == 7
    assert env.choice(NAME, ("a", "b"), "b") == "b"
    assert env.networks(NAME, ["10.0.0.0/8"]) == ["10.0.0.0/8"]
    assert env.url(NAME, ("redis",), "redis://here") == "redis://here"
    assert env.currency(NAME, "EUR") == "EUR"
    assert (env.keyring(NAME), env.mail_server(NAME), mistakes) == ([], None, [])


def test_value_may_lie_in_a_file_and_loses_its_line_end(given: Set, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    mistakes = given("not this", **{f"{NAME}_FILE": str(tmp_path / "secret")})

    assert (env.text(NAME, ""), mistakes) == ("s3cret", [])


def test_file_that_is_not_there_is_a_mistake_by_its_name(given: Set, tmp_path: Path) -> None:
    mistakes = given(**{f"{NAME}_FILE": str(tmp_path / "nothing")})

    assert env.text(NAME, "default") == "default"
    assert len(mistakes) == 1
    assert mistakes[0].startswith(f"{NAME}: ")


@pytest.mark.parametrize(
    ("said", "read"), [("1", True), ("true", True), ("yes", True), ("0", False), ("off", False)]
)
def test_yes_and_no_are_read(given: Set, said: str, *, read: bool) -> None:
    mistakes = given(said)

    assert (env.flag(NAME, default=not read), mistakes) == (read, [])


def test_word_that_is_neither_yes_nor_no_is_told(given: Set) -> None:
    mistakes = given("perhaps")

    assert env.flag(NAME, default=True) is True
    assert mistakes == [f"{NAME}: give 1 or 0, not 'perhaps'"]


@pytest.mark.parametrize(
    ("said", "read", "mistake"),
    [
        ("5", 5, ""),
        ("1", 1, ""),
        ("0", 7, "give 1 or more, not 0"),
        ("-3", 7, "give 1 or more, not -3"),
        ("five", 7, "give a whole number, not 'five'"),
        ("1.5", 7, "give a whole number, not '1.5'"),
    ],
)
def test_number_is_whole_and_enough(given: Set, said: str, read: int, mistake: str) -> None:
    mistakes = given(said)

    assert env.number(NAME, 7, least=1) == read
    assert mistakes == ([f"{NAME}: {mistake}"] if mistake else [])


def test_word_nobody_offered_is_told_with_those_that_are(given: Set) -> None:
    mistakes = given("staging")

    env.choice(NAME, ("production", "development", "test"), "production")

    assert mistakes == [f"{NAME}: give production, development or test, not 'staging'"]


def test_networks_that_are_none_are_told_and_left_out(given: Set) -> None:
    mistakes = given("10.0.0.0/8, 192.168.1.5 ,proxy, ::1/128,300.0.0.1")

    assert env.networks(NAME) == ["10.0.0.0/8", "192.168.1.5", "::1/128"]
    assert [mistake.rpartition("not ")[2] for mistake in mistakes] == ["'proxy'", "'300.0.0.1'"]


@pytest.mark.parametrize(
    ("said", "mistake"),
    [
        ("redis://:pw@h:6379/0", ""),
        ("unix:///run/v.sock", ""),
        ("http://:pw@h", "begin with redis:// or unix://"),
        ("redis:h", "begin with redis:// or unix://"),
        ("h:6379", "begin with redis:// or unix://"),
        ("redis://:pw@h:99999", "its port is not a number from 0 to 65535"),
        ("redis://:pw@h:x", "its port is not a number from 0 to 65535"),
    ],
)
def test_address_of_another_kind_is_told_without_its_password(
    given: Set, said: str, mistake: str
) -> None:
    mistakes = given(said)

    assert env.url(NAME, ("redis", "unix"), "redis://d") == ("redis://d" if mistake else said)
    assert mistakes == ([f"{NAME}: {mistake}"] if mistake else [])
    assert "pw" not in "".join(mistakes)


def test_currency_nobody_knows_is_told(given: Set) -> None:
    mistakes = given("BTC")

    assert env.currency(NAME, "USD") == "USD"
    assert "'BTC' is no currency" in mistakes[0]


def test_keyring_with_a_broken_key_is_told_by_its_place_and_not_used(given: Set) -> None:
    good = Fernet.generate_key().decode()
    mistakes = given(f"{good},short")

    assert env.keyring(NAME) == []
    assert mistakes == [f"{NAME}: key 2 is no Fernet key (32 bytes in URL-safe base64)"]
    given(f" {good} ,{good}")
    assert env.keyring(NAME) == [good, good]


def test_setting_that_is_none_is_told_with_the_one_that_was_meant(given: Set) -> None:
    given(XEROTIER_CURENCY="EUR", XEROTIER_ZZZZ="1", XEROTIER_SMTP_URL_FILE="/x")

    told = env.unknown()

    assert "XEROTIER_CURENCY: there is no such setting; did you mean XEROTIER_CURRENCY?" in told
    assert "XEROTIER_ZZZZ: there is no such setting; see docs/settings.md" in told
    assert not [line for line in told if "SMTP_URL" in line]


def test_options_of_the_node_program_are_not_taken_for_slips(given: Set) -> None:
    given(XEROTIER_AGENT_STATE="/var/lib/xim", XEROTIER_AGENTS="1")

    told = env.unknown()
    assert not [line for line in told if "AGENT_STATE" in line]
    assert [line for line in told if line.startswith("XEROTIER_AGENTS:")]


def test_all_mistakes_are_told_at_once_and_each_once() -> None:
    fault = env.BadSettings(["a: wrong", "b: wrong", "a: wrong"])

    assert fault.mistakes == ["a: wrong", "b: wrong"]
    assert str(fault).splitlines()[1:] == ["  - a: wrong", "  - b: wrong"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "postgresql://ada:p%40ss@db.example:6543/xero",
            ("xero", "ada", "p@ss", "db.example", "6543"),
        ),
        ("postgresql:///xero", ("xero", "", "", "", "")),
        ("postgresql:///xero?host=/run/pg&port=7", ("xero", "", "", "/run/pg", "7")),
        ("postgresql://u@[::1]/a%2Fb", ("a/b", "u", "", "::1", "")),
    ],
)
def test_database_is_where_its_url_says(url: str, said: tuple[str, ...]) -> None:
    found = env.database(url)

    assert tuple(found[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")) == said
    options: Any = found["OPTIONS"]
    assert options["pool"]["min_size"] == 0
    assert "host" not in options
    assert "port" not in options


def test_options_of_the_databases_url_are_passed_on(given: Set) -> None:
    given(XEROTIER_DB_POOL="3")

    options: Any = env.database("postgresql://h/x?sslmode=require")["OPTIONS"]

    assert (options["sslmode"], options["pool"]["max_size"]) == ("require", 3)


@pytest.mark.parametrize(
    ("url", "valkey", "broker"),
    [
        ("redis://:pw@h:6379/9", "redis://:pw@h:6379/2", "redis://:pw@h:6379/2"),
        ("rediss://h", "rediss://h/2", "rediss://h/2"),
        (
            "unix:///run/v.sock",
            "unix:///run/v.sock?db=2",
            "redis+socket:///run/v.sock?virtual_host=2",
        ),
        (
            "unix://:pw@/run/v.sock",
            "unix://:pw@/run/v.sock?db=2",
            "redis+socket://:pw@/run/v.sock?virtual_host=2",
        ),
    ],
)
def test_numbered_database_of_valkey_is_named_for_each_client(
    url: str, valkey: str, broker: str
) -> None:
    assert env.valkey(url, db=2) == valkey
    assert env.broker(url, db=2) == broker


@pytest.mark.parametrize(
    ("network", "is_all"),
    [
        ("0.0.0.0/0", True),
        ("10.0.0.0/7", True),
        ("10.0.0.0/8", False),
        ("::/0", True),
        ("2000::/15", True),
        ("fd00::/16", False),
        ("127.0.0.1", False),
        ("proxy", False),
    ],
)
def test_network_that_holds_the_world_is_nobodys_proxy(network: str, *, is_all: bool) -> None:
    assert is_world(network) is is_all
    assert (len(list(faults_in_proxies([network]))) == 1) is is_all
    assert (len(list(faults_in_metrics([network], b""))) == 1) is is_all


def test_platform_without_a_proxy_and_with_a_short_token_is_told_so() -> None:
    [(fault, mend)] = faults_in_proxies([])
    assert fault == "XEROTIER_TRUSTED_PROXIES is empty."
    assert "ends TLS" in mend
    assert [said for said, _ in faults_in_metrics([], b"x" * 19)] == [
        "XEROTIER_METRICS_TOKEN is guessable."
    ]
    assert list(faults_in_metrics(["10.0.0.1"], b"x" * 20)) == []


KEYED = {
    "XEROTIER_OIDC_URL": "https://id.example/",
    "XEROTIER_OIDC_CLIENT_ID": "x",
    "XEROTIER_OIDC_CLIENT_SECRET": "s3",
}


def test_provider_is_there_when_all_of_it_is_said(given: Set) -> None:
    mistakes = given(**KEYED)

    found = from_environment(is_production=True)

    [app] = found["openid_connect"]["APPS"]
    assert (app["client_id"], app["secret"]) == ("x", "s3")
    assert app["settings"] == {"server_url": "https://id.example"}
    assert "said_as" not in app
    assert (found["github"]["APPS"], mistakes) == ([], [])
    assert found["github"]["OAUTH_PKCE_ENABLED"]


@pytest.mark.parametrize(
    ("left_out", "mistake"),
    [
        ("XEROTIER_OIDC_URL", "XEROTIER_OIDC_URL and XEROTIER_OIDC_CLIENT_ID: set both, or none"),
        (
            "XEROTIER_OIDC_CLIENT_SECRET",
            "XEROTIER_OIDC_CLIENT_ID and XEROTIER_OIDC_CLIENT_SECRET: set both, or none",
        ),
    ],
)
def test_half_a_provider_is_a_mistake(given: Set, left_out: str, mistake: str) -> None:
    mistakes = given(**{name: said for name, said in KEYED.items() if name != left_out})

    from_environment(is_production=True)

    assert mistakes == [mistake]


@pytest.mark.parametrize(("is_production", "count"), [(True, 1), (False, 0)])
def test_provider_is_reached_encrypted_in_production(
    given: Set, *, is_production: bool, count: int
) -> None:
    mistakes = given(**(KEYED | {"XEROTIER_OIDC_URL": "http://id.example"}))

    from_environment(is_production=is_production)

    assert len(mistakes) == count


@pytest.mark.parametrize(
    ("line", "blotted"),
    [
        ("key xero_acme_Ab3dE5fG7hJ9 used", "key xero_acme_… used"),
        ("xjk_acme_Ab3dE5fG7hJ9", "xjk_acme_…"),
        ("token xerop_Ab3dE5fG7hJ9", "token xerop_…"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer …"),
        ("authorization: bearer abcdef", "authorization: bearer …"),
        ("AUTHORIZATION: BEARER abcdef", "AUTHORIZATION: BEARER …"),
        ("two xero_a_1234567 xero_b_1234567", "two xero_a_… xero_b_…"),
        ("xero_acme_…", "xero_acme_…"),
        ("the bearer of news", "the bearer of news"),
        ("proj_Ab3dE5fG7hJ9 chat", "proj_Ab3dE5fG7hJ9 chat"),
    ],
)
def test_no_key_and_no_token_reaches_the_log(line: str, blotted: str) -> None:
    assert blot_secrets(line) == blotted


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "60 seconds"),
        (61, "2 minutes"),
        (120, "2 minutes"),
        (3600, "60 minutes"),
        (3601, "2 hours"),
        (86_400, "24 hours"),
    ],
)
def test_wait_is_said_as_people_say_it_and_never_too_short(seconds: int, said: str) -> None:
    assert _in(seconds) == said
