"""A note reaches each of its readers, whatever becomes of others, and is sent when all had it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction

from audit.models import AuditEntry
from common import clock, deliveries, outbox
from common import readers as registry
from common.models import OutboxDelivery, OutboxEntry
from usage.models import Budget

pytestmark = pytest.mark.django_db(transaction=True)

FAULT = "this one can't be taken"
NOBODYS = [registry.Away("gone"), registry.NotYet("full")]


class Scripted:
    """A reader that takes, is away, or fails, as a test wants."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.taken: list[str] = []
        self.fault: Exception | None = None
        self.refuses: set[str] = set()
        registry.register(registry.Reader(name, frozenset({"thing"}), self.take))

    def take(self, note: OutboxEntry) -> None:
        if self.fault is not None:
            raise self.fault
        if note.subject_id in self.refuses:
            # As a row that is gone does: the transaction is broken for who goes on in it.
            Budget.objects.get(pk=0)
        self.taken.append(note.subject_id)


@pytest.fixture
def readers() -> Iterator[list[Scripted]]:
    before = registry.registered()
    yield [Scripted("first"), Scripted("second")]
    for name in set(registry.registered()) - set(before):
        del registry._readers[name]


def announce(*subjects: str) -> None:
    for subject in subjects:
        with transaction.atomic():
            outbox.announce("thing", subject)


def unsent() -> list[str]:
    rows = OutboxEntry.objects.filter(sent_at=None).order_by("id")
    return list(rows.values_list("subject_id", flat=True))


def pass_time(seconds: float) -> None:
    for delivery in OutboxDelivery.objects.filter(done_at=None):
        delivery.due_at -= timedelta(seconds=seconds)
        delivery.save()


def exhaust() -> None:
    """Fail as often as a note may."""
    for _ in range(deliveries.FAILURES_MAX):
        deliveries.carry_due()
        pass_time(deliveries.PAUSE_MAX_S + 1)


def test_note_is_sent_when_each_of_its_readers_had_it(readers: list[Scripted]) -> None:
    first, second = readers
    second.fault = registry.Away("no route")

    announce("a")
    half = unsent()
    second.fault = None
    carried = deliveries.carry_due()

    assert (half, carried, unsent()) == (["a"], 1, [])
    assert (first.taken, second.taken) == (["a"], ["a"])


def test_what_one_reader_can_not_take_delays_no_note_behind_it(readers: list[Scripted]) -> None:
    first, second = readers
    first.refuses = {"bad"}

    announce("bad", "good")
    deliveries.carry_due()

    assert first.taken == ["good"]
    assert second.taken == ["bad", "good"]
    assert unsent() == ["bad"]


def test_failures_are_counted_and_the_pauses_grow(readers: list[Scripted]) -> None:
    readers[0].refuses = {"bad"}
    announce("bad")

    too_early = deliveries.carry_due()
    counted = OutboxDelivery.objects.get(done_at=None)
    pass_time(2)
    deliveries.carry_due()
    again = OutboxDelivery.objects.get(done_at=None)

    assert too_early == 0
    assert (counted.attempts, again.attempts) == (1, 2)
    assert "DoesNotExist" in counted.fault
    assert timedelta(seconds=3) < again.due_at - clock.now() <= timedelta(seconds=4)


def test_note_that_fails_too_often_is_set_aside_and_can_be_tried_again(
    readers: list[Scripted],
) -> None:
    readers[0].refuses = {"bad"}
    announce("bad")
    exhaust()
    told, shown = StringIO(), StringIO()

    call_command("outbox", "list", stdout=shown)
    quiet = deliveries.carry_due()
    readers[0].refuses = set()
    call_command("outbox", "retry", stdout=told)

    assert "thing:bad  to first" in shown.getvalue()
    assert quiet == 0
    assert "1 of 1" in told.getvalue()
    assert unsent() == []
    assert AuditEntry.objects.filter(action="note.retried").count() == 1


def test_dropped_note_counts_as_sent_and_is_on_record(readers: list[Scripted]) -> None:
    readers[0].refuses = {"bad"}
    announce("bad")
    exhaust()
    [aside] = deliveries.set_aside()

    with pytest.raises(CommandError):
        call_command("outbox", "drop")
    call_command("outbox", "drop", str(aside.pk), stdout=StringIO())

    assert unsent() == []
    assert readers[0].taken == []
    assert AuditEntry.objects.get(action="note.dropped").object_id == str(aside.note_id)


@pytest.mark.parametrize("fault", NOBODYS, ids=["away", "no"])
def test_note_is_never_set_aside_for_what_is_not_its_fault(
    readers: list[Scripted], fault: Exception
) -> None:
    readers[0].fault = fault
    announce("a")
    exhaust()
    exhaust()

    readers[0].fault = None
    deliveries.carry_due()

    assert not deliveries.set_aside().exists()
    assert unsent() == []


def test_reader_that_is_away_is_asked_once_a_turn(readers: list[Scripted]) -> None:
    readers[0].fault = registry.Away("gone")
    announce("a", "b", "c")
    asked: list[str] = []

    def count(note: OutboxEntry) -> None:
        asked.append(note.subject_id)
        raise registry.Away

    registry.register(registry.Reader("first", frozenset({"thing"}), count))
    deliveries.carry_due()

    assert asked == ["a"]


def test_topic_that_nobody_reads_can_not_be_announced() -> None:
    with pytest.raises(outbox.NobodyReads, match="no\\.such"), transaction.atomic():
        outbox.announce("no.such", 1)

    assert not OutboxEntry.objects.exists()


def test_change_stands_although_its_news_fails(readers: list[Scripted]) -> None:
    done: list[str] = []
    readers[0].fault = RuntimeError("a bug")

    with transaction.atomic():
        outbox.announce("thing", "a")
        transaction.on_commit(lambda: done.append("the hook behind"))

    assert done == ["the hook behind"]
    assert unsent() == ["a"]


def test_two_beats_share_the_work_and_none_is_done_twice(readers: list[Scripted]) -> None:
    for reader in readers:
        reader.fault = registry.Away("gone")
    announce(*map(str, range(30)))
    for reader in readers:
        reader.fault = None

    def work() -> None:
        deliveries.carry_due()
        connections.close_all()

    beats = [threading.Thread(target=work) for _ in range(3)]
    for beat in beats:
        beat.start()
    for beat in beats:
        beat.join()

    assert unsent() == []
    for reader in readers:
        assert sorted(reader.taken, key=int) == [str(number) for number in range(30)]


def test_notes_that_arrived_are_forgotten_after_a_week_and_others_never(
    readers: list[Scripted],
) -> None:
    readers[0].refuses = {"bad"}
    announce("good", "fresh", "bad")
    old = clock.now() - deliveries.KEEP - timedelta(minutes=1)
    OutboxEntry.objects.filter(subject_id="good").update(sent_at=old)
    OutboxEntry.objects.filter(subject_id="bad").update(written_at=old)

    deliveries.forget_sent()

    left = OutboxEntry.objects.order_by("id").values_list("subject_id", flat=True)
    assert list(left) == ["fresh", "bad"]
