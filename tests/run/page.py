"""A page of ours as something to be carried out: its files, its commands, in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"(?:`(?P<file>/[^`\n]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, its text, and the file it is, if one is named before it."""

    language: str
    text: str
    file: str


def blocks(page: Path, instead: Mapping[str, str]) -> Iterator[Block]:
    """Yield a page's blocks; what only a real machine has is put ``instead`` of itself."""
    # In one go: what was put in is not looked through again.
    known = re.compile("|".join(map(re.escape, instead)))
    for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
        text = known.sub(lambda match: instead[match[0]], found["text"])
        yield Block(found["language"], text, found["file"] or "")


def unit(text: str) -> dict[str, str]:
    """Return what a systemd unit says, by name; a name said twice is a mistake of the page's."""
    pairs = [line.partition("=") for line in text.splitlines() if "=" in line]
    names = [name for name, _, _ in pairs]
    assert len(set(names) - {"After"}) == len([name for name in names if name != "After"]), names
    return {name: value for name, _, value in pairs}


def environment(text: str) -> dict[str, str]:
    """Return what an environment file says."""
    return dict(line.split("=", 1) for line in text.splitlines() if line)
