"""How xim ends: exit codes, and the one sentence a person reads beside each."""

from __future__ import annotations

DONE = 0
BROKEN = 1
USAGE = 2
REFUSED = 65
UNREACHABLE = 69
NO_FOLDER = 73
PROTOCOL = 76
REVOKED = 77
NOT_ENROLLED = 78

EXIT_CODES = {
    DONE: "done",
    BROKEN: "a fault of xim itself",
    USAGE: "an option is wrong, or two of them do not go together",
    REFUSED: "the platform refused the join key, the name or the machine's key",
    UNREACHABLE: "the platform, the engine or the running xim can't be reached",
    NO_FOLDER: "the state folder can't be written, or another xim uses it",
    PROTOCOL: "platform and xim have no version of their protocol in common",
    REVOKED: "this machine was revoked: starting again does not help",
    NOT_ENROLLED: "this machine is not enrolled, or already is",
}
"""Every exit code and what it means; ``xim --help`` lists them."""


class Stop(Exception):
    """xim can't go on: a sentence that says what to do, and an exit code."""

    def __init__(self, sentence: str, code: int = USAGE) -> None:
        super().__init__(sentence)
        self.code = code
