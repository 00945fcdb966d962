"""Scheduling: which tests share an xdist worker, and which of them begin first.

A file stays on one worker, so that what its module set up is set up once; everything that
meets the whole platform stays together for the same reason. What takes longest begins first,
or one worker would wait for the other at the end. (`--dist loadgroup` does not work with
this pytest: xdist writes its groups into an attribute that is no longer read.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

PLATFORM = ("tests/sdk/", "tests/docs/", "tests/run/test_second_machine")
LONGEST = (
    *PLATFORM,
    "tests/browser/test_looks",
    "tests/run/test_life",
    "tests/architecture/test_access",
    "tests/test_injection",
    "tests/browser/",
    "tests/run/",
    "api/tests/test_fuzz",
    "xerotier_site/tests/test_production",
    "api/tests/test_openapi",
    "tests/test_",
    "tests/plane/",
)


class WholeFiles(LoadScopeScheduling):  # type: ignore[misc] # why: xdist ships no types
    """Hands out whole files."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "platform" if path.startswith(PLATFORM) else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Any:
    """Use our scheduler whatever ``--dist`` says."""
    config.option.loadscopereorder = False
    return WholeFiles(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest first, otherwise as it was shuffled."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    places = (n for n, folder in enumerate(LONGEST) if item.nodeid.startswith(folder))
    return next(places, len(LONGEST))
