"""``xim``: one sentence and one exit code for each way it ends."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from xim.cli import asking, enroll, serving
from xim.cli.options import parser
from xim.faults import DONE, Stop

COMMANDS: Mapping[str, Callable[..., int]] = {
    "enroll": enroll.enroll,
    "leave": enroll.leave,
    "run": serving.serve,
    "sim": serving.simulate,
    "status": asking.status,
    "drain": asking.drain,
}


def main(argv: Sequence[str] | None = None, said: Mapping[str, str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    # The only place where xim reads its environment.
    environment = os.environ if said is None else said  # noqa: TID251
    options = parser(environment).parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("websockets").setLevel(logging.WARNING)
    try:
        return COMMANDS[options.command](options)
    except Stop as stop:
        sys.stderr.write(f"xim: {stop}\n")
        return stop.code
    except KeyboardInterrupt:
        return DONE
    except BaseExceptionGroup as faults:
        found = _stop_in(faults)
        if found is None:
            raise
        sys.stderr.write(f"xim: {found}\n")
        return found.code


def _stop_in(faults: BaseExceptionGroup[BaseException]) -> Stop | None:
    for one in faults.exceptions:
        if isinstance(one, Stop):
            return one
        if isinstance(one, BaseExceptionGroup) and (inner := _stop_in(one)) is not None:
            return inner
    return None
