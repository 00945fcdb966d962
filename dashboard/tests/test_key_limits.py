"""A key's own limits by page: every kind that there is can be set, and is written in words."""

from __future__ import annotations

import pytest

from apikeys import limits
from apikeys.models import ApiKey
from dashboard.keys.limits import LIMIT_FORMS, QuotaForm


def test_every_kind_of_limit_can_be_set_on_pages() -> None:
    assert [form.limit for form in LIMIT_FORMS] == list(limits.LIMITS)


@pytest.mark.parametrize("form", LIMIT_FORMS)
def test_form_asks_for_the_figures_of_its_limit(form: type[QuotaForm]) -> None:
    assert list(form.base_fields) == [figure.name for figure in form.limit.figures]


@pytest.mark.parametrize(
    ("requests", "window_s", "words"),
    [
        (None, None, "none of its own"),
        (1, 60, "1 request a minute"),
        (1000, 86_400, "1,000 requests a day"),
        (5, 5400, "5 requests in 5,400 seconds"),
    ],
)
def test_quota_is_written_in_words(requests: int | None, window_s: int | None, words: str) -> None:
    key = ApiKey(quota_requests=requests, quota_window_s=window_s)

    assert QuotaForm(key=key).words() == words


def test_window_that_was_set_by_api_can_be_kept() -> None:
    form = QuotaForm(key=ApiKey(quota_requests=5, quota_window_s=90))

    assert (90, "90 seconds") in form.fields["window_s"].choices  # type: ignore[attr-defined]
