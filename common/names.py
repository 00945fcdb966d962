"""Names that people give to things, and read: nothing in them may be invisible or turn them round.

A mark that reverses the text after it, or a space without width, makes two names look alike
that are not, in a list where somebody chooses which to revoke.
"""

from __future__ import annotations

import re
import unicodedata

from common.problems import Problem

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Letters and marks, says Unicode, of which nobody sees anything."""


REGION_MAX = 40
_REGION = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?)?")


class NameMalformed(Problem):
    """The name has a character that nobody can see."""

    code = "name_malformed"


class RegionMalformed(Problem):
    """A region could not be called so."""

    code = "region_malformed"


def hidden_in(text: str) -> str | None:
    """Return the first character of a text that nobody can see; none if all can be."""
    found = (one for one in text if one in BLANK or unicodedata.category(one) in HIDDEN)
    return next(found, None)


def visible(text: str) -> str:
    """Return a text without what nobody can see: for names that others gave."""
    return "".join(one for one in text if hidden_in(one) is None)


def check_name(text: str, *, param: str = "name") -> None:
    """Refuse a name with a character that nobody can see. Raises ``NameMalformed``."""
    hidden = hidden_in(text)
    if hidden is not None:
        said = unicodedata.name(hidden, "a control character").lower()
        raise NameMalformed(
            f"Take out U+{ord(hidden):04X} ({said}): it can’t be seen, so two names could look "
            "alike.",
            param=param,
        )


def check_region(text: str) -> None:
    """Refuse what is no name of a region; none is fine. Raises ``RegionMalformed``.

    Machines and endpoints meet by it, so it is a word that can be written in one way only.
    """
    if len(text) > REGION_MAX or _REGION.fullmatch(text) is None:
        raise RegionMalformed(
            f"Write a region in small letters, digits and hyphens, at most {REGION_MAX}, with a "
            "letter or a digit at both ends: eu-west, rack7.",
            param="region",
        )
