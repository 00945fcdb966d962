"""The usage API shows a project its own requests, in the shapes of the rest."""

from __future__ import annotations

import csv
import io
import json
import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from inference.contracts.entries import dump
from projects.models import Project
from tests.make import make_event, make_key, request_id
from usage import intake
from usage.intake import Arrived

EARLIER, LATER = "2026-01-01T00:00Z", "2026-01-02T00:00Z"


def record(project: Project, count: int, **said: object) -> None:
    start = time.time() - 60
    intake.take_in(
        [
            Arrived("s", f"1-{n}", dump(make_event(
                project, **{"request_id": request_id(at=start + n / 1000), **said}
            )))
            for n in range(count)
        ]
    )  # fmt: skip


@pytest.fixture
def caller(acme: Project) -> APIClient:
    return APIClient(headers={"authorization": f"Bearer {make_key(acme).secret}"})


def url(project: Project, what: str) -> str:
    return f"/{project.public_id}/v1/usage/{what}"


def test_summary_sums_what_the_filter_means(caller: APIClient, acme: Project) -> None:
    record(acme, 3, cost=7, endpoint="chat")
    record(acme, 1, endpoint="other", endpoint_id="ep_o")

    answer = caller.get(url(acme, "summary"), {"endpoint": "chat"}).json()

    assert (answer["object"], answer["requests"], answer["cost"]) == ("usage.summary", 3, 21)


def test_records_are_paged_whole_and_only_ours(
    caller: APIClient, acme: Project, rival: Project
) -> None:
    record(acme, 25)
    record(rival, 3)

    seen: list[str] = []
    page = caller.get(url(acme, "records"), {"limit": 10}).json()
    while True:
        seen += [row["id"] for row in page["data"]]
        if not page["has_more"]:
            break
        asked = {"limit": 10, "after": page["last_id"]}
        page = caller.get(url(acme, "records"), asked).json()

    assert len(seen) == len(set(seen)) == 25


def test_series_has_a_point_a_step(caller: APIClient, acme: Project) -> None:
    record(acme, 4, cost=2)

    answer = caller.get(url(acme, "timeseries"), {"step": "day"}).json()

    assert sum(point["requests"] for point in answer["data"]) == 4
    assert sum(point["cost"] for point in answer["data"]) == 8


def test_exports_hold_every_record_and_run_no_formula(caller: APIClient, acme: Project) -> None:
    record(acme, 2, caller_request_id='=HYPERLINK("http://x")')

    as_csv = b"".join(caller.get(url(acme, "export"), {"format": "csv"})).decode()
    as_json = b"".join(caller.get(url(acme, "export"))).decode()

    rows = list(csv.DictReader(io.StringIO(as_csv)))
    assert len(rows) == 2
    assert all(row["caller_request_id"].startswith("'=") for row in rows)
    lines = [json.loads(line) for line in as_json.splitlines()]
    assert [line["request_id"] for line in lines] == [row["request_id"] for row in rows]


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        pytest.param({"since": "soon"}, "since", id="no moment"),
        pytest.param({"step": "year"}, "step", id="no step"),
        pytest.param({"colour": "red"}, "colour", id="unknown"),
        pytest.param({"since": LATER, "until": EARLIER}, "until", id="ends first"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_and_named(
    caller: APIClient, acme: Project, asked: dict[str, str], param: str
) -> None:
    answer = caller.get(url(acme, "timeseries"), asked)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_cursor_that_is_no_record_is_refused(caller: APIClient, acme: Project) -> None:
    answer = caller.get(url(acme, "records"), {"after": "nonsense"})

    assert answer.json()["error"]["code"] == "usage_filter_malformed"


def test_usage_is_read_with_the_scope_inference(acme: Project, rival: Project) -> None:
    key = make_key(acme, scopes=("management",))
    management = APIClient(headers={"authorization": f"Bearer {key.secret}"})
    theirs = APIClient(headers={"authorization": f"Bearer {make_key(rival).secret}"})

    assert management.get(url(acme, "summary")).json()["error"]["code"] == "scope_insufficient"
    assert theirs.get(url(acme, "summary")).json()["error"]["code"] == "cross_project_access"
    assert APIClient().get(url(acme, "summary")).status_code == 401


def test_page_of_records_is_a_range_of_an_index(caller: APIClient, acme: Project) -> None:
    record(acme, 3)
    last = caller.get(url(acme, "records"), {"limit": 1}).json()["last_id"]

    with CaptureQueriesContext(
        connection,
    ) as queries:
        caller.get(url(acme, "records"), {"limit": 1, "after": last})

    [page] = [query["sql"] for query in queries if "usage_record" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {page}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index Cond: ((project_id" in plan, plan
    assert "started_at <=" in plan, plan
    assert "Sort" not in plan.replace("Sort Key", ""), plan
