"""What is guarded: joining needs one key once, leaves nothing half-done, and says what to do."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripted_platform import JOIN_KEY, Platform, platform, raw
from xim.cli.main import main
from xim.control.api import Platform as Asked
from xim.control.trust import context_of
from xim.faults import DONE, NO_FOLDER, NOT_ENROLLED, REFUSED, REVOKED, UNREACHABLE, USAGE
from xim.identity import Identity
from xim.state import State

ODD = json.dumps(
    {
        "agent": {"id": "agt_1", "name": "n"},
        "token": "t",
        "tunnel": "http://x",
        "expires_at": 1,
        "server_time": 1,
    }
).encode()
"""An answer whose link is no WebSocket."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def there() -> Iterator[Platform]:
    with platform() as made:
        yield made


def enroll(there: Platform, home: Path, *more: str, key: str = JOIN_KEY) -> int:
    argv = ["enroll", "--url", there.url, "--join-key", key, "--state", str(home), *more]
    return main(argv, {})


def enrolled(home: Path) -> dict[str, object]:
    kept: dict[str, object] = json.loads((home / "enrollment.json").read_text())
    return kept


def test_machine_joins_and_keeps_what_it_needs_for_its_owner_alone(
    there: Platform, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = enroll(there, home, "--name", "gpu-1")

    assert code == DONE
    said = capsys.readouterr().out
    assert said.startswith(f"Enrolled as gpu-1 (agt_1) at {there.url}.\n")
    assert said.endswith(f"\nNow start it: xim run --state {home}\n")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    files = sorted(home.iterdir())
    assert [file.name for file in files] == ["enrollment.json", "key", "lock"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert (enrolled(home)["agent"], enrolled(home)["token"]) == ("agt_1", "token-1")
    assert enrolled(home)["tunnel"] == there.tunnel


def test_join_key_is_never_kept(there: Platform, home: Path) -> None:
    enroll(there, home)

    assert not [file for file in home.iterdir() if JOIN_KEY in file.read_text()]


def test_platform_is_told_of_the_machine_it_lets_in(there: Platform, home: Path) -> None:
    enroll(there, home)

    facts = there.asked[0][1]["facts"]
    assert set(facts) == {"hostname", "os", "arch", "cpus", "memory_bytes", "accelerators"}
    assert facts["hostname"] == socket.gethostname()
    assert facts["cpus"] >= 1


@pytest.mark.parametrize("way", ["file", "stdin", "environment"])
def test_join_key_need_not_stand_in_the_list_of_processes(
    there: Platform, home: Path, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "join").write_text(f"{JOIN_KEY}\n")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{JOIN_KEY}\n"))
    argv = ["enroll", "--url", there.url, "--state", str(home)]
    ways = {"file": ["--join-key-file", str(tmp_path / "join")], "stdin": ["--join-key", "-"]}
    said = {"XEROTIER_AGENT_JOIN_KEY": JOIN_KEY} if way == "environment" else {}

    assert main([*argv, *ways.get(way, [])], said) == DONE


def test_every_option_may_stand_in_the_environment(there: Platform, home: Path) -> None:
    said = {"URL": there.url, "JOIN_KEY": JOIN_KEY, "NAME": "by-env", "STATE": str(home)}

    code = main(["enroll"], {f"XEROTIER_AGENT_{name}": value for name, value in said.items()})

    assert code == DONE
    assert enrolled(home)["name"] == "by-env"


@pytest.mark.parametrize(
    ("refusal", "exit_code", "words"),
    [
        ((401, "join_key_invalid"), REFUSED, "does not know this join key"),
        ((403, "join_key_expired"), REFUSED, "has expired: make another"),
        ((403, "join_key_revoked"), REFUSED, "was revoked: make another"),
        ((403, "join_key_used_up"), REFUSED, "used as often as it may be: make another"),
        ((409, "name_taken"), REFUSED, "choose another by --name"),
        ((403, "agent_revoked"), REVOKED, "revoked this machine: enrol it anew"),
        ((400, "invalid_request"), REFUSED, "The platform refused: No: invalid_request."),
    ],
)
def test_refusal_is_one_sentence_with_a_way_out_and_leaves_nothing_behind(
    there: Platform,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    refusal: tuple[int, str],
    exit_code: int,
    words: str,
) -> None:
    there.refuse(*refusal)

    assert enroll(there, home) == exit_code
    said = capsys.readouterr().err
    assert words in said
    assert said.startswith("xim: ")
    assert said.count("\n") == 1
    assert [file.name for file in home.iterdir()] == ["lock"]


def test_lost_answer_does_not_make_a_second_machine(there: Platform, home: Path) -> None:
    there.refusals.append((502, b"<html>", {}))

    assert enroll(there, home) == UNREACHABLE
    assert enroll(there, home) == DONE
    keys = [ask["public_key"] for _, ask in there.asked]
    assert keys[0] == keys[1]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"<html>Welcome</html>", "not as Xerotier does"),
        (200, b"[]", "not as Xerotier does"),
        (200, b"{}", "not as Xerotier does"),
        (404, b"<html>nginx</html>", "answers 404, but not as Xerotier does"),
        (302, b"", "answers 302"),
        (
            200,
            ODD,
            "no address for the link",
        ),
    ],
)
def test_address_of_something_else_is_found_out(
    there: Platform,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    status: int,
    body: bytes,
    words: str,
) -> None:
    there.refusals.append((status, body, {"location": "http://127.0.0.1:1/"}))

    assert enroll(there, home) == UNREACHABLE
    assert words in capsys.readouterr().err
    assert not (home / "enrollment.json").exists()


def test_platform_that_is_not_there_is_one_sentence(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["enroll", "--url", "http://127.0.0.1:1", "--join-key", JOIN_KEY, "--state", str(home)]

    assert main(argv, {}) == UNREACHABLE
    said = capsys.readouterr().err
    assert said == "xim: http://127.0.0.1:1 can't be reached: Connection refused.\n"


def test_flood_of_enrolments_is_told_to_wait(
    there: Platform, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there.refuse(429, "rate_limit_exceeded")

    assert enroll(there, home) == UNREACHABLE
    assert "asks for patience" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--url", "xerotier.example.com"], "--url must be the platform's address"),
        (["--url", "ftp://x"], "--url must be the platform's address"),
        (["--url", "https://u:p@x"], "without a user"),
        (["--url", "https://x:99999"], "--url is no address"),
        (["--join-key", "xero_acme_123"], "That is no join key"),
        (["--join-key", "xjk_acme_12 34567890"], "That is no join key"),
        (["--join-key", ""], "--join-key is missing"),
        (["--join-key-file", "/no/such/file"], "not both"),
        (["--join-key", "", "--join-key-file", "/no/such/file"], "can't be read"),
        (["--name", "two words"], "--name takes"),
        (["--ca-sha256", "abc"], "64 hexadecimal digits"),
        (["--ca-sha256", "a" * 64, "--url", "http://x"], "needs an https:// address"),
    ],
)
def test_wrong_option_is_one_sentence_and_asks_nobody(
    there: Platform,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    argv: list[str],
    words: str,
) -> None:
    assert enroll(there, home, *argv) == USAGE
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == (2 if "not encrypted" in said else 1)
    assert there.asked == []


def test_unencrypted_address_is_said_to_be_so(
    there: Platform, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["enroll", "--url", "http://192.0.2.1:1", "--join-key", JOIN_KEY, "--state", str(home)]
    there.url = ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xim.control.api.PATIENCE_S", 0.05)
        main(argv, {})

    assert "http://192.0.2.1:1 is not encrypted" in capsys.readouterr().err


def test_second_enrolment_is_refused_until_the_machine_has_left(
    there: Platform, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enroll(there, home)

    assert enroll(there, home) == NOT_ENROLLED
    assert "xim leave first" in capsys.readouterr().err
    assert main(["leave", "--state", str(home)], {}) == DONE
    assert there.agents == {}
    assert enroll(there, home) == DONE


def test_leave_is_kept_for_later_while_the_platform_is_away(
    there: Platform, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enroll(there, home)
    there.refusals.append((503, b"", {}))

    assert main(["leave", "--state", str(home)], {}) == UNREACHABLE
    assert "try again, or xim leave --force" in capsys.readouterr().err
    assert (home / "enrollment.json").exists()
    there.refusals.append((503, b"", {}))
    assert main(["leave", "--force", "--state", str(home)], {}) == DONE
    assert not (home / "enrollment.json").exists()


def test_key_of_a_machine_that_never_joined_is_removed_by_leaving(
    there: Platform, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there.refusals.append((502, b"", {}))
    enroll(there, home)
    assert (home / "key").exists()

    assert main(["leave", "--state", str(home)], {}) == DONE
    assert "is removed" in capsys.readouterr().out
    assert not (home / "key").exists()


def test_fingerprint_is_written_as_the_page_of_machines_writes_it() -> None:
    identity = Identity.from_raw(bytes(32))

    digest = hashlib.sha256(identity.public).hexdigest()
    assert identity.fingerprint.replace(" ", "") == digest[:32]
    assert [len(part) for part in identity.fingerprint.split()] == [4] * 8


def test_folder_that_can_not_be_written_is_one_sentence(
    there: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")

    assert enroll(there, tmp_path / "file" / "state") == NO_FOLDER
    assert "name another by --state" in capsys.readouterr().err
    assert there.asked == []


def test_folder_whose_path_is_too_long_for_a_socket_is_refused_early(
    there: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert enroll(there, tmp_path / ("x" * 120)) == USAGE
    assert "too long" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["enrollment.json", "key"])
def test_damaged_state_is_one_sentence(
    there: Platform, home: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    enroll(there, home)
    (home / name).write_text("{")

    assert main(["status", "--state", str(home)], {}) == NOT_ENROLLED
    assert "is damaged: remove it and enrol again" in capsys.readouterr().err


def test_clock_that_is_off_is_corrected_by_the_platforms_own_once(there: Platform) -> None:
    identity = Identity.made()
    asked = Asked(there.url, context_of(""), lambda: time.time() - 4000)
    asked.enroll(identity, JOIN_KEY, "", {})

    assert asked.refresh(identity, "agt_1")["token"] == "token-2"
    assert asked.refresh(identity, "agt_1")["token"] == "token-3"
    assert [path for path, _ in there.asked] == ["/v1/enroll", *["/v1/enroll/refresh"] * 3]


def test_key_is_made_on_the_machine_and_only_its_public_half_is_told(
    there: Platform, home: Path
) -> None:
    enroll(there, home)

    identity = State(home).identity()
    assert identity is not None
    assert raw(there.asked[0][1]["public_key"]) == identity.public
    assert (home / "key").read_text().strip() not in json.dumps(there.asked)


def test_status_of_a_machine_that_does_not_run_says_how_to_start_it(
    there: Platform, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enroll(there, home)
    capsys.readouterr()

    assert main(["status", "--state", str(home)], {}) == UNREACHABLE
    said = capsys.readouterr().out
    assert said.startswith(f"calm-otter (agt_1), project proj_1, at {there.url}\n")
    assert said.endswith(f"start it by xim run --state {home}\n")


def test_enrolment_that_was_kept_halfway_is_not_there_at_all(home: Path) -> None:
    state = State(home)
    state.prepare()
    state.keep_identity(Identity.made())
    (home / ".enrollment.json-abc").write_text('{"url": "htt')

    assert state.enrollment() is None
