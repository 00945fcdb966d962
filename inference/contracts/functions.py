"""What the control plane asks of the function library (``inference/admission/functions.lua``).

Each call says a function's name, the tag of the shard it works on, and arguments by their place
alone: Lua can't tell when two of them are swapped. So each is spelt here once; take them as
``client.fcall(*functions.grant(…))``. The gateway's own calls, which are packed for the hot path,
are in ``admission/commands`` and ``admission/lanes``.

Accounts (*project, endpoint, key*) are hashes named by what they are of; their fields are named
here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from inference.contracts.events import UsageEvent
from inference.contracts.names import shard_tag

Call = tuple[str, int, str, *tuple[str, ...]]
"""Function, how many keys follow, the one key (a shard's tag), arguments. Most return whether it
was done (1) or was not to be (0)."""

LIBRARY: Final = "xt1"
"""The library's name, and how the names of its functions begin. A change of what lies in Valkey
already, or of any function's arguments, is another library."""

GRANTED: Final = "granted"
SEQUENCE: Final = "seq"
SPENT: Final = "spent"
BUDGET: Final = "budget"
BUDGET_VERSION: Final = "budget_v"

_ACCOUNTS: Final = {"project": "p", "endpoint": "e", "key": "k"}


class Whose(NamedTuple):
    """A request, and who pays for it, in the order in which every function takes them."""

    request_id: str
    project: str
    endpoint_id: str
    key_id: str
    tier: str


def account_of(kind: str, outward_id: str) -> str:
    """Name the account of a ``project``, an ``endpoint`` or a ``key``."""
    return f"{_ACCOUNTS[kind]}:{outward_id}"


def month_field(month: str) -> str:
    """Name what was spent in a month (``202611``)."""
    return f"m:{month}"


def allowance_field(month: str, tier: str) -> str:
    """Name the tokens that were used on a tier in a month (``202611``)."""
    return f"a:{month}:{tier}"


def grant(project: str, granted: int, sequence: int) -> Call:
    """Say what a project was granted in all, if ``sequence`` is higher than any before."""
    return _call("grant", shard_tag(project), project, granted, sequence)


def budget(project: str, account: str, ceiling: int | None, version: int) -> Call:
    """Set or lift an account's monthly ceiling, if ``version`` is higher than any before."""
    said = "" if ceiling is None else ceiling
    return _call("budget", shard_tag(project), account, said, version)


def restore(tag: str, account: str, fields: Mapping[str, int]) -> Call:
    """Put fields of an account back, while its shard is not open."""
    return _call("restore", tag, account, *(part for pair in fields.items() for part in pair))


def remember(tag: str, request_ids: Iterable[str]) -> Call:
    """Remember requests that PostgreSQL has, so that no journal charges them again."""
    return _call("remember", tag, *request_ids)


def orphan(whose: Whose, tokens_in: int, tokens_out: int, cost: int) -> Call:
    """Remember one that PostgreSQL has by estimate: the truth, told later, amends it."""
    return _call("orphan", shard_tag(whose.project), *whose, tokens_in, tokens_out, cost)


def estimate(event: UsageEvent, text: str) -> Call:
    """Take in an estimate that was lost before PostgreSQL had it. Returns a word and a place."""
    figures = (event.tokens_in, event.tokens_out, event.cost)
    return _call("estimate", shard_tag(event.project), *_whose(event), *figures, text)


def settle(event: UsageEvent, text: str) -> Call:
    """Tell the end of a request, as its gateway would. Returns a word and a place."""
    tokens = event.tokens_in + event.tokens_out
    return _call("settle", shard_tag(event.project), *_whose(event), tokens, event.cost, text)


def open_shard(tag: str, wait_s: int, above: str, token: str) -> Call:
    """Open a shard that was restored by whoever laid the ``token``.

    Settling begins at once, admissions ``wait_s`` later; events get places above ``above``.
    """
    own_clock = ""
    return _call("open", tag, wait_s, above, own_clock, token)


def epoch_key(tag: str) -> str:
    """Name the entry that is there while a shard is open."""
    return f"{tag}:epoch"


def restoring_key(tag: str) -> str:
    """Name the token of whoever restores a shard."""
    return f"{tag}:restoring"


def tag_in(call: Call) -> str:
    """Return the tag of the shard that a call works on."""
    return call[2]


def _call(function: str, tag: str, *arguments: str | int) -> Call:
    return (f"{LIBRARY}_{function}", 1, tag, *map(str, arguments))


def _whose(event: UsageEvent) -> Whose:
    return Whose(event.request_id, event.project, event.endpoint_id, event.key_id, event.tier)
