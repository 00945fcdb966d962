"""What is guarded: what people read: the knobs they turn, the console, the logs, the banner."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import pytest

from xerotier_site.embedded import agent, banner, knobs, logbook, parts
from xerotier_site.embedded.agent import Served
from xerotier_site.embedded.faults import CannotStart
from xerotier_site.embedded.logbook import Logbook, what_a_person_wants

QUICKSTART = {
    "XEROTIER_OPERATOR_EMAIL": "operator@localhost",
    "XEROTIER_OPERATOR_PASSWORD": "pass-word",
    "OPENAI_BASE_URL": "http://localhost:8000/proj_a/chat/v1",
    "OPENAI_API_KEY": "xero_secret",
}


def up(*, is_first: bool = True, missing: list[str] | None = None, models: bool = True) -> str:
    return banner.text(
        banner.Up(
            url="http://localhost:8000",
            home=Path("/srv/var"),
            data=Path("/srv/var"),
            quickstart=QUICKSTART,
            is_first=is_first,
            missing=missing or [],
            with_models=models,
        )
    )


@pytest.mark.parametrize(
    ("host", "public", "own"),
    [
        ("127.0.0.1", "http://localhost:9000", "http://127.0.0.1:9000"),
        ("0.0.0.0", "http://localhost:9000", "http://127.0.0.1:9000"),  # noqa: S104
        ("::", "http://localhost:9000", "http://[::1]:9000"),
        ("10.0.0.5", "http://10.0.0.5:9000", "http://10.0.0.5:9000"),
        ("fd00::1", "http://[fd00::1]:9000", "http://[fd00::1]:9000"),
    ],
)
def test_address_is_one_that_people_can_open(host: str, public: str, own: str) -> None:
    turned = knobs.read({"HOST": host, "PORT": "9000"})

    assert (turned.public_url, turned.own_url) == (public, own)


def test_knobs_left_alone_have_the_promised_values() -> None:
    turned = knobs.read({"PORT": ""})

    assert (turned.host, turned.port, turned.home.name) == ("127.0.0.1", 8000, "var")
    assert turned.with_models
    assert not knobs.read({"XEROTIER_MODEL": "0"}).with_models


def test_port_that_is_no_number_is_refused() -> None:
    with pytest.raises(CannotStart, match="PORT"):
        knobs.read({"PORT": "8000a"})


def test_first_banner_can_be_pasted_as_it_stands() -> None:
    text = up()
    command = text[text.index("curl ") :].split("\n\n")[0].replace("\\\n", " ")

    words = shlex.split(command)
    assert words[1] == "http://localhost:8000/proj_a/chat/v1/chat/completions"
    assert "Authorization: Bearer xero_secret" in words
    assert "pass-word" in text


def test_later_banner_shows_no_secret() -> None:
    text = up(is_first=False)

    assert "xero_secret" not in text
    assert "pass-word" not in text
    assert "/srv/var/quickstart.env" in text


def test_banner_says_what_is_missing_and_offers_no_model_that_is_not_there() -> None:
    text = up(missing=["smollm2-135m-instruct cannot be fetched: no network."])

    assert "no network" in text
    assert "curl " not in text
    assert "curl " not in up(models=False)


@pytest.mark.parametrize(
    ("line", "is_shown"),
    [
        ("Subject: 123456 is your code", True),
        ('{"level": "info", "event": "request"}', False),
        ('{"level": "warning", "event": "slow"}', True),
        ('{"level": "ERROR", "event": "lost"}', True),
        ("{broken", True),
        ("", True),
    ],
)
def test_console_shows_mail_and_bad_news_but_no_requests(line: str, *, is_shown: bool) -> None:
    assert what_a_person_wants(line) is is_shown


def test_log_begins_a_new_file_when_it_is_full(tmp_path: Path) -> None:
    book = Logbook(tmp_path, "part", max_bytes=100)

    book._copy(io.BytesIO(b"a line of some length\n" * 12))

    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"part.log", "part.log.1"}
    assert max(sizes.values()) <= 130
    assert book.last_line == "a line of some length"


def test_log_that_cannot_be_written_does_not_stop_the_child(tmp_path: Path) -> None:
    pipe = io.BytesIO(b"one\ntwo\n")

    Logbook(tmp_path / "no such folder", "part")._copy(pipe)

    assert pipe.closed


def test_no_secret_stands_on_a_command_line(tmp_path: Path) -> None:
    key_file = tmp_path / "engine.key"
    key_file.write_text("engine-secret")

    engines = [
        parts.chat(1, tmp_path, key_file, bool),
        parts.embed(2, tmp_path, key_file, bool),
    ]
    served = [Served(one, "openai", "http://127.0.0.1:1/v1", one.name) for one in engines]
    started = [*engines, agent.part(tmp_path, served, key_file)]

    assert all("engine-secret" not in " ".join(one.command.argv) for one in started)


def test_console_that_is_gone_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Gone())

    logbook.say("hello")
