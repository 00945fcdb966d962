"""What can go wrong with the catalog and its tiers."""

from __future__ import annotations

from common.problems import Problem


class ModelUnknown(Problem):
    """No such model is listed."""

    code = "model_not_found"
    status = 404


class TierUnknown(Problem):
    """No such tier is offered."""

    code = "tier_not_found"
    status = 404


class NumberMalformed(Problem):
    """What was written is no such number of a tier."""

    code = "tier_number_malformed"


class NothingChanges(Problem):
    """New terms that say what the old ones say."""

    code = "terms_unchanged"


class TermsBegun(Problem):
    """Terms that have begun stay: requests were billed on them."""

    code = "terms_begun"
    status = 409


class TermsInThePast(Problem):
    """Terms may not begin before now: requests were already billed on the old ones."""

    code = "terms_in_the_past"


class ModelMalformed(Problem):
    """Something that can't be said of a model; ``param`` names it."""

    code = "model_malformed"


class ModelNameTaken(Problem):
    """The catalog has a model of this name, maybe a withdrawn one, maybe in other capitals."""

    code = "model_name_taken"
    status = 409


class TermsMomentTaken(Problem):
    """The tier has other terms that begin at this very moment."""

    code = "terms_moment_taken"
    status = 409


class TermsUnknown(Problem):
    """The tier has no terms of this number."""

    code = "terms_not_found"
    status = 404
