"""Names that look alike are alike: what nobody can see is refused in them."""

from __future__ import annotations

import pytest

from common.names import NameMalformed, check_name, hidden_in, visible

HIDDEN = [
    ("\u200b", "zero width space"),
    ("\u200d", "zero width joiner"),
    ("\u202e", "right-to-left override"),
    ("\u2066", "left-to-right isolate"),
    ("\ufeff", "zero width no-break space"),
    ("\u00ad", "soft hyphen"),
    ("\u2028", "line separator"),
    ("\u2029", "paragraph separator"),
    ("\n", "a control character"),
    ("\t", "a control character"),
    ("\0", "a control character"),
    ("\x7f", "a control character"),
    ("\x9f", "a control character"),
    ("\ud800", "a control character"),
    ("\ue000", "a control character"),
    ("\u2800", "braille pattern blank"),
    ("\u3164", "hangul filler"),
    ("\uffa0", "halfwidth hangul filler"),
    ("\u115f", "hangul choseong filler"),
    ("\u034f", "combining grapheme joiner"),
    ("\u180e", "mongolian vowel separator"),
    ("\u180b", "mongolian free variation selector one"),
]


@pytest.mark.parametrize(("hidden", "said"), HIDDEN, ids=[name for _, name in HIDDEN])
def test_character_nobody_sees_is_refused_by_its_number_and_name(hidden: str, said: str) -> None:
    with pytest.raises(NameMalformed) as refused:
        check_name(f"ci{hidden}runner")

    assert refused.value.message.startswith(f"Take out U+{ord(hidden):04X} ({said})")
    assert (refused.value.param, refused.value.code) == ("name", "name_malformed")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ci-runner",
        "Prod (EU) #2",
        "Ünïcødé",
        "名前",
        "שם",
        "اسم",
        "नाम",
        "🦙",
        "a b",
        "e\u0301",
        "a\u00a0b",
    ],
)
def test_letters_of_every_script_are_fine(name: str) -> None:
    check_name(name)

    assert hidden_in(name) is None
    assert visible(name) == name


def test_first_of_several_is_named() -> None:
    assert hidden_in("a\u200bb\u202e") == "\u200b"


def test_field_at_fault_is_named() -> None:
    with pytest.raises(NameMalformed) as refused:
        check_name("\u200b", param="title")

    assert refused.value.param == "title"


@pytest.mark.parametrize(
    ("text", "seen"),
    [("a\u200bb", "ab"), ("\u202eevil", "evil"), ("\u3164", ""), ("a\nb", "ab")],
)
def test_name_that_others_gave_is_shown_without_what_nobody_sees(text: str, seen: str) -> None:
    assert visible(text) == seen
