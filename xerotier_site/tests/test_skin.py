"""The console's skin comes built: a colour that it does not have would silently be none."""

from __future__ import annotations

import re
from pathlib import Path

import unfold

from tests.platform import ROOT

CLASS = re.compile(r"(?<![\w:-])(?:dark:)?(?:border|bg|text)-(?:red|base|primary)-\d+")


def test_every_colour_of_our_console_pages_is_in_the_skin() -> None:
    skin = Path(unfold.__file__).parent / "static" / "unfold" / "css" / "styles.css"
    styles = skin.read_text(encoding="utf-8").replace("\\", "")
    used = {
        name
        for page in (ROOT / "templates" / "admin").rglob("*.html")
        for name in CLASS.findall(page.read_text(encoding="utf-8"))
    }

    assert len(used) >= 4
    assert {name for name in used if f".{name}" not in styles} == set()
