"""The function library, loaded into Valkey whenever it may be missing there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from inference.sources.link import Link, OnReply, ReplyError

TEXT: Final = Path(__file__).with_name("functions.lua").read_text(encoding="utf-8")
RELOAD_EVERY_S: Final = 1.0


class Library:
    """Loads the functions when the link comes up, and again if somebody flushed them."""

    def __init__(self, link: Link, now: Any) -> None:
        self._link = link
        self._now = now
        self._loaded_at = -RELOAD_EVERY_S
        self.fault: str | None = None
        """Why Valkey would not take the library, if it would not."""
        link.on_up.append(self._load)

    def again(self, reply: Any, packed: bytes, then: OnReply) -> bool:
        """Load the library and repeat a call, if it failed because the function was missing."""
        if not isinstance(reply, ReplyError) or "Function not found" not in str(reply):
            return False
        if self._now() - self._loaded_at < RELOAD_EVERY_S:
            return False
        self._load()
        self._link.send(packed, then)
        return True

    def _load(self) -> None:
        self._loaded_at = self._now()
        self._link.call("FUNCTION", "LOAD", "REPLACE", TEXT, then=self._on_loaded)

    def _on_loaded(self, reply: Any) -> None:
        self.fault = str(reply) if isinstance(reply, ReplyError) else None
