"""What is sent to the management API is read strictly, and what is wrong with it is named."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from common.problems import Stale
from common.rest import StrictSerializer, Window, as_list, check_match, etag_of
from common.rest.errors import BodyTooLarge, PreconditionRequired
from common.rest.inputs import (
    BODY_LIMIT_BYTES,
    NAME_SHOWN,
    NAMES_SHOWN,
    BoundedJSONParser,
    NoQuery,
    parse,
    parse_query,
)
from common.rest.negotiation import AlwaysJson


class Named(StrictSerializer):
    """Something with a name."""

    name = serializers.CharField(max_length=5)
    size = serializers.IntegerField(required=False)


def body(said: Any) -> Request:
    request = Request(APIRequestFactory().post("/"))
    request._full_data = said  # type: ignore[attr-defined] # why: as a parser leaves it
    return request


def query(text: str) -> Request:
    return Request(APIRequestFactory().get(f"/?{text}"))


def wrong(shape: type[StrictSerializer], text: str) -> dict[str, Any]:
    with pytest.raises(serializers.ValidationError) as refused:
        parse_query(shape, query(text))
    detail: Any = refused.value.detail
    return {name: str(faults[0]) for name, faults in detail.items()}


def test_all_fields_that_are_not_known_are_named_at_once_and_bounded() -> None:
    many = dict.fromkeys((f"f{number:02}" + "x" * 99 for number in range(NAMES_SHOWN + 3)), 1)
    assert said_of({"name": "ada", "zz": 1, "aa": 2}) == "These fields are not known: aa, zz."
    assert said_of(many).startswith(f"These fields are not known: f00{'x' * (NAME_SHOWN - 3)}, f01")
    assert said_of(many).endswith(" and 3 more.")


def said_of(body_said: dict[str, Any]) -> str:
    with pytest.raises(serializers.ValidationError) as refused:
        parse(Named, body(body_said))
    detail: Any = refused.value.detail
    [faults] = detail.values()
    return str(faults[0])


def test_body_is_returned_as_it_was_validated() -> None:
    assert parse(Named, body({"name": "ada", "size": "7"})) == {"name": "ada", "size": 7}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "name"),
        ({"name": "ada", "nmae": "x"}, "nmae"),
        ({"name": "ada", "zz": 1, "aa": 2}, "aa"),
        ({"name": "too long"}, "name"),
        ({"name": "ada", "size": "big"}, "size"),
        ([], "non_field_errors"),
        ("ada", "non_field_errors"),
        (7, "non_field_errors"),
    ],
)
def test_body_that_is_wrong_names_the_field_at_fault(said: Any, field: str) -> None:
    with pytest.raises(serializers.ValidationError) as refused:
        parse(Named, body(said))

    assert field in refused.value.detail


def test_empty_body_lacks_everything() -> None:
    with pytest.raises(serializers.ValidationError):
        parse(Named, body(QueryDict("")))


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("", {"limit": 20}),
        ("limit=1", {"limit": 1}),
        ("limit=100", {"limit": 100}),
        ("after=key_1", {"limit": 20, "after": "key_1"}),
        ("before=key_1&limit=5", {"limit": 5, "before": "key_1"}),
    ],
)
def test_window_is_twenty_items_unless_said_otherwise(text: str, window: dict[str, Any]) -> None:
    assert parse_query(Window, query(text)) == window


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        (f"after={'x' * 65}", "after"),
        (f"before={'x' * 65}", "before"),
        ("after=", "after"),
        ("after=a%00b", "after"),
        ("after=a&before=b", "before"),
        ("offset=5", "offset"),
    ],
)
def test_window_that_makes_no_sense_names_its_parameter(text: str, field: str) -> None:
    assert list(wrong(Window, text)) == [field]


def test_both_directions_at_once_are_refused_in_words() -> None:
    assert wrong(Window, "after=a&before=b") == {"before": "Give after or before, not both."}


def test_parameter_may_stand_once() -> None:
    assert wrong(Window, "limit=5&limit=6") == {"limit": "Give this parameter once."}
    assert wrong(NoQuery, "x=1&x=2") == {"x": "Give this parameter once."}


def test_resource_without_parameters_takes_none() -> None:
    assert parse_query(NoQuery, query("")) == {}
    assert wrong(NoQuery, "verbose=1") == {"verbose": "This field is not known."}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"{}", {}),
        (b'{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}),
        ("{“a”: 1}".replace("“", '"').replace("”", '"').encode(), {"a": 1}),
        (b'"' + b"x" * (BODY_LIMIT_BYTES - 2) + b'"', "x" * (BODY_LIMIT_BYTES - 2)),
    ],
    ids=["empty", "of all kinds", "quoted", "as long as may be"],
)
def test_body_of_json_is_read(sent: bytes, read: Any) -> None:
    assert BoundedJSONParser().parse(io.BytesIO(sent)) == read


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"", "The body is not JSON"),
        (b"{", "The body is not JSON"),
        (b"{'a': 1}", "The body is not JSON"),
        (b"\xff", "The body is not JSON"),
        (b'{"a": NaN}', "NaN is not a JSON value"),
        (b'{"a": Infinity}', "Infinity is not a JSON value"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON value"),
        (b"[" * 100_000, "It is nested too deeply."),
        (b'{"a":' * 50_000, "It is nested too deeply."),
    ],
    ids=lambda one: None if isinstance(one, str) else repr(one[:12]),
)
def test_body_that_is_no_json_says_what_is_wrong(sent: bytes, says: str) -> None:
    with pytest.raises(ParseError, match=says):
        BoundedJSONParser().parse(io.BytesIO(sent))


def test_body_over_the_limit_is_not_read_to_its_end() -> None:
    sent = io.BytesIO(b'"' + b"x" * (2 * BODY_LIMIT_BYTES) + b'"')

    with pytest.raises(BodyTooLarge, match=str(BODY_LIMIT_BYTES)):
        BoundedJSONParser().parse(sent)

    assert sent.tell() == BODY_LIMIT_BYTES + 1


@pytest.mark.parametrize(("state", "etag"), [(1, '"v1"'), (70, '"v70"')])
def test_version_of_a_row_is_its_tag(state: int, etag: str) -> None:
    assert etag_of(state) == etag


def test_tag_of_a_value_is_of_what_it_says_not_of_how_it_is_ordered() -> None:
    one, other = {"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}

    assert etag_of(one) == etag_of(other)
    assert etag_of(one) != etag_of({"a": 1, "b": [2, 1]})
    assert len(etag_of(one)) == 26
    assert etag_of(one)[0] == etag_of(one)[-1] == '"'


def matching(said: str | None) -> Request:
    headers = {} if said is None else {"If-Match": said}
    return Request(APIRequestFactory().patch("/", headers=headers))


@pytest.mark.parametrize("said", ['"v3"', "*", ' "v3" ', '"v1", "v3"', '"v3","v4"'])
def test_update_made_from_the_present_state_passes(said: str) -> None:
    check_match(matching(said), '"v3"')


@pytest.mark.parametrize("said", ['"v2"', "v3", 'W/"v3"', '"v2", "v4"', "**", ","])
def test_update_made_from_another_state_is_stale(said: str) -> None:
    with pytest.raises(Stale, match="Read it again"):
        check_match(matching(said), '"v3"')


@pytest.mark.parametrize("said", [None, "", "  "])
def test_update_that_names_no_state_is_told_how(said: str | None) -> None:
    with pytest.raises(PreconditionRequired, match="If-Match") as refused:
        check_match(matching(said), '"v3"')

    assert refused.value.status == 428
    check_match(matching(said), '"v3"', is_required=False)


def test_state_that_is_named_is_checked_also_where_none_need_be() -> None:
    with pytest.raises(Stale):
        check_match(matching('"v2"'), '"v3"', is_required=False)


def test_page_names_its_first_and_last_item() -> None:
    rows = [{"id": "a"}, {"id": "b"}]

    assert as_list(rows, has_more=True) == {
        "object": "list",
        "data": rows,
        "has_more": True,
        "first_id": "a",
        "last_id": "b",
    }


def test_empty_page_names_none() -> None:
    page = as_list([], has_more=False)

    assert (page["data"], page["first_id"], page["last_id"]) == ([], None, None)


def test_answer_is_json_whatever_the_caller_would_rather_have() -> None:
    class Json:
        media_type = "application/json"

    one = Json()

    assert AlwaysJson().select_renderer(None, [one, object()]) == (one, "application/json")
