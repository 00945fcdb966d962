"""What this process knows of grants, routes and pools, and never older than it was told.

Entries come from Valkey when first asked for, in bounded numbers, and stay while the channel
of changes is heard: it names what was written, and the entry goes. Three rules keep a
revoked key out:

- A fill that is older than a version already announced is dropped and read again.
- While the channel is silent, every entry is read again before it is used. Entries from before
  a gap in hearing count as unread once the channel is back.
- When Valkey itself is away, what is in memory serves on, for ``outage_s`` and no longer.

And one keeps a good key in: with each read comes an entry that is published last when Valkey
has lost everything. Where that is missing, nobody can say that something else is not there.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from inference.contracts import agents, pass_keys
from inference.contracts.agents import AgentEntry
from inference.contracts.entries import Grant, Pool, Route, load
from inference.contracts.names import SHARDS
from inference.contracts.pass_keys import PassKeys

Thing = Grant | Route | Pool | PassKeys | AgentEntry
Found = dict[str, Thing | None]
"""What a read brought, by name; ``None``: there is no such entry."""

OnFound = Callable[[Found | None, bool], None]
OnResolved = Callable[[Found, bool], None]
OnTexts = Callable[[Sequence[bytes | None] | None], None]

ABSENT_S = 1.0
ABSENT_COUNT = 4096
NAME_MAX = 256
"""Longer names are nobody's, and asked for anew each time: a stranger's would fill the memory."""
ATTEMPTS = 3

IS_WHOLE = f"{{s{SHARDS - 1}}}:epoch"
"""What a Valkey has that was given everything: shards are opened in order, after all else."""

T = TypeVar("T")

_READERS: dict[str, Callable[[bytes], Thing]] = {
    "grant": partial(load, Grant),
    "route": partial(load, Route),
    "pool": partial(load, Pool),
    "agent": agents.load,
    pass_keys.NAME: pass_keys.load,
}


class Source(Protocol):
    """Where entries are read from."""

    def read(self, keys: Sequence[str], then: OnTexts) -> None:
        """Read entries; ``then`` gets a text or none for each, or none at all if it failed."""


class _Entry:
    __slots__ = ("epoch", "thing")

    def __init__(self, thing: Thing, epoch: int) -> None:
        self.thing = thing
        self.epoch = epoch


class Tables:
    """Grants, routes and pools by their name in Valkey.

    ``now`` is a monotonic clock. ``hear``, ``deafen`` and ``announce`` are told by whoever
    listens to the channel.
    """

    def __init__(
        self,
        source: Source,
        now: Callable[[], float],
        *,
        size: int = 50_000,
        outage_s: float = 600.0,
    ) -> None:
        self._source = source
        self._now = now
        self._size = size
        self._outage_s = outage_s
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._absent: OrderedDict[str, float] = OrderedDict()
        self._reading: dict[str, list[int]] = {}
        self._epoch = 0
        self.generation = 0
        """Another number whenever what ``look`` has returned may not be believed any more.

        While it stays, and the channel is heard, that need not be looked at again."""
        self._heard_until = -1.0
        self._last_sign = now()
        self.on_change: list[Callable[[str], None]] = []
        """Told the name of each entry that was written; nothing, if some may have been missed."""

    def __len__(self) -> int:
        """Return how many entries are in memory."""
        return len(self._entries)

    # ── Asking ─────────────────────────────────────────────────────────────────────────

    def look(self, key: str) -> Thing | None:
        """Return an entry that may be used as it is; none: it has to be fetched."""
        entry = self._entries.get(key)
        if entry is None or entry.epoch != self._epoch or self._now() > self._heard_until:
            return None
        self._entries.move_to_end(key)
        return entry.thing

    def is_absent(self, key: str) -> bool:
        """Say whether Valkey was asked for this a moment ago and had none."""
        until = self._absent.get(key)
        return until is not None and self._now() < until and self._now() <= self._heard_until

    def recall(self, key: str) -> Thing | None:
        """Return an entry as it was last known, while Valkey is away and not for too long."""
        entry = self._entries.get(key)
        if entry is None or self._now() - self._last_sign > self._outage_s:
            return None
        return entry.thing

    def resolve(self, keys: Sequence[str], then: OnResolved) -> None:
        """Find things by name: from memory if all may be used as they are, else by one read.

        ``then`` gets what is there and whether that is sure. Unsure, Valkey could not be
        asked or has lost everything, and what is missing may exist all the same.
        """
        found: Found = {}
        for key in keys:
            found[key] = self.look(key)
        missing = [key for key in keys if found[key] is None and not self.is_absent(key)]
        if not missing:
            then(found, True)
            return

        def on_read(read: Found | None, is_whole: bool) -> None:
            if read is None:
                read = {key: self.recall(key) for key in missing}
            then(found | read, is_whole or None not in read.values())

        self.fetch(missing, on_read)

    def fetch(self, keys: Sequence[str], then: OnFound) -> None:
        """Read entries and remember them; ``then`` gets none if Valkey can't be asked.

        And whether Valkey has all that it should: what is missing exists nowhere then.
        """
        self._fetch(keys, then, ATTEMPTS)

    def _fetch(self, keys: Sequence[str], then: OnFound, attempts: int) -> None:
        for key in keys:
            self._reading.setdefault(key, [0, 0])[1] += 1
        epoch = self._epoch  # Of the question: an answer may be older than the channel.

        def on_texts(texts: Sequence[bytes | None] | None) -> None:
            least = {key: self._release(key) for key in keys}
            if texts is None:
                then(None, False)
                return
            self._last_sign = self._now()
            *said, mark = texts
            found = {key: _decode(key, text) for key, text in zip(keys, said, strict=True)}
            if all(_is_new_enough(found[key], least[key]) for key in keys):
                is_whole = mark is not None
                kept = {key: self._keep(key, found[key], epoch, is_whole) for key in keys}
                then(kept, is_whole)
            elif attempts > 1:
                self._fetch(keys, then, attempts - 1)
            else:
                then(None, False)

        self._source.read([*keys, IS_WHOLE], on_texts)

    def _release(self, key: str) -> int:
        reading = self._reading[key]
        reading[1] -= 1
        if reading[1] == 0:
            del self._reading[key]
        return reading[0]

    def _keep(self, key: str, thing: Thing | None, epoch: int, is_whole: bool) -> Thing | None:
        if thing is None:
            if is_whole and len(key) <= NAME_MAX:
                _bounded(self._absent, key, self._now() + ABSENT_S, ABSENT_COUNT)
            if self._entries.pop(key, None) is not None:
                self.generation += 1
            return None
        known = self._entries.get(key)
        if known is not None and known.thing.version > thing.version:
            thing = known.thing
        if known is not None and known.thing.version < thing.version:
            self.generation += 1
        self._absent.pop(key, None)
        _bounded(self._entries, key, _Entry(thing, epoch), self._size)
        return thing

    # ── Listening ──────────────────────────────────────────────────────────────────────

    def hear(self, until: float) -> None:
        """Believe the entries of this epoch until then, because the channel just answered."""
        self._heard_until = until
        self._last_sign = self._now()

    def deafen(self) -> None:
        """Trust nothing unread from now on: messages may have been missed."""
        self._epoch += 1
        self.generation += 1
        self._heard_until = -1.0
        self._absent.clear()
        self._tell("")

    def is_hearing(self) -> bool:
        """Say whether the channel is alive."""
        return self._now() <= self._heard_until

    def _tell(self, key: str) -> None:
        for listener in self.on_change:
            listener(key)

    def announce(self, message: bytes) -> None:
        """Take a message of the channel: forget what is older than what it names."""
        try:
            note = json.loads(message)
            key, version = str(note["key"]), int(note["version"])
        except (ValueError, TypeError, KeyError):
            self.deafen()  # It said something changed, but not what.
            return
        self.generation += 1
        self._absent.pop(key, None)
        self._tell(key)
        reading = self._reading.get(key)
        if reading is not None:
            reading[0] = max(reading[0], version)
        entry = self._entries.get(key)
        if entry is not None and entry.thing.version < version:
            del self._entries[key]


def _bounded(table: OrderedDict[str, T], key: str, value: T, size: int) -> None:
    table[key] = value
    table.move_to_end(key)
    while len(table) > size:
        table.popitem(last=False)


def _decode(key: str, text: bytes | None) -> Thing | None:
    if text is None:
        return None
    try:
        return _READERS[key.partition(":")[0]](text)
    except (ValueError, TypeError, KeyError):
        return None


def _is_new_enough(thing: Thing | None, least: int) -> bool:
    return least == 0 or (thing is not None and thing.version >= least)
