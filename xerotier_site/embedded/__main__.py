"""``make run``: start the platform, say where it is, keep it running, stop it in order."""

from __future__ import annotations

import signal
import sys

from xerotier_site.embedded import banner, envfile, home, knobs, logbook
from xerotier_site.embedded.faults import CannotStart, storage_fault
from xerotier_site.embedded.launch import QUICKSTART_FILE, Launch, check_port
from xerotier_site.embedded.process import inherited, lesser_account, tie_to_parent
from xerotier_site.embedded.supervisor import Stopped, Supervisor


def main() -> int:
    """Run the platform to its end; 0 if someone stopped it, 1 if it could not go on."""
    if "MAKELEVEL" in inherited():
        tie_to_parent(signal.SIGTERM)
    try:
        turned = knobs.read(inherited())
        check_port(turned)
        account = lesser_account()
        occupied = home.occupy(turned.home, account)
        supervisor = Supervisor(occupied.folder("logs"))
        return _live(Launch(turned, occupied, account, supervisor))
    except CannotStart as fault:
        sys.stderr.write(f"{fault}\n")
        return 1


def _live(launch: Launch) -> int:
    supervisor = launch.supervisor
    supervisor.heed_signals()
    try:
        launch.run()
        logbook.say(_banner(launch))
        supervisor.watch()
    except Stopped:
        logbook.say("Stopping …")
    except OSError as fault:
        raise storage_fault(fault, launch.home.path) from fault
    finally:
        supervisor.stop()
        launch.tidy()
    return 0


def _banner(launch: Launch) -> str:
    return banner.text(
        banner.Up(
            url=launch.knobs.public_url,
            home=launch.home.path,
            data=launch.home.data,
            quickstart=envfile.read(launch.home.file(QUICKSTART_FILE)),
            is_first=launch.is_first,
            missing=launch.missing,
            with_models=launch.knobs.with_models,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
