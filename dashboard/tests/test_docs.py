"""The docs: how a page gets into the menu, whose values stand in it, and how things are found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from dashboard.docs import guides
from dashboard.docs.guides import Values
from dashboard.docs.markdown import render
from dashboard.tests.cast import signed_in
from projects.models import Project
from tests.make import make_endpoint, make_key, make_project

NOBODYS = Values("https://example.test")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(guides, "FOLDER", tmp_path)
    return tmp_path


def test_page_is_added_by_a_file_whose_first_line_says_where(folder: Path) -> None:
    (folder / "quickstart.md").write_text("<!-- menu: use 10 -->\n\n# Quickstart\n\nHello.\n")
    (folder / "mail.md").write_text("<!-- menu: operate 30 Mail -->\n\n# How mail is sent\n")
    (folder / "first.md").write_text("<!-- menu: use 5 -->\n# Introduction\n")

    found = {title: [one.label for one in part] for title, part in guides.menu().items()}

    assert found == {
        "Use it": ["Introduction", "Quickstart", "API reference"],
        "Operate it": ["Mail"],
        "Build it": [],
    }
    assert "menu:" not in guides.document("mail", NOBODYS).html


def test_every_guide_says_where_it_stands() -> None:
    unplaced = [
        name
        for name in guides.names()
        if not (guides.FOLDER / f"{name}.md").read_text().startswith("<!-- menu: ")
    ]

    assert unplaced == []


def test_reader_sees_the_address_and_key_of_the_project_they_came_from(
    ada: User, acme: Project
) -> None:
    second = make_project("second", owner=ada)
    make_endpoint(second, "talk")
    hint = make_key(second).key.secrets.get().hint
    client = signed_in(ada)
    client.get(f"/dashboard/{second.public_id}/")

    page = client.get("/docs/quickstart/").content.decode()

    assert f"{settings.PUBLIC_URL}/{second.public_id}/talk/v1" in page
    assert hint in page
    assert acme.public_id not in page.partition("<article")[2].partition("</article>")[0]


def test_reader_keeps_the_frame_of_their_project_and_a_stranger_gets_the_public_one(
    ada: User, acme: Project
) -> None:
    for path in ("/docs/quickstart/", "/docs/?q=key", "/docs/api/"):
        own = signed_in(ada).get(path).content.decode()
        public = Client().get(path).content.decode()

        assert f"/dashboard/{acme.public_id}/keys/" in own, path
        assert acme.public_id not in public, path
        assert "Create account" in public, path


def test_cookie_of_a_project_that_is_not_mine_shows_nothing_of_it(
    ada: User, acme: Project, rival: Project
) -> None:
    make_endpoint(rival, "secret-plans")
    client = signed_in(ada)
    client.cookies["xero_project"] = rival.public_id

    page = client.get("/docs/quickstart/").content.decode()

    assert rival.public_id not in page
    assert "secret-plans" not in page
    assert acme.public_id in page


def test_reader_without_account_sees_this_platforms_address(db: None) -> None:
    page = Client().get("/docs/quickstart/").content.decode()

    assert "https://HOST" not in page
    assert f"{settings.PUBLIC_URL}/proj_Ab3dE5fG7hJ9/my-endpoint/v1" in page


def test_search_finds_the_section_that_speaks_of_it(folder: Path) -> None:
    (folder / "errors.md").write_text(
        "# Errors\n\nAll of them.\n\n## Rate limits\n\nWait, with `Retry-After`.\n\n"
        "## Others\n\nSee rate limits.\n"
    )

    found = guides.search("rate limits", NOBODYS)

    assert [hit.url for hit in found] == ["/docs/errors/#rate-limits", "/docs/errors/#others"]
    assert guides.search("retry-after", NOBODYS)[0].match == "Retry-After"
    assert guides.search("nowhere", NOBODYS) == ()
    assert guides.search("  ", NOBODYS) == ()


def test_search_page_says_what_was_found_and_what_not(db: None) -> None:
    found = Client().get("/docs/?q=insufficient_balance").content.decode()
    missing = Client().get("/docs/?q=<b>xyzzy").content.decode()

    assert 'href="/docs/errors/#' in found
    assert "Nothing about “&lt;b&gt;xyzzy”" in missing


def test_code_can_be_copied_and_reached_by_keyboard_and_tables_too() -> None:
    html = render("| a |\n|---|\n| b |\n\n```text\nhello\n```\n").html

    assert '<div class="x-prose-table" tabindex="0"' in html
    assert 'data-copy-from="code-1-0"' in html
    assert '<pre tabindex="0"><code id="code-1-0">hello' in html


def test_examples_that_follow_each_other_become_tabs() -> None:
    html = render("```bash\na\n```\n\n```python\nb\n```\n\nWords.\n\n```bash\nc\n```\n").html

    assert re.findall(r"data-code-language[^>]*>(\w+)<", html) == ["Shell", "Python"]
    assert html.count("x-code-tabs") == 1
    assert html.count("x-code-box") == 1
