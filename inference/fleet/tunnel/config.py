"""The numbers of a tunnel, each with its unit. What an agent has to keep to, WELCOME tells it."""

from __future__ import annotations

from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True)
class TunnelConfig:
    """How long links are waited for, and how much they may hold.

    ``window``: bytes of an answer that may be on their way before the first were taken; it grows
    to ``window_max`` while all windows of a link, and of the process, stay within theirs.
    ``suspect_s``: after so much silence a link gets no new work, after ``cut_s`` it is closed.
    ``outage_s``: how long the token of a live link is honoured beyond its end. ``first_byte_s``:
    how long an agent may wait for an engine's first byte, if nobody gives up before. In no second
    come more links than ``links_per_s`` and ``links_at_once`` together, which leaves room up to
    50: whoever watches sees some a tenth of a second late.
    """

    window: int = 64 * KIB
    window_max: int = MIB
    link_windows: int = 16 * MIB
    process_windows: int = 256 * MIB
    streams: int = 256
    links_per_agent: int = 8
    links_per_s: int = 40
    links_at_once: int = 6
    hello_s: float = 5.0
    beat_s: float = 3.0
    lease_s: float = 10.0
    ping_s: float = 4.0
    suspect_s: float = 4.5
    cut_s: float = 9.0
    unwritten_s: float = 10.0
    farewell_s: float = 2.0
    grace_s: float = 120.0
    outage_s: float = 600.0
    first_byte_s: float = 600.0
