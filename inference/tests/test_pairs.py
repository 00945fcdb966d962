"""Ten thousand hostile workers before hostile callers: charged is what the plain rules say.

And never more than a slice for each answer beyond what a budget had left, whoever lies. How
many pairs and from which seed: ``pytest --pairs=… --fuzz-seed=…`` (``make pairs`` for all).
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable

import pytest

from inference.body.room import SLICE_TOKENS
from inference.tests.pairs import Caller, caller_of, script_of
from inference.tests.pairs_stage import ScriptedCall, Stage, priced
from inference.tests.plain_model import Asked, Sent, model_of, read

CONTEXT = 2048


def play(stage: Stage, caller: Caller, chance: random.Random) -> None:
    """Let both do what they do until the exchange is over, and time pass where nobody does."""
    steps = 0
    stage.purse.say()
    while not stage.exchange.is_over:
        steps += 1
        if steps == caller.leaves_after:
            stage.exchange.left()
            break
        call = stage.call
        if call is None or call.is_paused or not call.sends or call.sends[0] == "silence":
            stage.purse.say()
            if call is None or not call.is_paused:
                stage.loop.let_pass(1.0)
            continue
        call.step()
        if caller.pauses and chance.random() < 0.1 and not stage.exchange.is_over:
            stage.exchange.pause()
            stage.exchange.resume()
        if chance.random() < 0.5:
            stage.purse.say()
    stage.purse.say()


def sent_by(call: ScriptedCall) -> Sent:
    """Say what reached the gateway of an answer."""
    [(_, headers)] = [step for step in call.heard if isinstance(step, tuple)] or [(0, [])]
    media = dict(headers).get(b"content-type", b"").decode()
    pieces = [step for step in call.heard if isinstance(step, bytes)]
    return Sent(media, pieces, is_whole="end" in call.heard)


def judge(stage: Stage, caller: Caller, seed: str) -> str:
    """Hold what was charged against the plain model."""
    purse = stage.purse
    assert stage.loop.troubles == [], seed
    assert purse.held == 0, seed
    assert purse.spent == sum(event.cost for event in purse.settled), seed
    assert purse.spent <= purse.budget + caller.n * SLICE_TOKENS, seed
    if not purse.settled:
        return "refused"
    [event] = purse.settled
    [outcome] = stage.told.outcomes
    last = stage.workers.calls[-1]
    told = json.loads(last.body)
    limit = told.get("max_tokens") or told.get("max_output_tokens")
    asked = Asked(caller.operation, -(-outcome.prompt_bytes // 4), caller.n, limit, CONTEXT)
    charged = event.source, event.tokens_in, event.tokens_out
    ceiling = purse.ceiling + caller.n * SLICE_TOKENS
    if event.status >= 500 or not any(isinstance(step, tuple) for step in last.heard):
        assert charged == ("absent", 0, 0), seed
        assert read(asked, sent_by(last)).pieces == 0 or outcome.code == "upstream_timeout", seed
        return "no answer"
    wanted = model_of(asked, sent_by(last), ending=event.ending, ceiling=ceiling)
    assert charged == wanted, (seed, event.ending)
    assert event.ending != "complete" or not read(asked, sent_by(last)).is_error, seed
    return f"{event.source} {event.ending}"


def test_charged_is_what_the_plain_rules_say(
    request: pytest.FixtureRequest, record_testsuite_property: Callable[[str, object], None]
) -> None:
    first = request.config.getoption("--fuzz-seed")
    found: Counter[str] = Counter()
    for number in range(request.config.getoption("--pairs")):
        seed = f"{first}.{number}"
        chance = random.Random(seed)
        caller = caller_of(chance)
        route = priced(1_000_000, CONTEXT)
        budget = chance.choice([10**7, 3000, 1000, 600])
        scripts = [script_of(chance, caller) for _ in range(3)]
        stage = Stage(route, scripts, budget, chance)
        stage.ask(caller.operation, caller.body, route)

        play(stage, caller, chance)

        found[judge(stage, caller, seed)] += 1
    record_testsuite_property("pairs", dict(found))
    assert {"measured complete", "estimated complete", "no answer"} <= set(found)
