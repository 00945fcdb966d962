"""What is kept between starts: the machine's key and its enrolment, for its owner's eyes only.

A folder of mode 0700, files of mode 0600, each written whole or not at all. The join key is
never kept.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from xim.faults import NO_FOLDER, NOT_ENROLLED, Stop
from xim.identity import Identity, bytes_of, text_of

USUAL_FOLDER = "~/.config/xerotier"
SOCKET_PATH_MAX = 100
"""What the kernel takes as the path of a socket, and a little less."""


@dataclass(frozen=True, slots=True)
class Enrollment:
    """How this machine is known to a platform."""

    url: str
    agent: str
    name: str
    project: str
    tunnel: str
    token: str
    expires_at: float
    server_time: float
    ca_pem: str = ""


class State:
    """The state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def socket(self) -> Path:
        """Return where a running xim listens to ``xim status`` and ``xim drain``."""
        return self.folder / "xim.sock"

    @property
    def run_command(self) -> str:
        """Return what starts the machine of this folder."""
        if self.folder == Path(USUAL_FOLDER).expanduser():
            return "xim run"
        return f"xim run --state {shlex.quote(str(self.folder))}"

    def prepare(self) -> None:
        """Make the folder, or close it to others; raises ``Stop`` if it can't be used."""
        if len(str(self.socket)) > SOCKET_PATH_MAX:
            most = SOCKET_PATH_MAX - len("/xim.sock")
            raise Stop(f"The path of --state is too long: choose one of {most} characters at most.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder.chmod(0o700)
        except OSError as fault:
            raise self._unusable(fault) from fault

    def _unusable(self, fault: OSError) -> Stop:
        why = fault.strerror or str(fault)
        sentence = f"The state folder {self.folder} can't be used ({why}): name another by --state."
        return Stop(sentence, NO_FOLDER)

    def identity(self) -> Identity | None:
        """Return the machine's key, or None if none was made yet."""
        try:
            return Identity.from_raw(bytes_of((self.folder / "key").read_text().strip()))
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise self._unusable(fault) from fault
        except ValueError as fault:
            sentence = f"{self.folder / 'key'} is damaged: remove it and enrol again."
            raise Stop(sentence, NOT_ENROLLED) from fault

    def keep_identity(self, identity: Identity) -> None:
        """Keep the machine's key."""
        self._write("key", text_of(identity.raw) + "\n")

    def enrollment(self) -> Enrollment | None:
        """Return how the machine is enrolled, or None if it is not."""
        path = self.folder / "enrollment.json"
        try:
            kept = json.loads(path.read_text())
            names = {one.name for one in fields(Enrollment)}
            return Enrollment(**{name: kept[name] for name in names & kept.keys()})
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise self._unusable(fault) from fault
        except (ValueError, TypeError, AttributeError) as fault:
            sentence = f"{path} is damaged: remove it and enrol again."
            raise Stop(sentence, NOT_ENROLLED) from fault

    def keep_enrollment(self, enrollment: Enrollment) -> None:
        """Keep how the machine is enrolled."""
        self._write("enrollment.json", json.dumps(asdict(enrollment), indent=1) + "\n")

    def enrolled(self) -> tuple[Identity, Enrollment]:
        """Return key and enrolment; raises ``Stop`` if the machine has none."""
        identity, enrollment = self.identity(), self.enrollment()
        if identity is None or enrollment is None:
            sentence = "This machine is not enrolled: xim enroll --url URL --join-key KEY"
            raise Stop(f"{sentence} (looked in {self.folder}).", NOT_ENROLLED)
        return identity, enrollment

    def forget(self) -> None:
        """Remove key and enrolment."""
        for name in ("enrollment.json", "key"):
            (self.folder / name).unlink(missing_ok=True)

    def _write(self, name: str, text: str) -> None:
        try:
            number, half = tempfile.mkstemp(dir=self.folder, prefix=f".{name}-")
            with os.fdopen(number, "w") as file:  # mkstemp made it for us alone: 0600.
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(half).replace(self.folder / name)
        except OSError as fault:
            raise self._unusable(fault) from fault

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only xim that runs with this folder."""
        self.prepare()
        try:
            file = os.fdopen(os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600), "w")
        except OSError as fault:
            raise self._unusable(fault) from fault
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as fault:
                sentence = f"Another xim runs with {self.folder}: stop it (xim drain)"
                raise Stop(f"{sentence}, or name another folder by --state.", NO_FOLDER) from fault
            yield
