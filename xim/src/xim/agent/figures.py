"""What is shown of a running agent: the lines of ``/metrics``, and what ``xim status`` says."""

from __future__ import annotations

from typing import Any

from xim import __version__
from xim.agent.keeper import Keeper
from xim.agent.node import Node
from xim.serve.stands import load_of, models_of


def metrics(node: Node, keeper: Keeper) -> str:
    """Return the figures in Prometheus' text format."""
    load = load_of(node.stands)
    live = [link for link in keeper.links if link.live_at is not None]
    gauges = {
        "xim_links": len(live),
        "xim_slots": node.slots,
        "xim_requests_running": load.running or 0,
        "xim_requests_waiting": load.waiting or 0,
        "xim_engines": len(node.stands),
        "xim_engines_up": sum(not stand.seen.trouble for stand in node.stands),
        "xim_draining": int(node.drains),
        "xim_tokens_per_second": round(node.rate.rate, 1),
    }
    if load.kv is not None:
        gauges["xim_kv_use"] = load.kv
    counters = {
        "xim_dials_total": keeper.dialled,
        "xim_answer_bytes_total": sum(stand.count.sent_bytes for stand in node.stands),
        "xim_frames_dropped_total": sum(link.session.dropped for link in keeper.links),
    }
    lines = [f'xim_info{{version="{__version__}",engine="{node.kind}"}} 1']
    lines += [f"# TYPE {name} gauge\n{name} {value}" for name, value in gauges.items()]
    lines += [f"# TYPE {name} counter\n{name} {value}" for name, value in counters.items()]
    lines.append("# TYPE xim_requests_total counter")
    lines += [
        f'xim_requests_total{{ended="{ended}"}} {count}'
        for ended, count in sorted(node.ended.items())
    ]
    return "\n".join(lines) + "\n"


def status(node: Node, keeper: Keeper) -> dict[str, Any]:
    """Return what ``xim status`` shows of a running agent."""
    assigned = node.assignment.state if node.assignment else None
    return {
        "running": True,
        "links": [
            {"gateway": link.gateway, "live": link.live_at is not None} for link in keeper.links
        ],
        "connection": keeper.last_words,
        "state": assigned,
        "draining": node.drains,
        "slots": node.slots,
        "requests": node.requests,
        "engines": [
            {"kind": stand.adapter.kind, "trouble": stand.seen.trouble} for stand in node.stands
        ],
        "models": [
            {name: one[name] for name in ("name", "status", "reason")}
            for one in models_of(node.stands)
        ],
        "tokens_per_s": round(node.rate.rate, 1),
        "ended": dict(node.ended),
    }
