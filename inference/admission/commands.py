"""Calls of the admission functions, as bytes ready for Valkey (RESP, ``FCALL``).

Most of what a call says depends only on the key and the endpoint, so it is packed once for
both (``lanes``). Numbers that change have a fixed width: their length need not be counted again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import hiredis

from inference.admission.holds import Hold
from inference.contracts.functions import LIBRARY
from inference.contracts.names import shard_tag

LEASE_S: Final = 15.0

# hiredis types the argument as a tuple of one; it takes any number.
pack: Callable[[tuple[str | bytes | int, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]

_ASK: Final = (
    b"$36\r\n%s\r\n$16\r\n%016d\r\n$16\r\n%016d\r\n$16\r\n%016d\r\n$16\r\n%016d\r\n"
    b"$16\r\n%016d\r\n$1\r\n%d\r\n"
)
_END: Final = b"$36\r\n%s\r\n$16\r\n%016d\r\n$16\r\n%016d\r\n$%d\r\n%s\r\n"


def ask_of(request_id: bytes, hold: Hold, *, forced: bool = False) -> bytes:
    """Pack what an admission says of its request alone.

    A forced one is never refused: the request runs already.
    """
    return _ASK % (
        request_id,
        hold.est_in,
        hold.est_out,
        hold.est_money,
        hold.tokens,
        hold.money,
        forced,
    )


def end_of(request_id: bytes, tokens: int, cost: int, event: bytes) -> bytes:
    """Pack what a settlement says of its request alone."""
    return _END % (request_id, tokens, cost, len(event), event)


def settle_again(event: dict[str, str | int], text: bytes) -> bytes:
    """Pack the end of a request from a journal, where only its event is left."""
    tag = shard_tag(str(event["project"]))
    who = [str(event[name]) for name in ("project", "endpoint_id", "key_id", "tier")]
    tokens = int(event["tokens_in"]) + int(event["tokens_out"])
    return pack(
        (
            "FCALL",
            f"{LIBRARY}_settle",
            1,
            tag,
            event["request_id"],
            *who,
            tokens,
            event["cost"],
            text,
        )
    )


def void_again(event: dict[str, str | int]) -> bytes:
    """Pack the undoing of an admission from a journal."""
    return void(shard_tag(str(event["project"])), str(event["request_id"]).encode())


def void(tag: str, request_id: bytes) -> bytes:
    """Pack the undoing of an admission whose request never ran."""
    return pack(("FCALL", f"{LIBRARY}_void", 1, tag, request_id))


def head(function: str, tag: str, arguments: int, *first: str | int) -> bytes:
    """Pack the beginning of a call that has so many arguments."""
    # The count of parts stands in front: FCALL, function, number of keys, the key, arguments.
    return b"*%d\r\n" % (4 + arguments) + strings("FCALL", function, 1, tag, *first)


def strings(*parts: str | int) -> bytes:
    """Pack strings as Valkey's protocol has them (RESP bulk strings)."""
    raw = [str(part).encode() for part in parts]
    return b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in raw)
