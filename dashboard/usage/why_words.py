"""Decisions in words for people who never read the code (explainability); pure."""

from __future__ import annotations

from typing import Final

from dashboard.templatetags.figures import duration
from routing.explained import Explained, Seen

PARTS: Final = {
    "base": "first answer",
    "waiting": "waiting",
    "prompt": "reading the prompt",
    "others": "delay to others",
    "prices": "prices",
}
"""What a bar is made of, as its legend says."""
_BETTER: Final = {
    "base": "it answers sooner",
    "waiting": "it had less to read before this prompt",
    "prompt": "it reads this prompt sooner",
    "others": "fewer others had to wait for it",
    "prices": "it is the one to be preferred by rule: your own machine, or one with fewer errors",
}
REASONS: Final = {
    "tried": "It was asked for this request already, and did not answer.",
    "out": "It did not answer when it was last looked for.",
    "doubted": "It failed a moment ago; others were there.",
    "full": "It had no free slot; others had.",
    "misses_target": "It was not expected to keep the target; others were.",
    "on_trial": "It failed a while ago, and only small requests without a target try it again.",
}
VERDICTS: Final = {
    "meets": "keeps the target",
    "may": "may keep the target",
    "misses": "misses the target",
    "": "",
}


def sentence_of(one: Explained) -> str:
    """Say in plain words why a request went where it went."""
    chosen = one.chosen
    others = [seen for seen in one.candidates if seen.reason == "eligible" and not seen.is_chosen]
    name = chosen.name
    if not others:
        return f"Sent to {name} because no other machine could be asked."
    best = min(others, key=lambda seen: seen.cost_ms)
    if chosen.cost_ms > best.cost_ms:
        return (
            f"Sent to {name}, which was expected to cost {duration(chosen.cost_ms)}, little more"
            f" than {best.name} with {duration(best.cost_ms)}. The cheapest is preferred, not"
            " always taken, so that not everybody goes there at once."
        )
    costs = f"{duration(chosen.cost_ms)} against {duration(best.cost_ms)} at {best.name}"
    if chosen.cost_ms == best.cost_ms:
        return f"Sent to {name} by lot: {best.name} was expected to cost as little."
    return f"Sent to {name} because {_reason(chosen, best)}: {costs}."


def target_of(one: Explained) -> str:
    """Say what a target changed, and what became of it; empty where there was none."""
    if not one.without_target:
        return ""
    kept = ("", "It was kept.", "It was missed.", "It was out of reach: nobody could keep it.")
    if one.without_target == one.chosen.name:
        changed = f"Without its target it would have gone to {one.chosen.name}, too."
    else:
        changed = f"Without its target it would have gone to {one.without_target}."
    return f"{changed} {kept[one.target]}".strip()


def _reason(chosen: Seen, best: Seen) -> str:
    """Return what it was the cheapest by: where it saves the most against the next."""
    mine = {term.name: term.ms for term in chosen.terms}
    saved = {term.name: term.ms - mine[term.name] for term in best.terms}
    most = max(saved, key=lambda name: saved[name])
    held = (chosen.hit_tokens or 0) - (best.hit_tokens or 0)
    if most == "prompt" and held > 0 and chosen.hit_tokens:
        return f"it already held {chosen.hit_tokens:,} tokens of this prompt"
    return _BETTER[most]
