"""API keys: what one looks like, and the only form in which one is kept."""

from __future__ import annotations

import hmac
import re
import string
import zlib
from functools import lru_cache, partial

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_KEY = re.compile(r"xero_[a-z][a-z0-9-]{1,31}_[0-9A-Za-z]{49}", re.ASCII)
_PAIRS = [high + low for high in BASE62 for low in BASE62]


_keyed = lru_cache(16)(partial(hmac.new, digestmod="sha256"))


def digest_of(secret: bytes, pepper: bytes) -> str:
    """Return the only form of an API key that is ever stored: HMAC-SHA-256, hex."""
    keyed = _keyed(pepper).copy()
    keyed.update(secret)
    return keyed.hexdigest()


def checksum(text: str) -> str:
    """Return the last six characters of a key whose other characters are ``text``.

    CRC-32 in base 62, padded: it tells a typo from a key without a look-up; protects nothing.
    """
    high, rest = divmod(zlib.crc32(text.encode()), len(_PAIRS) ** 2)
    middle, low = divmod(rest, len(_PAIRS))
    return _PAIRS[high] + _PAIRS[middle] + _PAIRS[low]


def is_key(text: str) -> bool:
    """Say whether this has the form of an API key, its checksum included."""
    return _KEY.fullmatch(text) is not None and checksum(text[:-6]) == text[-6:]
