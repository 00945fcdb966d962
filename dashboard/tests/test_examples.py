"""Examples can be pasted as they stand: the reader's own address, model and key, nothing left."""

from __future__ import annotations

import ast
import json
import re
import shlex
from typing import Any

import pytest

from dashboard.docs.guides import Values
from dashboard.docs.markdown import render
from dashboard.examples import snippets, texts
from projects.models import Project

URL = "https://x.example/proj_a/chat/v1"
TASKS = list(texts.BY_TASK)


def made(task: str, **said: Any) -> dict[str, str]:
    usual = {"base_url": URL, "model": "Org/Llama-7B", "key": "xero_acme_s3"}
    return {one.language: one.text for one in snippets.snippets_for(task=task, **(usual | said))}


EVERY = [(task, language) for task in TASKS for language in texts.BY_TASK[task]]


@pytest.mark.parametrize(("task", "language"), EVERY)
def test_example_holds_what_is_the_readers_and_no_gap(task: str, language: str) -> None:
    text = made(task)[language]

    assert URL in text
    assert "xero_acme_s3" in text
    assert "Org/Llama-7B" in text or language == "webui"
    assert not re.search(r"\{(base_url|model|key)\}|\{\{\w", text)


@pytest.mark.parametrize("task", TASKS)
def test_example_of_curl_is_one_command_with_a_json_body(task: str) -> None:
    words = shlex.split(made(task)["curl"].partition("\n")[2])

    operation, body = texts.FIRST[task]
    assert words[:2] == ["curl", f"{URL}/{operation}"]
    sent = json.loads(words[words.index("-d") + 1])
    assert sent.pop("model") == "Org/Llama-7B"
    assert sent.items() <= body.items()


@pytest.mark.parametrize(
    ("task", "language"), [(t, n) for t, n in EVERY if n in {"python", "langchain", "litellm"}]
)
def test_example_in_python_is_python(task: str, language: str) -> None:
    ast.parse(made(task)[language])


def test_environment_stands_in_front_where_it_is_wanted() -> None:
    with_env = made("generate", with_env=True)

    assert next(iter(with_env)) == "env"
    assert with_env["env"] == f"OPENAI_BASE_URL={URL}\nOPENAI_API_KEY=xero_acme_s3"
    assert "env" not in made("generate")


@pytest.mark.parametrize("task", TASKS)
def test_without_a_key_an_example_says_where_it_goes(task: str) -> None:
    shown = snippets.snippets_for(task=task, base_url=URL, model="m")

    assert all(snippets.PLACEHOLDER in one.text for one in shown)
    assert [one.element_id for one in shown] == [f"example-{one.language}" for one in shown]
    assert all(one.label for one in shown)


def test_colours_bring_no_markup_of_the_text() -> None:
    assert "<script" not in snippets.coloured("x = '<script>'", "python")
    assert not snippets.coloured("x = 1\n", "python").endswith("\n")


def test_base_url_is_that_of_the_platform_as_readers_reach_it(settings: Any) -> None:
    settings.PUBLIC_URL = "https://x.example"

    assert snippets.base_url_of(Project(public_id="proj_a"), "chat") == URL


@pytest.mark.parametrize("task", TASKS)
def test_first_request_from_the_browser_is_that_of_the_examples(task: str) -> None:
    run = snippets.first_run(task=task, path="/proj_a/chat/v1", model="m")

    operation, body = texts.FIRST[task]
    assert run.path == f"/proj_a/chat/v1/{operation}"
    assert run.body == {"model": "m", **body}
    assert "model" not in body


GUIDE = "https://HOST/proj_Ab3dE5fG7hJ9/my-endpoint/v1 xero_my-project_… https://HOST/x"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            Values("https://x.example"),
            GUIDE.replace("HOST", "x.example"),
        ),
        (
            Values("https://x.example", project="proj_a"),
            "https://x.example/proj_a/my-endpoint/v1 xero_my-project_… https://x.example/x",
        ),
        (
            Values("https://x.example", "proj_a", "chat", "xero_acme_Ab…"),
            f"{URL} xero_acme_Ab… https://x.example/x",
        ),
    ],
    ids=["a stranger", "a member", "with a key"],
)
def test_guide_shows_each_reader_what_is_theirs(values: Values, text: str) -> None:
    assert values.put_into(GUIDE) == text


def test_examples_that_follow_each_other_become_tabs() -> None:
    html = render("```bash\ncurl x\n```\n```python\nx = 1\n```\n").html

    assert html.count('class="x-code-tabs"') == 1
    assert 'id="code-1-0"' in html
    assert 'id="code-1-1"' in html


@pytest.mark.parametrize(
    "text",
    [
        "```bash\na\n```\n\ntext\n\n```python\nb\n```\n",
        "```bash\na\n```\n```bash\nb\n```\n",
        "```\na\n```\n```\nb\n```\n",
        "```json\n{}\n```\n",
    ],
    ids=["apart", "of one language", "of none", "alone"],
)
def test_other_examples_stand_by_themselves(text: str) -> None:
    assert "x-code-tabs" not in render(text).html


def test_table_can_be_reached_and_its_columns_stay_aligned() -> None:
    html = render("| a | b |\n|--:|---|\n| 1 | 2 |\n").html

    assert '<div class="x-prose-table" tabindex="0" role="group" aria-label="Table">' in html
    assert html.count('class="x-r"') == 2
    assert html.rstrip().endswith("</div>")


def test_sections_hold_their_words_without_marks() -> None:
    table = "| a |\n|---|\n| b |\n"
    text = f"# Keys\n\nA `key` **opens** doors.\n\n## Use\n\n```bash\ncurl x\n```\n\n{table}"

    assert render(text).sections == (
        ("Keys", "keys", "A key opens doors."),
        ("Use", "use", "curl x a b"),
    )


@pytest.mark.parametrize(
    ("link", "leads"),
    [
        ("keys.md", "/docs/keys/"),
        ("keys.md#scopes", "/docs/keys/#scopes"),
        ("adr/0001-x.md", "adr/0001-x.md"),
        ("https://example.com/keys.md", "https://example.com/keys.md"),
        ("#here", "#here"),
        ("a.md.md", "a.md.md"),
    ],
)
def test_only_links_to_guides_become_links_to_pages(link: str, leads: str) -> None:
    assert f'href="{leads}"' in render(f"[x]({link})").html


def test_text_without_a_title_has_none() -> None:
    document = render("## Only a part\n")

    assert (document.title, len(document.headings)) == ("", 1)
    assert render("").sections == ()
