"""Spans (block hashing of prompts): the bytes of a prompt as a chain of hashes of its prefixes.

Blocks end at fixed offsets that grow: every 512 bytes up to 4 KiB, 1 KiB up to 16, 4 KiB up to
128, 16 KiB up to 1 MiB; 104 at most. Two prompts share a hash if and only if they share all bytes
up to there (XXH3, 64 bits, with a secret seed of the installation, so that nobody outside can aim
collisions; a collision misplaces a request, and shows nothing of anybody's prompt).

What is hashed is not the body: a chain begins with whose prompt it is, the model and the tools,
as chat templates do, and goes on with the messages. Sampling parameters, the order of members, a
user's id change nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from xxhash import xxh3_64

KIB: Final = 1024


def _ends() -> list[int]:
    ends = [512 * n for n in range(1, 9)]
    ends += range(5 * KIB, 17 * KIB, KIB)
    ends += range(20 * KIB, 129 * KIB, 4 * KIB)
    ends += range(144 * KIB, KIB * KIB + 1, 16 * KIB)
    return ends


ENDS: Final = _ends()
"""Where blocks end, in bytes from where the messages begin."""

BYTES_MAX: Final = ENDS[-1]


def chain_of(
    seed: int, scope: str, model: str, head: Sequence[memoryview], messages: memoryview
) -> list[int]:
    """Return the hashes of a prompt's prefixes, the shortest first.

    ``seed``: 64 bits; ``scope``: whose cache it is, a project or the whole platform; ``head``:
    what stands before the messages in an engine's prompt (tools, response format), as raw JSON.
    """
    hasher = xxh3_64(f"{scope}\0{model}\0".encode(), seed=seed)
    for part in head:
        hasher.update(len(part).to_bytes(8, "little"))
        hasher.update(part)
    size = len(messages)
    chain: list[int] = []
    begin = 0
    for end in ENDS:
        if end > size:
            break
        hasher.update(messages[begin:end])
        chain.append(hasher.intdigest() >> 2)
        begin = end
    return chain


def seed_of(peppers: Sequence[bytes]) -> int:
    """Return the secret of an installation that its hashes begin with: the same in all gateways.

    Made from the oldest pepper, so that a new one changes it only once.
    """
    digest = hashlib.sha256(b"prefix index\0" + (peppers[-1] if peppers else b"")).digest()
    return int.from_bytes(digest[:8], "little")


def bytes_of(count: int) -> int:
    """Return how many bytes the first so many blocks are."""
    return ENDS[count - 1] if count > 0 else 0
