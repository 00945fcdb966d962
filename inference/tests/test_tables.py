"""The tables: what they remember, when they doubt it, and that they never go back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from inference.contracts.entries import Grant, dump
from inference.gate.tables import IS_WHOLE, Found, OnTexts, Tables

GRANT = Grant(version=1, key_id="key_1", project="proj_A", scopes=("inference",))
KEY = "grant:a"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class ScriptedSource:
    """Answers when told to, with what is in ``rows`` at the time of asking."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.rows: dict[str, Grant] = {}
        self.asked: list[list[str]] = []
        self.is_away = False
        self.is_whole = True
        self._at_once = at_once
        self._waiting: list[tuple[OnTexts, list[bytes | None]]] = []

    def read(self, keys: Sequence[str], then: OnTexts) -> None:
        *keys, mark = keys
        assert mark == IS_WHOLE
        self.asked.append(keys)
        if self.is_away:
            then(None)
            return
        rows = [self.rows.get(key) for key in keys]
        texts = [None if row is None else dump(row).encode() for row in rows]
        texts.append(b"0" if self.is_whole else None)
        self._waiting.append((then, texts))
        if self._at_once:
            self.answer()

    def answer(self) -> None:
        then, texts = self._waiting.pop(0)
        then(texts)


class Answers:
    """Collects what ``resolve`` said."""

    def __init__(self) -> None:
        self.said: list[tuple[Found, bool]] = []

    def __call__(self, found: Found, sure: bool) -> None:
        self.said.append((found, sure))


def hearing(source: ScriptedSource, clock: Clock, **options: float) -> Tables:
    tables = Tables(source, clock, **options)  # type: ignore[arg-type] # why: sizes are whole
    tables.hear(clock.now + 0.75)
    return tables


def ask(tables: Tables, key: str = KEY) -> tuple[Found, bool]:
    answers = Answers()
    tables.resolve([key], answers)
    [said] = answers.said
    return said


def note(version: int, key: str = KEY) -> bytes:
    return json.dumps({"key": key, "version": version}).encode()


def test_entry_is_read_once_while_the_channel_is_heard() -> None:
    source, clock = ScriptedSource(), Clock()
    source.rows[KEY] = GRANT
    tables = hearing(source, clock)

    assert [ask(tables) for _ in range(3)] == [({KEY: GRANT}, True)] * 3
    assert source.asked == [[KEY]]


def test_announced_entry_is_read_again() -> None:
    source, clock = ScriptedSource(), Clock()
    source.rows[KEY] = GRANT
    tables = hearing(source, clock)
    ask(tables)

    source.rows[KEY] = replace(GRANT, version=2, gone=True)
    tables.announce(note(2))

    assert ask(tables) == ({KEY: source.rows[KEY]}, True)


def test_news_of_an_old_version_changes_nothing() -> None:
    source, clock = ScriptedSource(), Clock()
    source.rows[KEY] = replace(GRANT, version=5)
    tables = hearing(source, clock)
    ask(tables)

    tables.announce(note(5))
    tables.announce(note(3))

    ask(tables)
    assert source.asked == [[KEY]]


def test_fill_older_than_what_was_announced_meanwhile_is_dropped_and_read_again() -> None:
    source, clock = ScriptedSource(at_once=False), Clock()
    source.rows[KEY] = GRANT
    tables, answers = hearing(source, clock), Answers()
    tables.resolve([KEY], answers)

    source.rows[KEY] = replace(GRANT, version=2, gone=True)
    tables.announce(note(2))
    source.answer()
    assert answers.said == []
    source.answer()

    assert answers.said == [({KEY: source.rows[KEY]}, True)]


def test_source_that_never_shows_the_announced_version_is_not_believed() -> None:
    source, clock = ScriptedSource(at_once=False), Clock()
    source.rows[KEY] = GRANT
    tables, answers = hearing(source, clock), Answers()
    tables.resolve([KEY], answers)

    for _ in range(3):
        tables.announce(note(2))
        source.answer()

    assert answers.said == [({KEY: None}, False)]


def test_every_entry_is_read_again_before_use_while_the_channel_is_silent() -> None:
    source, clock = ScriptedSource(), Clock()
    source.rows[KEY] = GRANT
    tables = hearing(source, clock)
    ask(tables)

    clock.now += 0.76
    ask(tables)
    ask(tables)

    assert len(source.asked) == 3


def test_entries_from_before_a_gap_are_read_again_once_the_channel_is_back() -> None:
    source, clock = ScriptedSource(), Clock()
    source.rows[KEY] = GRANT
    tables = hearing(source, clock)
    ask(tables)

    tables.deafen()
    tables.hear(clock.now + 0.75)
    source.rows[KEY] = replace(GRANT, version=2)

    assert ask(tables) == ({KEY: source.rows[KEY]}, True)
    assert ask(tables) == ({KEY: source.rows[KEY]}, True)
    assert len(source.asked) == 2


def test_answer_to_a_question_from_before_the_gap_is_not_kept_as_new() -> None:
    source, clock = ScriptedSource(at_once=False), Clock()
    source.rows[KEY] = GRANT
    tables, answers = hearing(source, clock), Answers()
    tables.resolve([KEY], answers)

    tables.deafen()
    tables.hear(clock.now + 0.75)
    source.answer()

    assert answers.said == [({KEY: GRANT}, True)]
    assert tables.look(KEY) is None


def test_older_row_never_replaces_a_newer_one() -> None:
    source, clock = ScriptedSource(), Clock()
    source.rows[KEY] = replace(GRANT, version=7, gone=True)
    tables = hearing(source, clock)
    ask(tables)

    source.rows[KEY] = GRANT
    tables.deafen()
    found, _ = ask(tables)

    assert found[KEY] == replace(GRANT, version=7, gone=True)


def test_memory_serves_while_the_source_is_away_and_only_for_so_long() -> None:
    source, clock = ScriptedSource(), Clock()
    source.rows[KEY] = GRANT
    tables = hearing(source, clock, outage_s=600.0)
    ask(tables)
    source.is_away = True

    clock.now += 600.0
    within = ask(tables)
    clock.now += 0.1
    after = ask(tables)

    assert within == ({KEY: GRANT}, True)
    assert after == ({KEY: None}, False)


def test_what_is_unknown_stays_unsure_while_the_source_is_away() -> None:
    source, clock = ScriptedSource(), Clock()
    source.is_away = True

    assert ask(hearing(source, clock)) == ({KEY: None}, False)


def test_absence_is_remembered_shortly_and_ends_with_news() -> None:
    source, clock = ScriptedSource(), Clock()
    tables = hearing(source, clock)
    assert [ask(tables) for _ in range(2)] == [({KEY: None}, True)] * 2
    assert len(source.asked) == 1

    source.rows[KEY] = GRANT
    tables.announce(note(1))

    assert ask(tables) == ({KEY: GRANT}, True)


def test_tables_hold_no_more_than_they_may() -> None:
    source, clock = ScriptedSource(), Clock()
    tables = hearing(source, clock, size=3)

    for number in range(9):
        source.rows[f"grant:{number}"] = GRANT
        ask(tables, f"grant:{number}")
        ask(tables, f"grant:no{number}")

    assert len(tables) == 3
    assert tables.look("grant:8") == GRANT
    assert tables.look("grant:0") is None


def test_row_that_is_no_contract_is_no_row() -> None:
    source, clock = ScriptedSource(), Clock()
    tables = hearing(source, clock)
    answers = Answers()
    source.read = lambda keys, then: then([b"{not json", b"0"])  # type: ignore[method-assign] # why: a fake of a fake

    tables.resolve([KEY], answers)

    assert answers.said == [({KEY: None}, True)]


def test_message_that_can_not_be_read_makes_everything_doubtful() -> None:
    source, clock = ScriptedSource(), Clock()
    source.rows[KEY] = GRANT
    tables = hearing(source, clock)
    ask(tables)

    tables.announce(b"something changed")

    assert tables.look(KEY) is None


def test_nothing_is_surely_missing_in_a_valkey_that_lost_everything() -> None:
    clock, source = Clock(), ScriptedSource()
    tables = hearing(source, clock)
    source.is_whole = False

    assert ask(tables) == ({KEY: None}, False)
    assert not tables.is_absent(KEY)

    source.rows[KEY], source.is_whole = GRANT, True
    assert ask(tables) == ({KEY: GRANT}, True)


def test_what_is_there_already_is_used_while_the_rest_comes_back() -> None:
    clock, source = Clock(), ScriptedSource()
    tables = hearing(source, clock)
    source.rows[KEY], source.is_whole = GRANT, False

    assert ask(tables) == ({KEY: GRANT}, True)


KEYS = [KEY, "grant:b", "grant:c"]
DEEDS = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(KEYS)),
    st.tuples(st.just("write"), st.sampled_from(KEYS)),
    st.tuples(st.just("write unannounced"), st.sampled_from(KEYS)),
    st.tuples(st.just("lose"), st.sampled_from(KEYS)),
    st.tuples(st.just("fall silent"), st.just("")),
)


@given(st.lists(DEEDS, max_size=30))
def test_what_was_found_holds_for_as_long_as_the_generation(deeds: list[tuple[str, str]]) -> None:
    """Who keeps what it found asks no more while the generation stays and the channel is heard."""
    source, clock = ScriptedSource(), Clock()
    tables = hearing(source, clock, size=2)
    source.rows = {key: replace(GRANT, key_id=key) for key in KEYS}
    kept: dict[str, tuple[int, Found]] = {}
    written, told = dict.fromkeys(KEYS, 1), dict.fromkeys(KEYS, 0)
    for deed, key in deeds:
        if deed == "ask":
            generation = tables.generation
            kept[key] = (generation, ask(tables, key)[0])
        elif deed.startswith("write"):
            written[key] += 1
            source.rows[key] = replace(GRANT, key_id=key, version=written[key])
            if deed == "write":
                told[key] = written[key]
                tables.announce(note(written[key], key))
        elif deed == "lose":
            source.rows.pop(key, None)
        else:
            tables.deafen()
            tables.hear(clock.now + 0.75)
        for known, (generation, found) in kept.items():
            thing, now = found[known], tables.look(known)
            if generation == tables.generation and thing is not None:
                assert now is None or now is thing
                assert thing.version >= told[known]
