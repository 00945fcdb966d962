"""The measure of tests against code counts what runs, and nothing that is only said about it."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.apps import apps

from tests.tools import ratio


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("\n\n# a comment\n", 0),
        ('"""A docstring\n\nof three lines."""\n', 0),
        ("x = 1  # said beside it\n", 1),
        ('def f() -> None:\n    """Say it."""\n    return None\n', 2),
        ('TEXT = """\nthree\nlines"""\n', 3),
        ("f(\n    1,\n\n    # said inside\n    2,\n)\n", 4),
        ('X = 1\n"""What X is."""\n', 1),
    ],
)
def test_line_counts_if_something_on_it_runs(tmp_path: Path, text: str, count: int) -> None:
    file = tmp_path / "module.py"
    file.write_text(text)

    assert ratio.lines_of(file) == count


def test_no_app_is_forgotten() -> None:
    ours = {app.name for app in apps.get_app_configs() if Path(app.path).parent == ratio.ROOT}

    assert set(ratio.APPS) == ours - {"inference"}


def test_whole_is_the_sum_of_apps_and_of_what_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratio, "APPS", ("ledger",))
    monkeypatch.setattr(ratio, "OF_THE_CONTROL_PLANE", ("mail",))

    ledger, shared, whole = ratio.counted()

    assert (ledger.name, shared.name, shared.code) == ("ledger", "tests/", 0)
    assert (whole.code, whole.tests) == (ledger.code, ledger.tests + shared.tests)
    assert whole.ratio == whole.tests / whole.code
    assert min(ledger.code, ledger.tests, shared.tests) > 0
