"""The console speaks to operators: none of its pages names what only our code base calls so."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from common import outbox
from tests.make import make_model, make_tier
from xerotier_site.admin_site import SIDEBAR

pytestmark = pytest.mark.django_db

OURS = re.compile(
    r"rollups?|\bnotes?\b|outbox|anchors?|grain|poison|shelved|set aside|unsent|begun at"
    r"|\b\d+ v\d+\b|\bbooks\b",
    re.IGNORECASE,
)
PAGES = [item for group in SIDEBAR for item in group["items"]]


def words_of(page: str) -> str:
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    # The names of icons are text to whoever has no icons, and to a test.
    text = re.sub(r"<span[^>]*material-symbols[^>]*>.*?</span>", " ", text, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", " ", text))


@pytest.mark.parametrize("item", PAGES, ids=lambda item: str(item["title"]))
def test_page_of_the_console_uses_the_readers_words(
    as_operator: Client, item: dict[str, Any]
) -> None:
    outbox.announce("model", make_model().pk)

    page = as_operator.get(str(item["link"])).content.decode()

    assert OURS.findall(words_of(page)) == []


def test_versions_of_a_tier_are_called_so(as_operator: Client) -> None:
    tier = make_tier("free")

    page = as_operator.get(reverse("admin:catalog_servicetier_change", args=[tier.pk]))

    words = words_of(page.content.decode())
    assert "Version 1" in words
    assert "In force since" in words
    assert OURS.findall(words) == []
