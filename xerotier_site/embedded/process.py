"""Children on a leash: they run as nobody special, and none outlives the process that began it.

Linux ends a child by ``PR_SET_PDEATHSIG`` when its parent is gone, even by ``kill -9``. The
mark is bound to the *thread* that spawned the child and is lost when the child changes its
user: so spawn from the main thread only, and it is set after the change of user.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xerotier_site.embedded.faults import PartFailed

PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Account:
    """The user a server runs as when we are root, since PostgreSQL refuses to be root."""

    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Give the account a file or folder."""
        os.chown(path, self.uid, self.gid)


def lesser_account() -> Account | None:
    """Return the account that servers are dropped to: none unless we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise PartFailed("This machine has neither a user postgres nor nobody to run PostgreSQL as.")


@dataclass(frozen=True, slots=True)
class Command:
    """How one child is started, and which signal it gets when its parent is lost."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    folder: Path | None = None
    orphan_signal: signal.Signals = signal.SIGKILL


def inherited() -> dict[str, str]:
    """Return the environment children start from: ours."""
    return dict(os.environ)  # noqa: TID251 - handed on, not read


def tie_to_parent(farewell: signal.Signals) -> None:
    """Get ``farewell`` ourselves when the process that started us is gone."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, int(farewell), 0, 0, 0)


def leash(orphan_signal: signal.Signals) -> Callable[[], None]:
    """Return what a child does between fork and exec to be tied to us."""
    parent = os.getpid()

    def tie() -> None:
        if _LIBC is not None:
            _LIBC.prctl(PR_SET_PDEATHSIG, int(orphan_signal), 0, 0, 0)
            if os.getppid() != parent:  # It died between the fork and the line above.
                os.kill(os.getpid(), signal.SIGKILL)

    return tie


def spawn(
    command: Command,
    *,
    output: int | None = subprocess.PIPE,
    complaints: int = subprocess.STDOUT,
) -> subprocess.Popen[bytes]:
    """Start a child in its own process group; its two outputs are one unless told otherwise.

    Its own group keeps a Ctrl-C at the terminal away from it: the supervisor stops its
    children in order.
    """
    account = command.account
    return subprocess.Popen(  # noqa: S603 - argv lists of our own making
        list(command.argv),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=complaints,
        env={**inherited(), **command.environment},
        cwd=command.folder,
        process_group=0,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        # Safe here: the function only makes two system calls, and no thread of ours holds
        # a lock that it needs. There is no other way to set the mark after the user change.
        preexec_fn=leash(command.orphan_signal),  # noqa: PLW1509
    )


def run(command: Command, *, what: str) -> None:
    """Run a child to its end; raise ``PartFailed`` with its last line if it fails."""
    child = spawn(command)
    output, _ = child.communicate()
    if child.returncode:
        raise PartFailed(f"{what} failed: {last_line(output.decode(errors='replace'))}")


def last_line(output: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def wait_until(
    ready: Callable[[], bool], *, child: subprocess.Popen[bytes], what: str, patience_s: float = 30
) -> None:
    """Wait for a child to be ready; raise ``PartFailed`` if it ends or takes too long."""
    deadline = time.monotonic() + patience_s
    while not ready():
        if child.poll() is not None:
            said = child.stdout.read().decode(errors="replace") if child.stdout else ""
            raise PartFailed(f"{what} does not start: {last_line(said)}")
        if time.monotonic() > deadline:
            raise PartFailed(f"{what} was not ready after {patience_s:.0f} s.")
        time.sleep(0.02)


def stop(child: subprocess.Popen[bytes], how: signal.Signals, *, patience_s: float) -> None:
    """Ask a child to end, and end its whole group when it takes too long."""
    if child.poll() is None:
        child.send_signal(how)
    try:
        child.wait(patience_s)
    except subprocess.TimeoutExpired:
        kill_group(child)
        child.wait()


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """End a child and what it started, at once."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def is_alive(pid: int) -> bool:
    """Say whether a process of this number exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
