"""Filters that write figures the way every page writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import template

from common import money as said

if TYPE_CHECKING:
    from usage.selectors import Totals

register = template.Library()

LEAST_SHOWN = 100
"""Micro-units: what four places of a currency can say."""
GIB = 1024**3
MIB = 1024**2
SECOND_MS = 1000
NOTHING = "–"
NAME_END = 8
"""How much of a long name's end is always shown: it is where numbered ones differ."""


@register.filter
def grouped(value: int | None) -> str:
    """Write a whole number in groups of three: ``48,209``."""
    return NOTHING if value is None else f"{value:,}"


@register.filter
def duration(value_ms: float | None) -> str:
    """Write milliseconds as a person reads them: ``184 ms``, ``2.41 s``."""
    if value_ms is None:
        return NOTHING
    if round(value_ms) < SECOND_MS:
        return f"{value_ms:.0f} ms"
    return f"{value_ms / SECOND_MS:.2f} s"


@register.filter
def money(micro: int | None) -> str:
    """Write micro-units of the currency with as many places as say something: ``$0.50``."""
    if micro is None:
        return NOTHING
    return said.money(micro)


@register.filter
def moved(micro: int) -> str:
    """Write a movement of money with its sign: ``+$5.00``, ``−$0.0020``."""
    return f"{'−' if micro < 0 else '+'}{money(abs(micro))}"


@register.filter
def balance(micro: int) -> str:
    """Write what is left; a debt has a minus before the currency."""
    return f"−{cost(-micro)}" if micro < 0 else cost(micro)


@register.filter
def cost(micro: int) -> str:
    """Write what something cost, the same number of places below each other: ``$0.0020``."""
    if micro >= said.UNIT or micro == 0:
        return said.rounded(micro, 2)
    return said.rounded(micro, 4) if micro >= LEAST_SHOWN else f"< {said.money(LEAST_SHOWN)}"


@register.filter
def size(value_bytes: int | None) -> str:
    """Write a size in binary units: ``93 MiB``, ``4.1 GiB``."""
    if not value_bytes:
        return NOTHING
    if value_bytes < GIB:
        return f"{max(1, round(value_bytes / MIB)):,} MiB"
    return f"{value_bytes / GIB:,.1f} GiB"


BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


@register.filter
def browser(agent: str) -> str:
    """Name the browser and the system in a User-Agent; what names neither is shown as it is."""
    program = next((name for mark, name in BROWSERS if mark in agent), "")
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    return " on ".join(filter(None, (program, system))) or agent or "Unknown"


@register.filter
def middle(value: str, keep: int = 14) -> str:
    """Shorten a long id in the middle, so that both its ends stay: ``req_9fK2…c41``."""
    if len(value) <= keep + 1:
        return value
    tail = keep // 3
    return f"{value[: keep - tail]}…{value[-tail:]}"


@register.filter
def front(value: str) -> str:
    """Return the part of a name that gives way where there is no room for all of it."""
    return value[:-NAME_END] if len(value) > 2 * NAME_END else value


@register.filter
def back(value: str) -> str:
    """Return the end of a name, which always stays."""
    return value[-NAME_END:] if len(value) > 2 * NAME_END else ""


@register.filter
def duration_value(value_ms: float | None) -> str:
    """Write the figure of a duration without its unit."""
    return duration(value_ms).split(" ")[0]


@register.filter
def duration_unit(value_ms: float | None) -> str:
    """Write the unit that belongs to ``duration_value``; none for no figure."""
    return "" if value_ms is None else duration(value_ms).split(" ")[1]


@register.filter
def percent(value: float | None) -> str:
    """Write a share with as many places as a person needs: ``0.04``, ``12.5``."""
    if value is None:
        return NOTHING
    return f"{value:.2f}" if 0 < value < 1 else f"{value:.1f}".removesuffix(".0")


@register.filter
def percent_unit(value: float | None) -> str:
    """Write the unit that belongs to ``percent``; none for no figure."""
    return "" if value is None else "%"


@register.filter
def growth(value_percent: float | None) -> str:
    """Say how much there is more or less than before."""
    if value_percent is None:
        return "nothing to compare with yet"
    arrow = "↑" if value_percent > 0 else "↓" if value_percent < 0 else "→"
    return f"{arrow} {abs(value_percent):.1f} % on the range before"


@register.filter
def requests(count: int) -> str:
    """Count requests in words."""
    return "1 request" if count == 1 else f"{count:,} requests"


@register.filter
def failed(count: int) -> str:
    """Say how many failed."""
    return f"{count:,} failed" if count else "none failed"


@register.filter
def failed_or_left(totals: Totals) -> str:
    """Say how many failed, and apart from them how many callers left early."""
    left = f" · {totals.left_early:,} left early" if totals.left_early else ""
    return f"{failed(totals.failures)}{left}"


@register.filter
def ttft_spread(totals: Totals) -> str:
    """Say half's and the slowest hundredth's time to first token; of streams, if there are any."""
    if totals.ttft_p50_ms is None:
        return "no streams in this range"
    return f"p50 {duration(totals.ttft_p50_ms)} · p99 {duration(totals.ttft_p99_ms)}"


@register.filter
def refused_title(count: int) -> str:
    """Head the list of refused requests."""
    return f"{count:,} refused" if count else "Refused"


@register.filter
def nothing_found(asked_for: str) -> str:
    """Say why a list of requests is empty."""
    if asked_for:
        return "No admitted request has this id. Ids stand in the answer’s X-Xerotier-Request-ID."
    return "No request of this range fits the filters. Take a longer range, or clear them."


@register.filter
def cached(count: int) -> str:
    """Say how many tokens came from a cache; nothing where none did."""
    return f"{count:,} from cache" if count else ""


@register.filter
def tokens_in(count: int) -> str:
    """Say how many tokens went in."""
    return f"{count:,} in"


@register.filter
def limit(value: int | None) -> str:
    """Write a limit; none is unlimited."""
    return "unlimited" if value is None else f"{value:,}"
