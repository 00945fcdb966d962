"""Why the platform does not start: each is one sentence for the person who started it."""

from __future__ import annotations

import errno
from pathlib import Path


class CannotStart(Exception):
    """The platform cannot start; the message says what to do about it."""


class PartFailed(CannotStart):
    """A part of the platform did not start, or a part it cannot do without has ended."""


def storage_fault(fault: OSError, home: Path) -> CannotStart:
    """Put what the operating system says of the data folder in a sentence."""
    where = fault.filename or home
    if fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return CannotStart(f"The disk that holds {home} is full.")
    if fault.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return CannotStart(f"{where} cannot be read and written: {fault.strerror}.")
    if fault.errno in (errno.ENOTDIR, errno.EEXIST):
        return CannotStart(f"{where} is in the way: the data folder must be a folder.")
    return CannotStart(f"The data folder {home} cannot be used: {fault}.")
