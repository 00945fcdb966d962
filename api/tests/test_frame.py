"""Whatever goes wrong under the API's addresses, the answer has one shape and an id."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from apikeys import selectors
from common.rest import ManagementView

SHAPE = {"message", "type", "param", "code"}


def test_every_answer_has_an_id_of_ours(manager: APIClient, home: str) -> None:
    answer = manager.get(f"{home}/endpoints")

    assert answer["X-Request-ID"] == answer["X-Xerotier-Request-ID"]
    assert UUID(answer["X-Request-ID"].removeprefix("req_")).version == 7


@pytest.mark.parametrize(
    ("said", "is_echoed"),
    [("trace-1.2:3", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("<b>", False)],
)
def test_sane_id_of_the_caller_is_echoed(
    manager: APIClient, home: str, said: str, is_echoed: bool
) -> None:
    answer = manager.get(f"{home}/endpoints", headers={"x-request-id": said})

    assert (answer["X-Request-ID"] == said) is is_echoed
    assert answer["X-Xerotier-Request-ID"].startswith("req_")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        pytest.param("get", "/v1/management/nothing", 404, "not_found", id="unknown resource"),
        pytest.param("get", "/v1/nothing", 404, "not_found", id="unknown surface"),
        pytest.param("get", "/v1", 404, "not_found", id="nothing after v1"),
        pytest.param("put", "/v1/management/endpoints", 405, "method_not_allowed", id="method"),
        pytest.param("get", "/v1/management/endpoints/%00", 404, "not_found", id="NUL"),
        pytest.param("get", "/v1/management/api-keys/a%2Fb", 404, "not_found", id="slash"),
    ],
)
def test_refusal_has_the_envelope(
    manager: APIClient, home: str, method: str, path: str, status: int, code: str
) -> None:
    project = home.partition("/v1")[0]

    answer = manager.generic(method.upper(), project + path)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert set(answer.json()["error"]) == SHAPE
    assert answer["Content-Type"] == "application/json"


def test_405_says_what_is_allowed(manager: APIClient, home: str) -> None:
    allowed = manager.put(f"{home}/endpoints")["Allow"]

    assert {"GET", "POST"} <= set(allowed.split(", "))


def test_bug_shows_nothing_of_itself(
    manager: APIClient, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("xero_acme_secret in a message")

    manager.raise_request_exception = False
    monkeypatch.setattr(selectors, "keys_of", broken)

    answer = manager.get(f"{home}/api-keys")

    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert answer.json()["error"]["type"] == "service_error"
    assert b"secret" not in answer.content
    assert answer["X-Xerotier-Request-ID"].startswith("req_")


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        pytest.param("{", "application/json", 400, "json_parse_error", id="broken"),
        pytest.param('{"name": NaN}', "application/json", 400, "json_parse_error", id="NaN"),
        pytest.param("[" * 100_000, "application/json", 400, "json_parse_error", id="deep"),
        pytest.param("\udcff", "application/json", 400, "json_parse_error", id="not UTF-8"),
        pytest.param("[]", "application/json", 400, "invalid_request", id="no object"),
        pytest.param('{"name": "\\ud800"}', "application/json", 400, "invalid_request", id="half"),
        pytest.param('{"name": "\\u0000"}', "application/json", 400, "invalid_request", id="NUL"),
        pytest.param("a=b", "text/plain", 415, "unsupported_media_type", id="plain"),
        pytest.param(
            '"' + "x" * (1 << 20) + '"', "application/json", 413, "request_too_large", id="big"
        ),
    ],
)
def test_bad_body_is_refused_and_nothing_is_written(
    manager: APIClient, home: str, body: str, kind: str, status: int, code: str
) -> None:
    raw: Any = body.encode(errors="surrogateescape")
    answer = manager.generic("POST", f"{home}/api-keys", raw, content_type=kind)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert len(manager.get(f"{home}/api-keys").json()["data"]) == 1


def test_answers_are_stored_by_nobody(manager: APIClient, home: str) -> None:
    assert manager.get(f"{home}/api-keys")["Cache-Control"] == "no-store"


def test_caller_gets_json_whatever_they_accept(manager: APIClient, home: str) -> None:
    answer = manager.get(f"{home}/api-keys", headers={"accept": "text/html"})

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


def test_session_without_csrf_token_changes_nothing(ada: Any, home: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)

    read = client.get(f"{home}/api-keys")
    write = client.post(f"{home}/api-keys", {"name": "x"}, content_type="application/json")

    assert (read.status_code, write.status_code) == (200, 403)
    assert set(write.json()["error"]) == SHAPE
    assert client.get(f"{home}/api-keys").json()["data"] == []


def _views(patterns: list[Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += _views(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern) and "/v1/management/" in path:
            found.append((path, pattern.callback))
    return found


def test_every_management_view_keeps_the_conventions() -> None:
    views = _views(get_resolver().url_patterns)

    assert len(views) >= 4
    loose = [path for path, view in views if not issubclass(view.cls, ManagementView)]
    assert loose == []
