"""The terminal summary: what a test wants said at the end of a run, passed or failed.

A test records the property ``told``; reports carry properties home from xdist's workers too.
"""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print every ``told`` once."""
    reports = (report for kind in terminalreporter.stats.values() for report in kind)
    told = {
        str(said)
        for report in reports
        for name, said in getattr(report, "user_properties", ())
        if name == "told"
    }
    for line in sorted(told):
        terminalreporter.write_line(line)
