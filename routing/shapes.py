"""What a caller gets to read of a decision."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from inference.contracts.decide import REASONS, VERDICTS
from routing.explained import TERMS, Explained, decision_id_of
from routing.rules import Because

TARGETS = ("", "kept", "missed", "out_of_reach")
"""Whether a target was kept, by its number in the contract."""


class TermOut(serializers.Serializer[Any]):
    """One part of a cost."""

    name = serializers.ChoiceField(TERMS)
    ms = serializers.FloatField(help_text="As it counted, in milliseconds")
    share = serializers.IntegerField(help_text="Per cent of the cost")


class PolicyOut(serializers.Serializer[Any]):
    """What weighed the candidates."""

    name = serializers.CharField(source="policy")
    version = serializers.IntegerField(source="policy_version")
    current_formula = serializers.BooleanField(
        source="is_same_formula", help_text="False: another version decided; terms are by today's"
    )


class CandidateOut(serializers.Serializer[Any]):
    """A worker that was weighed. Of shared machines the load is told roughly."""

    name = serializers.CharField(help_text="A shared machine has a letter for a name")
    own = serializers.BooleanField(source="is_own")
    chosen = serializers.BooleanField(source="is_chosen")
    reason = serializers.ChoiceField(REASONS, help_text="Why it could not be chosen, or eligible")
    verdict = serializers.ChoiceField(
        VERDICTS, help_text="Whether it was believed to keep the target; empty without one"
    )
    cost_ms = serializers.FloatField(help_text="The sum of its terms: lower is better")
    terms = TermOut(many=True)
    chance = serializers.IntegerField(help_text="Per cent; by tens where machines are shared")
    predicted_ttft_ms = serializers.FloatField(source="ttft_ms")
    predicted_p90_ms = serializers.FloatField(source="p90_ms", help_text="Nine of ten are faster")
    load = serializers.IntegerField(help_text="Requests it had")
    hit_tokens = serializers.IntegerField(
        allow_null=True, help_text="Of the prompt, expected in its cache; null: not told"
    )


class OutcomeOut(serializers.Serializer[Any]):
    """What came of it."""

    ending = serializers.CharField()
    ttft_ms = serializers.FloatField(source="actual_ms", allow_null=True)
    tpot_ms = serializers.FloatField(source="actual_tpot_ms", allow_null=True)
    tokens_cached = serializers.IntegerField(
        source="cached", allow_null=True, help_text="Null: its engine does not report it"
    )
    target = serializers.SerializerMethodField(
        help_text="kept, missed, or out_of_reach: nobody could; empty without one"
    )

    def get_target(self, attempt: Explained) -> str:
        """Say it in a word."""
        return TARGETS[attempt.target]


class AttemptOut(serializers.Serializer[Any]):
    """One choice: a request that failed over has several."""

    number = serializers.IntegerField(source="attempt")
    at = serializers.DateTimeField()
    kept_because = serializers.ChoiceField(Because.choices, source="because")
    policy = PolicyOut(source="*")
    weight = serializers.FloatField(help_text="What a millisecond of its own waiting counted")
    tokens = serializers.IntegerField(help_text="Of the prompt, as estimated")
    fallback = serializers.IntegerField(help_text="As in the usage record's decision")
    target_ttft_ms = serializers.FloatField(allow_null=True)
    target_tpot_ms = serializers.FloatField(allow_null=True)
    candidates = CandidateOut(many=True)
    beyond = serializers.DictField(
        child=serializers.IntegerField(), help_text="Candidates not listed, by reason"
    )
    without_target = serializers.CharField(
        help_text="Whom it would have gone to without its target; empty where it named none"
    )
    outcome = OutcomeOut(source="*")


class DecisionDetailOut(serializers.Serializer[Any]):
    """Why a request went where it went."""

    object = serializers.ChoiceField(["routing.decision"])
    id = serializers.CharField()
    request_id = serializers.CharField()
    endpoint = serializers.CharField()
    model = serializers.CharField()
    attempts = AttemptOut(many=True)


def decision_out(attempts: list[Explained]) -> dict[str, Any]:
    """Lay out the attempts of one request."""
    first = attempts[0]
    return DecisionDetailOut(
        {
            "object": "routing.decision",
            "id": decision_id_of(first.request_id),
            "request_id": first.request_id,
            "endpoint": first.endpoint,
            "model": first.model,
            "attempts": attempts,
        }
    ).data
