"""Pre-forked server processes on one port: started together, replaced, stopped together.

All accept from one listening socket that the parent opened, so none of them owns the port and
a new one can take over while others serve.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2
BACKOFF_S = 1.0
"""A process that died is replaced after this long, so that a broken start does not spin."""

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Ask the kernel to stop this process when its parent dies, however that dies. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("the parent process died while this one started")


class PreforkServers:
    """Keeps ``count`` processes of the same command alive. Made in the main thread."""

    def __init__(
        self,
        listener: socket.socket,
        arguments: Sequence[str],
        count: int,
    ) -> None:
        self._listener = listener
        self._command = [sys.executable, "-m", "xerotier_site.server", *arguments]
        self._command += ["--fd", str(listener.fileno()), "--parent", str(os.getpid())]
        self._count = count
        self._processes: list[subprocess.Popen[bytes]] = []
        self._stopping = threading.Event()

    def run(self, patience_s: float) -> int:
        """Serve until told to stop; then wait ``patience_s`` for the last answers."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        self._processes = [self._start() for _ in range(self._count)]
        while not self._stopping.wait(LOOK_EVERY_S):
            self._replace_the_dead()
        return self._stop(patience_s)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own program
            self._command, pass_fds=[self._listener.fileno()]
        )

    def _replace_the_dead(self) -> None:
        for place, process in enumerate(self._processes):
            if process.poll() is None:
                continue
            logger.error("server process %d ended with %s", process.pid, process.returncode)
            if not self._stopping.wait(BACKOFF_S):
                self._processes[place] = self._start()

    def _stop(self, patience_s: float) -> int:
        # Ours kept open, callers would wait at a door behind which nobody is left.
        self._listener.close()
        for process in self._processes:
            process.terminate()
        return max(_ending_of(process, patience_s) for process in self._processes)


def _ending_of(process: subprocess.Popen[bytes], patience_s: float) -> int:
    try:
        ending = process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return 1
    # Told to stop before it had learned to listen: that is an end in good order, too.
    return 0 if ending == -signal.SIGTERM else abs(ending)
