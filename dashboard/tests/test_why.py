"""The page that explains a decision says in plain words what was weighed, and nothing of others."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from dashboard.tests.cast import signed_in, used
from dashboard.usage.why_words import sentence_of, target_of
from inference.contracts.policies import ONE
from inference.contracts.records import MISSED, Came
from inference.contracts.snapshot import OUT, Candidate
from projects.models import Project
from routing.explained import Explained, Kept, Names, explain
from routing.models import KeptDecision
from tests.decisions import candidate, make_decision, tell
from tests.make import make_worker

pytestmark = pytest.mark.django_db
MINE = Names({"wrk_0": "rack-1", "wrk_1": "rack-2"}, frozenset())


def told(acme: Project, *among: Candidate, **said: object) -> Explained:
    record = make_decision(acme, among, weight=ONE, **said)  # type: ignore[arg-type] # why: the caller names its fields
    [explained] = explain([Kept(record, "recent", {}, 0)], MINE)
    return explained


@pytest.fixture
def page(ada: User) -> Client:
    return signed_in(ada)


def url_of(project: Project, request_id: str) -> str:
    return f"/dashboard/{project.public_id}/usage/{request_id}/why/"


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        pytest.param({}, {"backlog": 5_000}, "it had less to read before", id="waiting"),
        pytest.param({}, {"base_us": 900_000}, "it answers sooner", id="base"),
        pytest.param(
            {"hit_tokens": 900, "new_tokens": 100},
            {},
            "it already held 900 tokens of this prompt",
            id="held",
        ),
        pytest.param({}, {"speed_ns": 900_000}, "it reads this prompt sooner", id="speed"),
        pytest.param({}, {"importance": 9 * ONE}, "fewer others had to wait", id="others"),
        pytest.param({}, {"extras_us": 500_000}, "preferred by rule", id="prices"),
    ],
)
def test_sentence_names_what_the_chosen_one_saves_the_most_by(
    acme: Project, first: dict[str, int], second: dict[str, int], reason: str
) -> None:
    said = sentence_of(told(acme, candidate(0, **first), candidate(1, **second), chosen=0))

    assert said.startswith("Sent to rack-1 because ")
    assert reason in said
    assert "rack-2" in said


def test_sentence_says_that_a_dearer_choice_is_meant(acme: Project) -> None:
    among = candidate(0), candidate(1, base_us=51_000)

    assert "little more than rack-1" in sentence_of(told(acme, *among, chosen=1))


def test_sentence_says_that_there_was_nobody_else(acme: Project) -> None:
    said = sentence_of(told(acme, candidate(0), candidate(1, OUT)))

    assert said == "Sent to rack-1 because no other machine could be asked."


def test_equal_ones_are_said_to_be_drawn(acme: Project) -> None:
    assert "by lot" in sentence_of(told(acme, candidate(0), candidate(1), chosen=0))


def test_target_says_what_it_changed_and_what_became_of_it(acme: Project) -> None:
    came = Came(ending="complete", target=MISSED)
    among = candidate(0), candidate(1, base_us=900_000)

    assert target_of(told(acme, *among)) == ""
    assert target_of(told(acme, *among, ttft_us=200_000, came=came)) == (
        "Without its target it would have gone to rack-1, too. It was missed."
    )


def test_page_shows_bars_reasons_and_what_came(acme: Project, page: Client) -> None:
    own, shared = make_worker("rack-1", project=acme), make_worker("secret-name")
    gone = make_worker("secret-too")
    among = candidate(0), candidate(1, 16, in_flight=17), candidate(2, OUT)
    workers = own.public_id, shared.public_id, gone.public_id
    record = make_decision(acme, among, workers, ttft_us=200_000, chosen=0)
    tell(record)

    answer = page.get(url_of(acme, record.request_id))

    text = answer.content.decode()
    assert answer.status_code == 200
    assert text.count("<rect ") == 10
    assert "about 20" in text
    assert "rack-1" in text
    assert "machine A" in text
    assert "machine B" in text
    assert "It did not answer when it was last looked for." in text
    assert [name for name in ("secret-", shared.public_id, gone.public_id) if name in text] == []


def test_request_leads_to_its_decision_only_where_it_was_kept(acme: Project, page: Client) -> None:
    request_id = used(acme).request_id
    address = f"/dashboard/{acme.public_id}/usage/{request_id}/"

    assert url_of(acme, request_id) in page.get(address).content.decode()
    assert page.get(url_of(acme, request_id)).status_code == 200

    KeptDecision.objects.all().delete()
    assert url_of(acme, request_id) not in page.get(address).content.decode()
    assert page.get(url_of(acme, request_id)).status_code == 404


def test_decision_of_another_project_has_no_page_here(
    acme: Project, rival: Project, page: Client
) -> None:
    theirs = make_decision(rival)
    tell(theirs)

    assert page.get(url_of(acme, theirs.request_id)).status_code == 404
    assert page.get(url_of(rival, theirs.request_id)).status_code == 404
