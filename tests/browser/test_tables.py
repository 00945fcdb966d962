"""Tables never hide how a request ended or what it cost, and charts take what room there is."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from dashboard.tests.cast import used
from projects.models import Project
from tests.browser.conftest import NewContext, sign_in
from tests.make import make_endpoint, make_key

LONG = "a-name-as-long-as-people-really-write-them-" + "x" * 17
PADDING, LEAST_HEIGHT = 20, 214
INSIDE = """cell => {
  const card = cell.closest(".x-card").getBoundingClientRect(), own = cell.getBoundingClientRect();
  return own.width > 0 && own.right <= card.right + 1 && own.left >= card.left - 1;
}"""


def with_long_names(project: Project) -> None:
    make_endpoint(project, LONG)
    key = make_key(project, name=f"The key of {LONG}").key
    used(
        project,
        endpoint=LONG,
        key_id=key.public_id,
        status=502,
        ending="worker_broke",
        tokens_in=1_234_567,
        tokens_out=7_654_321,
    )


def hidden(page: Page, words: str) -> bool:
    """Say whether the first cell with these words that is drawn at all lies outside its card."""
    cells = page.locator("#rows tr").first.locator("td", has_text=words)
    drawn = [cell for cell in cells.all() if cell.is_visible()]
    return not drawn or not all(cell.evaluate(INSIDE) for cell in drawn)


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_outcome_and_cost_stay_on_screen(
    context: NewContext, furnished: Project, width: int
) -> None:
    with_long_names(furnished)
    page = context(viewport={"width": width, "height": 900}).new_page()
    sign_in(page, furnished.memberships.get().user)
    found = []

    for path in ("usage/", f"endpoints/{LONG}/", ""):
        page.goto(f"/dashboard/{furnished.public_id}/{path}")
        found += [(path, words) for words in ("worker broke", "$") if hidden(page, words)]

    assert found == []


def test_chart_of_the_overview_fills_its_card(page: Page, furnished: Project) -> None:
    for number in range(4):
        make_endpoint(furnished, f"one-of-many-{number}")
    page.set_viewport_size({"width": 1440, "height": 900})
    sign_in(page, furnished.memberships.get().user)
    expect(page.locator(".x-card-filled .uplot")).to_be_visible()

    left = page.evaluate(
        """() => {
          const body = document.querySelector(".x-card-filled > .x-card-body");
          const [chart, drawn] = [".x-chart", ".uplot"].map((name) => body.querySelector(name));
          const end = body.lastElementChild.getBoundingClientRect().bottom;
          const room = body.getBoundingClientRect().bottom;
          return [room - end, chart.clientHeight - drawn.clientHeight, chart.clientHeight];
        }"""
    )

    assert left[0] <= PADDING
    assert abs(left[1]) <= 1
    assert left[2] > LEAST_HEIGHT
