"""Every test of the pages begins with no attempts counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from accounts.tests.people import forget_limits


@pytest.fixture(autouse=True)
def _no_attempts_yet() -> Iterator[None]:
    forget_limits()
    yield
    forget_limits()
