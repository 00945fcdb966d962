"""Every refusal becomes one envelope, in one place; a bug becomes none."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpResponse
from django.test import RequestFactory
from psycopg_pool import PoolTimeout, TooManyRequests
from rest_framework import exceptions, serializers

from api.middleware import _drop_nul, _enveloped, _host, _reads_json, counts_for_itself
from api.problems import RETRY_STRATEGY, to_response
from common.busy import as_later
from common.problems import Busy, Problem, Stale, TooOften


def answer(fault: Exception) -> tuple[int, dict[str, Any]]:
    response = to_response(fault, {})
    assert response is not None
    return response.status_code, response.data["error"]


@pytest.mark.parametrize(
    ("fault", "status", "code", "kind"),
    [
        (exceptions.NotAuthenticated(), 401, "invalid_api_key", "authentication_error"),
        (exceptions.AuthenticationFailed(), 401, "invalid_api_key", "authentication_error"),
        (exceptions.PermissionDenied(), 403, "permission_denied", "authentication_error"),
        (PermissionDenied(), 403, "permission_denied", "authentication_error"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed", "invalid_request_error"),
        (exceptions.ParseError(), 400, "json_parse_error", "invalid_request_error"),
        (
            exceptions.UnsupportedMediaType("x"),
            415,
            "unsupported_media_type",
            "invalid_request_error",
        ),
        (exceptions.NotAcceptable(), 406, "not_acceptable", "invalid_request_error"),
        (exceptions.Throttled(), 429, "rate_limit_exceeded", "rate_limit_error"),
        (exceptions.NotFound(), 404, "not_found", "invalid_request_error"),
        (Http404(), 404, "not_found", "invalid_request_error"),
        (Problem("No."), 400, "problem", "invalid_request_error"),
        (Stale("Old."), 412, "precondition_failed", "invalid_request_error"),
        (Busy("Busy.", wait=2), 503, "service_unavailable", "service_error"),
        (TooOften("Often.", wait=2), 429, "rate_limit_exceeded", "rate_limit_error"),
        (serializers.ValidationError("No."), 400, "invalid_request", "invalid_request_error"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else "",
)
def test_refusal_has_its_status_code_and_kind(
    fault: Exception, status: int, code: str, kind: str
) -> None:
    found, error = answer(fault)

    assert (found, error["code"], error["type"]) == (status, code, kind)
    assert error["message"]
    assert error["param"] is None


@pytest.mark.parametrize("bug", [ValueError("x"), KeyError("x"), OperationalError("away")])
def test_bug_is_no_refusal(bug: Exception) -> None:
    assert to_response(bug, {}) is None


@pytest.mark.parametrize(
    ("detail", "param", "message"),
    [
        ({"name": ["Too long."]}, "name", "Too long."),
        ({"a": ["First."], "b": ["Second."]}, "a", "First."),
        ({"rules": {"allow": ["No."]}}, "rules.allow", "No."),
        ({"items": [{"name": ["No."]}]}, "items.name", "No."),
        ({"non_field_errors": ["Both."]}, None, "Both."),
        ({"rules": {"non_field_errors": ["Both."]}}, "rules", "Both."),
        (["Plain."], None, "Plain."),
        ("Plain.", None, "Plain."),
    ],
)
def test_first_field_at_fault_is_named_by_its_path(
    detail: Any, param: str | None, message: str
) -> None:
    _, error = answer(serializers.ValidationError(detail))

    assert (error["param"], error["message"]) == (param, message)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Http404(), "There is nothing here."),
        (exceptions.NotFound(), "Not found."),
        (exceptions.MethodNotAllowed("PUT"), 'Method "PUT" not allowed.'),
        (exceptions.ParseError("The body is not JSON."), "The body is not JSON."),
    ],
)
def test_message_says_what_was_wrong(fault: Exception, message: str) -> None:
    assert answer(fault)[1]["message"] == message


def test_whoever_showed_no_key_is_told_how_to_show_one() -> None:
    fault = exceptions.NotAuthenticated()
    fault.auth_header = "Bearer"  # type: ignore[attr-defined] # why: as the view sets it

    challenged, other = to_response(fault, {}), to_response(exceptions.NotFound(), {})

    assert challenged is not None
    assert challenged["WWW-Authenticate"] == "Bearer"
    assert other is not None
    assert "WWW-Authenticate" not in other


def test_problem_names_its_field() -> None:
    assert answer(Problem("No.", param="slug"))[1]["param"] == "slug"


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (TooOften("x", wait=0.2), 1),
        (TooOften("x", wait=1.2), 2),
        (exceptions.Throttled(wait=0.2), 1),
        (exceptions.Throttled(wait=59.2), 60),
        (Busy("x", wait=2), 2),
    ],
)
def test_refusal_for_a_while_says_when_to_come_back_and_how(fault: Exception, seconds: int) -> None:
    response = to_response(fault, {})

    assert response is not None
    assert response["Retry-After"] == str(seconds)
    assert response.data["error"]["retry_after"] == seconds
    assert response.data["error"]["retry_strategy"] == RETRY_STRATEGY


def test_refusal_for_good_says_nothing_of_coming_back() -> None:
    response = to_response(Problem("No."), {})

    assert response is not None
    assert "Retry-After" not in response
    assert "retry_after" not in response.data["error"]


@pytest.mark.parametrize("cause", [PoolTimeout("x"), TooManyRequests("x")])
def test_pool_with_nothing_left_is_a_refusal_for_a_while(cause: Exception) -> None:
    fault = OperationalError("x")
    fault.__cause__ = cause

    later = as_later(fault)

    assert isinstance(later, Busy)
    assert (later.wait, answer(fault)[0]) == (2, 503)


def test_what_is_no_refusal_for_a_while_stays_what_it_is() -> None:
    unrelated = OperationalError("x")
    unrelated.__cause__ = ValueError("x")
    foreign = ValueError("x")
    foreign.__cause__ = PoolTimeout("x")

    assert [as_later(one) for one in (None, unrelated, foreign, OperationalError("x"))] == [
        None
    ] * 4
    known = TooOften("x", wait=5)
    assert as_later(known) is known


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("/proj_a/v1/management/keys", True),
        ("/proj_a/v1", True),
        ("/api/key-scanning/report", True),
        ("/v1/operator/tiers", True),
        ("/anything/v1/management/keys", True),
        ("/api/openapi.json", False),
        ("/proj_a/chat/v1/models", False),
        ("/dashboard/proj_a/", False),
        ("/proj_a/v10", False),
        ("/v1/operators", False),
        ("/", False),
    ],
)
def test_api_counts_for_itself_and_its_description_like_a_page(path: str, *, counts: bool) -> None:
    assert counts_for_itself(path) is counts


@pytest.mark.parametrize(
    ("headers", "reads"),
    [
        ({}, False),
        ({"Accept": "*/*"}, False),
        ({"Accept": "application/json"}, True),
        ({"Accept": "text/html,application/json"}, False),
        ({"Content-Type": "application/json; charset=utf-8"}, True),
        ({"Content-Type": "text/plain"}, False),
        ({"Authorization": "Bearer x"}, True),
        ({"Authorization": "bearer x"}, True),
        ({"Authorization": "Basic x"}, False),
    ],
)
def test_program_is_known_by_what_it_sends_and_takes(
    headers: dict[str, str], *, reads: bool
) -> None:
    request = RequestFactory().get("/x", headers=headers)
    if "Content-Type" in headers:
        request = RequestFactory().post("/x", b"{}", content_type=headers["Content-Type"])

    assert _reads_json(request) is reads


@pytest.mark.parametrize(
    ("asked", "read"), [("q=a%00b", "q=ab"), ("q=%00", "q="), ("q=%2500", "q=%2500"), ("", "")]
)
def test_question_of_a_page_is_read_without_a_nul(asked: str, read: str) -> None:
    request = RequestFactory().get(f"/x?{asked}")

    _drop_nul(request)

    assert request.META["QUERY_STRING"] == read


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("x.example:8000", "x.example:8000"),
        ("[::1]:8000", "[::1]:8000"),
        ("evil.example/<b>", "HOST"),
        ("a" * 261, "HOST"),
        ("a b", "HOST"),
    ],
)
def test_strange_host_is_not_repeated(host: str, shown: str) -> None:
    request = RequestFactory().get("/proj_a/chat/models", headers={"Host": host})

    assert _host(request) == shown


@pytest.mark.parametrize(("status", "code"), [(404, "not_found"), (500, "internal_error")])
def test_page_of_an_error_is_enveloped_with_what_a_client_needs(status: int, code: str) -> None:
    page = HttpResponse("<h1>no</h1>", status=status, headers={"Retry-After": "5", "X-Other": "1"})

    framed = _enveloped(page, RequestFactory().get("/x"))

    assert (framed.status_code, framed["Retry-After"]) == (status, "5")
    assert "X-Other" not in framed
    assert f'"code": "{code}"' in framed.content.decode()
