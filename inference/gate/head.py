"""A request's head, checked as far as that needs nobody else."""

from __future__ import annotations

from inference.gate import rules
from inference.gate.address import Target, read_target
from inference.gate.passed import Passed
from inference.http.fields import SINGLE, UP, sane_id
from inference.http.lines import Headers, extra_lines
from inference.http.problems import Refused


class Head:
    """What a head says. Field names are in lower case.

    Most callers send the same head with each request, but for its length. Whoever can tell
    (a connection) hands in the same object again, and what was read and found once is not
    read and looked up anew.
    """

    __slots__ = (
        "_is_read",
        "announced",
        "caller_id",
        "fields",
        "found_at",
        "headers",
        "method",
        "origin",
        "passed",
        "raw_target",
        "target",
        "up",
    )

    def __init__(self, method: bytes, raw_target: bytes, headers: Headers) -> None:
        self.method = method
        self.raw_target = raw_target
        self.headers = headers
        self.fields = dict(headers)
        self._is_read = False
        self.target: Target
        length = self.fields.get(b"content-length", b"")
        self.announced = int(length) if length.isdigit() else 0
        """Bytes of body, 0 if it does not say."""
        self.caller_id = sane_id(self.fields.get(b"x-request-id", b""))
        self.origin = self.fields.get(b"origin", b"")
        """Of which page it is, if of one."""
        self.up = b""
        """The lines that a worker may see."""
        self.passed: Passed | None = None
        """What the gate said of it, as long as the tables are those of ``found_at``."""
        self.found_at = -1

    def aim(self) -> Target:
        """Return what it asks for. Raises ``Refused``."""
        if not self._is_read:
            self.target = read_target(self.raw_target)
        return self.target

    def check(self) -> None:
        """Check the rest of it, unless that was done. Raises ``Refused``."""
        if self._is_read:
            return
        rules.read_method(self.target, self.method)
        if len(self.fields) != len(self.headers):
            names = [name for name, _ in self.headers]
            if any(names.count(name) > 1 for name in SINGLE):
                raise Refused("invalid_request", "A header field was sent twice.")
        try:
            self.up = extra_lines([field for field in self.headers if field[0] in UP])
        except ValueError as wrong:  # From a server that is not ours.
            raise Refused("invalid_request", "A header field holds a line end.") from wrong
        self._is_read = True
