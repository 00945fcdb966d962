"""Whatever the API can do is explained at ``/docs/api``, under the same strict headers."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

pytestmark = pytest.mark.django_db


def test_reference_shows_every_operation_with_an_example(client: Client) -> None:
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call] # why: untyped there

    page = client.get("/docs/api", follow=True)

    shown = page.content.decode()
    names = [
        one["operationId"] for methods in document["paths"].values() for one in methods.values()
    ]
    assert page.status_code == 200
    assert [name for name in names if f'id="{name}"' not in shown] == []
    assert shown.count("curl -X") == len(names)


def test_reference_keeps_the_content_policy(client: Client) -> None:
    page = client.get("/docs/api/")

    assert "unsafe-inline" not in page.headers.get("Content-Security-Policy", "")
    assert b"<style" not in page.content
    assert b"style=" not in page.content
    assert b"onclick" not in page.content


def test_guides_lead_to_the_reference(client: Client) -> None:
    assert 'href="/docs/api/"' in client.get("/docs/", follow=True).content.decode()
