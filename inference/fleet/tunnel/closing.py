"""Why links end: the codes that close them, and what is said with each."""

from __future__ import annotations

from typing import Final

DONE: Final = 1000
RESTART: Final = 1012
OVERLOADED: Final = 1013
NONSENSE: Final = 4400
UNTRUSTED: Final = 4401
REVOKED: Final = 4403
SILENT: Final = 4408
REPLACED: Final = 4409
OTHER_VERSION: Final = 4426
LOST: Final = 1006
"""Never said, only noted: the connection broke without a word."""

OURS: Final = (RESTART, OVERLOADED, NONSENSE, UNTRUSTED, REVOKED, SILENT, REPLACED, OTHER_VERSION)
KNOWN: Final = frozenset({*OURS, DONE, 1001, 1002, 1003, LOST, 1007, 1009, 1011})
"""Those that are told apart where ends are counted."""
