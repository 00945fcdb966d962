"""For what stands in the place of a native class: there is none such over the compiled plane."""

from __future__ import annotations

import pytest

from inference.fleet import ports


def skip_if_compiled() -> None:
    """Skip whoever imports what calls this; the same tests run over the sources every time."""
    if not ports.__file__.endswith(".py"):
        # A native class is not subclassed by an interpreted one (mypyc); `make test` runs them.
        pytest.skip("compiled code takes no other class in its place", allow_module_level=True)
