"""What may be said of a model, and which fact is at fault where it may not."""

from __future__ import annotations

from typing import Any

import pytest

from catalog import facts
from catalog.errors import ModelMalformed
from catalog.rules import NAME_MAX, fault_in_name


def fault_in(name: str, value: Any) -> str:
    """Return what is said of a fact, by its name; empty where it may be said."""
    try:
        facts.check({"family": "Llama", name: value})
    except ModelMalformed as refused:
        return refused.message if refused.param == name else f"named {refused.param}"
    return ""


@pytest.mark.parametrize(("name", "most"), facts.TEXTS.items())
def test_text_may_be_as_long_as_its_column_and_no_longer(name: str, most: int) -> None:
    assert fault_in(name, "x" * most) == ""
    assert fault_in(name, "x" * (most + 1)) == f"Use at most {most:,} characters."


def test_title_must_be_said_and_other_texts_need_not() -> None:
    assert fault_in("title", "") == fault_in("title", "  ") == "Write something here."
    assert [fault_in(name, "") for name in facts.TEXTS if name != "title"] == [""] * 5


@pytest.mark.parametrize("unkept", ["a\0b", "a\ud800", "\udfffb"])
@pytest.mark.parametrize("name", ["title", "card", "tags", "defaults"])
def test_character_the_database_can_not_keep_is_refused_wherever_it_stands(
    name: str, unkept: str
) -> None:
    said: dict[str, Any] = {"tags": ["ok", unkept], "defaults": {"stop": unkept}}

    assert fault_in(name, said.get(name, unkept)) == facts.UNKEPT


@pytest.mark.parametrize("text", ["\ud7ff", "\ue000", "名前", "🦙"])
def test_every_other_character_is_kept(text: str) -> None:
    assert fault_in("title", text) == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], ""),
        (["chat", "code"], ""),
        (["x" * 40], ""),
        (["x"] * 20, ""),
        (["x"] * 21, "Use at most 20 words."),
        ([""], "A word has 1 to 40 characters and no comma: ''."),
        (["  "], "A word has 1 to 40 characters and no comma: '  '."),
        (["a,b"], "A word has 1 to 40 characters and no comma: 'a,b'."),
        (["ok", "x" * 41], f"A word has 1 to 40 characters and no comma: '{'x' * 41}'."),
    ],
)
def test_words_are_few_and_short_and_hold_no_comma(words: list[str], says: str) -> None:
    assert fault_in("tags", words) == says


@pytest.mark.parametrize("name", facts.COUNTS)
@pytest.mark.parametrize(
    ("value", "is_fine"),
    [(None, True), (0, False), (1, True), (-1, False), (2**31 - 1, True), (2**31, False)],
)
def test_count_is_unknown_or_at_least_one_and_fits_its_column(
    name: str, value: int | None, *, is_fine: bool
) -> None:
    assert fault_in(name, value) == ("" if is_fine else "From 1 to 2,147,483,647.")


@pytest.mark.parametrize(
    ("size", "is_fine"), [(0, True), (10**15, True), (-1, False), (10**15 + 1, False)]
)
def test_size_may_be_nothing_and_is_bounded(size: int, *, is_fine: bool) -> None:
    assert (fault_in("size_bytes", size) == "") is is_fine


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("generate", ""),
        ("embed", ""),
        ("score", ""),
        ("chat", "Choose one of: generate, embed, score."),
        ("", "Choose one of: generate, embed, score."),
    ],
)
def test_task_is_one_of_three(task: str, says: str) -> None:
    assert fault_in("task", task) == says


@pytest.mark.parametrize("value", [[], "x", 7, None, True])
def test_defaults_are_an_object(value: object) -> None:
    assert fault_in("defaults", value).startswith("Write fields of a request as a JSON object")


def endless() -> dict[str, Any]:
    round_: dict[str, Any] = {}
    round_["again"] = round_
    return round_


@pytest.mark.parametrize("value", [{"t": float("nan")}, {"t": float("inf")}, endless()])
def test_defaults_json_can_not_say_are_refused(value: dict[str, Any]) -> None:
    assert fault_in("defaults", value) == "This is no JSON that can be kept."


def test_defaults_are_as_long_as_callers_can_bear() -> None:
    room = facts.DEFAULTS_MAX - len('{"stop": ""}')

    assert fault_in("defaults", {"temperature": 0.7}) == ""
    assert fault_in("defaults", {"stop": "ü" * room}) == ""
    assert fault_in("defaults", {"stop": "ü" * (room + 1)}).startswith("Use at most 4,096")


def test_backslash_and_zero_in_a_default_are_no_zero_byte() -> None:
    assert fault_in("defaults", {"stop": "\\u0001"}) == ""
    assert fault_in("is_listed", False) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" , ,", []),
        ("chat", ["chat"]),
        (" chat , code ", ["chat", "code"]),
        ("b, a, b", ["b", "a"]),
    ],
)
def test_words_are_read_between_commas_in_order_each_once(text: str, words: list[str]) -> None:
    assert facts.read_words(text) == words


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4.7", 4_700_000_000),
        (" 0.1 ", 100_000_000),
        ("0", 0),
        ("1e3", 10**12),
        ("1000000", 10**15),
        ("0.0000000019", 1),
    ],
)
def test_size_is_read_in_gigabytes_exactly(text: str, size: int) -> None:
    assert facts.read_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "big", "-1", "4,7", "nan", "snan", "inf", "-inf", "1000000.1", "1e9", "1e999999"]
)
def test_size_nobody_could_mean_is_refused(text: str) -> None:
    with pytest.raises(ModelMalformed, match="in GB") as refused:
        facts.read_size(text)

    assert refused.value.param == "size_bytes"


@pytest.mark.parametrize(
    ("size", "text"),
    [(4_700_000_000, "4.7"), (10**12, "1000"), (98_000_000, "0.098"), (1, "0.000000001")],
)
def test_size_is_written_as_it_is_read(size: int, text: str) -> None:
    assert facts.write_size(size) == text
    assert facts.read_size(text) == size


@pytest.mark.parametrize(
    "name",
    [
        "llama-3.1-8b-instruct",
        "Org/Name-7B",
        "a",
        "7b",
        "x" * NAME_MAX,
        "qwen:0.5b@v1+q4_K",
        "a/b/c",
        "a/.b",
        "a/...",
    ],
)
def test_name_may_be_as_the_world_writes_it(name: str) -> None:
    assert fault_in_name(name) is None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "Give the model a name."),
        ("x" * (NAME_MAX + 1), "Use at most 80 characters."),
        ("a b", "' ' is none of them"),
        ("größe", "'ö' is none of them"),
        ("a\n", "'\\n' is none of them"),
        ("a?b", "'?' is none of them"),
        (".hidden", "Begin with a letter or a digit"),
        ("-x", "Begin with a letter or a digit"),
        ("/a", "Begin with a letter or a digit"),
        ("a/", "don't end with a slash"),
        ("a//b", "Put a word between any two slashes"),
        ("a/../b", "Put a word between any two slashes"),
        ("a/./b", "Put a word between any two slashes"),
        ("a/..", "Put a word between any two slashes"),
    ],
)
def test_name_that_could_not_stand_in_a_path_is_refused_in_words(name: str, says: str) -> None:
    assert says in (fault_in_name(name) or "")
