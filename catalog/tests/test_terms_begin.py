"""Terms begin at their moment, once; the data plane is told then, and the log at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audit.models import AuditEntry
from catalog import selectors, services
from catalog.errors import NothingChanges, TermsBegun, TermsInThePast, TermsMomentTaken
from catalog.models import ServiceTier, TierTerms
from common import clock
from common.models import OutboxEntry
from tests.make import make_tier

pytestmark = pytest.mark.django_db

NUMBERS = {"concurrent": 7, "request_timeout_s": 30, "idle_timeout_s": 120, "priority": 10}


@pytest.fixture
def free(db: None) -> ServiceTier:
    tier = make_tier("free")
    OutboxEntry.objects.all().delete()
    return tier


def notes() -> list[str]:
    return list(OutboxEntry.objects.filter(topic="tier").values_list("subject_id", flat=True))


def later(tier: ServiceTier, **said: Any) -> TierTerms:
    moment = clock.now() + timedelta(days=1)
    return services.set_terms(tier=tier, numbers=NUMBERS | said, effective_from=moment)


def test_terms_from_now_are_in_force_and_told_at_once(free: ServiceTier) -> None:
    row = services.set_terms(tier=free, numbers=NUMBERS)

    row.refresh_from_db()
    assert (row.number, row.begun_at is not None) == (2, True)
    assert selectors.terms_at(free, clock.now()) == row
    assert notes() == [str(free.pk)]
    assert services.begin_due_terms() == 0


def test_terms_to_come_are_told_when_their_moment_has_come_and_once(free: ServiceTier) -> None:
    row = later(free)
    assert (row.begun_at, notes(), services.begin_due_terms()) == (None, [], 0)
    TierTerms.objects.filter(pk=row.pk).update(effective_from=clock.now())

    assert [services.begin_due_terms(), services.begin_due_terms()] == [1, 0]

    row.refresh_from_db()
    assert (row.begun_at is not None, notes()) == (True, [str(free.pk)])


def test_each_version_has_the_next_number_and_is_on_record(free: ServiceTier) -> None:
    rows = [services.set_terms(tier=free, numbers=NUMBERS), later(free, priority=9)]

    assert [row.number for row in rows] == [2, 3]
    entry = AuditEntry.objects.filter(action="tier.terms_set").order_by("-id")[0]
    assert (entry.object_kind, entry.object_id) == ("tier", "free")
    assert entry.after.items() >= {"number": 3, "priority": 9, "concurrent": 7}.items()


def test_two_versions_never_begin_at_one_moment(free: ServiceTier) -> None:
    row = later(free)

    with pytest.raises(TermsMomentTaken, match="choose another") as refused:
        services.set_terms(tier=free, numbers=NUMBERS, effective_from=row.effective_from)

    assert refused.value.param == "effective_from"
    make_tier("gpu_nvidia_shared")
    other = ServiceTier.objects.get(slug="gpu_nvidia_shared")
    services.set_terms(tier=other, numbers=NUMBERS, effective_from=row.effective_from)


def test_new_terms_start_from_those_in_force_at_their_own_moment(free: ServiceTier) -> None:
    row = later(free, monthly_tokens=5)
    after = row.effective_from + timedelta(days=1)

    made = services.supersede_terms(tier=free, changes={"concurrent": 3}, effective_from=after)
    now = services.supersede_terms(tier=free, changes={"concurrent": 4})

    assert (made.concurrent, made.monthly_tokens, made.effective_from) == (3, 5, after)
    assert (now.concurrent, now.monthly_tokens) == (4, 100_000)


def test_change_to_what_is_so_already_is_none(free: ServiceTier) -> None:
    with pytest.raises(NothingChanges):
        services.supersede_terms(tier=free, changes={"concurrent": 5})

    assert free.terms.count() == 1


def test_nothing_is_changed_for_requests_of_the_past(free: ServiceTier) -> None:
    before = clock.now() - timedelta(seconds=1)

    with pytest.raises(TermsInThePast):
        services.set_terms(tier=free, numbers=NUMBERS, effective_from=before)
    with pytest.raises(TermsInThePast):
        services.terms_before(free, before)


def test_terms_to_come_are_withdrawn_and_on_record(free: ServiceTier) -> None:
    row = later(free)

    services.withdraw_terms(row=row)

    assert list(free.terms.values_list("number", flat=True)) == [1]
    entry = AuditEntry.objects.get(action="tier.terms_withdrawn")
    assert (entry.object_id, entry.after["number"]) == ("free", 2)


def test_terms_whose_moment_has_come_stay_although_nobody_was_told_yet(free: ServiceTier) -> None:
    row = later(free)
    TierTerms.objects.filter(pk=row.pk).update(effective_from=clock.now())

    for begun in (row, free.terms.get(number=1)):
        with pytest.raises(TermsBegun, match="billed on them"):
            services.withdraw_terms(row=begun)

    assert free.terms.count() == 2


def test_terms_are_listed_newest_first_and_named_by_their_number(free: ServiceTier) -> None:
    row = later(free)
    listed = list(selectors.terms_of(free))

    assert [one.number for one in listed] == [2, 1]
    assert selectors.terms_called(free, "2") == row
    assert selectors.terms_called(free, "9") is None
    assert selectors.terms_called(free, "x") is None
    assert selectors.terms_numbered(tier="free", number=1) == listed[1]
    assert selectors.terms_numbered(tier="gold", number=1) is None
    assert list(selectors.terms_to_come(free, clock.now())) == [row]


def test_numbers_go_on_after_the_last_one_was_withdrawn_or_not() -> None:
    empty = ServiceTier.objects.create(slug="gold", name="Gold")

    assert selectors.last_number(empty) == 0
    assert services.set_terms(tier=empty, numbers=NUMBERS).number == 1


def test_loading_says_how_much_was_missing() -> None:
    make_tier("free")

    assert services.load_defaults() == (6, 2)


def test_tiers_of_shared_machines_are_told_also_when_no_longer_offered(free: ServiceTier) -> None:
    make_tier("self_hosted")
    ServiceTier.objects.filter(slug="free").update(is_offered=False)

    assert selectors.shared_tiers() == ["free"]
    assert selectors.offered_tier("free") is None
    assert selectors.tier_named("free") == free
    own = selectors.self_hosted_tier()
    assert own is not None
    assert own.slug == "self_hosted"
    assert [tier.slug for tier in selectors.offered_tiers()] == ["self_hosted"]


@pytest.mark.parametrize(("tokens", "has_one"), [(None, False), (0, True), (5, True)])
def test_allowance_is_a_number_of_tokens_a_month(
    free: ServiceTier, tokens: int | None, *, has_one: bool
) -> None:
    services.supersede_terms(tier=free, changes={"monthly_tokens": tokens})

    assert selectors.has_allowance(free) is has_one


@pytest.mark.parametrize(
    ("size", "said"),
    [(48 * 10**9, "48 GB"), (97_000_000, "0.097 GB"), (None, "unlimited"), (10**12, "1,000 GB")],
)
def test_largest_model_of_a_tier_is_said_with_its_unit(size: int | None, said: str) -> None:
    assert TierTerms(max_model_bytes=size).largest_model == said
