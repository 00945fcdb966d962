"""Serve the platform: both planes on one port, stopped in good order.

``python -m xerotier_site.server [--host H] [--port P] [--plane]``
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Generator

import uvicorn
from uvicorn.importer import import_from_string

from xerotier_site import env
from xerotier_site.plane import PlaneMount

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class PlatformServer(uvicorn.Server):
    """uvicorn, with our own way of stopping."""

    def __init__(self, mount: PlaneMount, application: object = None, **options: object) -> None:
        self.mount = mount
        settings = {
            "http": "httptools",
            "lifespan": "on",
            "log_config": None,
            "access_log": False,
            "server_header": False,
            "backlog": 4096,
            "timeout_graceful_shutdown": int(mount.config.waits.grace_s),
            **options,
        }
        super().__init__(uvicorn.Config(application or mount, **settings))  # type: ignore[arg-type] # why: its options are typed one by one

    def stop(self) -> None:
        """Begin to stop."""
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop on SIGTERM and SIGINT, and then end as a success: being told to is no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop."""
    asked = _parser().parse_args(arguments)
    if env.mistakes:
        raise env.BadSettings(env.mistakes)
    module = "xerotier_site.plane" if asked.plane else "xerotier_site.asgi"
    mount = import_from_string(f"{module}:mount")
    application = import_from_string(f"{module}:application")
    PlatformServer(mount, application, host=asked.host, port=asked.port).run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="xerotier_site.server", description=__doc__)
    parser.add_argument("--host", default=env.text("XEROTIER_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=env.number("XEROTIER_PORT", 8000))
    parser.add_argument("--plane", action="store_true", help="the data plane alone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
