"""The settings page takes the list of pages that may read what endpoints answer."""

from __future__ import annotations

from accounts.models import User
from dashboard.tests.cast import signed_in
from projects.models import Project

APP = "https://app.example.org"


def test_page_takes_one_a_line_and_shows_what_was_wrong(ada: User, acme: Project) -> None:
    page, home = signed_in(ada), f"/dashboard/{acme.public_id}/settings/"

    page.post(f"{home}origins/", {"origins": f"{APP}\r\nhttp://localhost:5173\r\n"})
    shown = page.get(home).content.decode()
    refused = page.post(f"{home}origins/", {"origins": "example.org"})

    assert Project.objects.get(pk=acme.pk).origins == [APP, "http://localhost:5173"]
    assert f"{APP}\nhttp://localhost:5173" in shown
    assert refused.status_code == 422
    assert "example.org” is no origin" in refused.content.decode()
