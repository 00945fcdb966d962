"""How pages look and behave: theme, width, keyboard, charts, and what axe finds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

from accounts.models import User
from apikeys.models import ApiKey
from apikeys.services import rotate_key
from dashboard.tests.cast import used
from ledger.services import top_up
from projects import access
from projects.invitations import invite
from projects.models import Project
from projects.rules import Role
from projects.services import mark_for_deletion
from tests.browser.conftest import NewContext, sign_in
from tests.make import make_agent, make_backend, make_join_key, make_project, make_user, seat
from usage.budgets import set_budget

PUBLIC = (
    "/",
    "/auth/login",
    "/auth/register",
    "/auth/password/reset/",
    "/models/",
    "/docs/quickstart/",
)
ACCOUNT = (
    "/dashboard/new/",
    "/auth/name/",
    "/auth/email/",
    "/auth/2fa/",
    "/auth/sessions/",
    "/auth/password/change/",
)
OWN = (
    "",
    "endpoints/",
    "endpoints/new/",
    "endpoints/chat/",
    "endpoints/chat/retire/",
    "keys/",
    "keys/new/",
    "keys/{key}/",
    "keys/{key}/end-old/",
    "keys/{key}/revoke/",
    "keys/{key}/rotate/",
    "machines/",
    "machines/backends/",
    "machines/backends/new/",
    "machines/backends/{backend}/",
    "machines/backends/{backend}/change/",
    "machines/backends/{backend}/remove/",
    "machines/backends/{backend}/rotate/",
    "machines/join-keys/",
    "machines/join-keys/new/",
    "machines/join-keys/{join_key}/revoke/",
    "machines/{machine}/",
    "machines/{machine}/revoke/",
    "machines/{machine}/suspend/",
    "models/",
    "models/smollm2-135m-instruct/",
    "usage/",
    "settings/",
    "settings/audit/",
    "settings/billing/",
    "settings/billing/budgets/",
    "settings/billing/budgets/new/",
    "settings/billing/budgets/{budget}/",
    "settings/billing/budgets/{budget}/end/",
    "settings/delete/",
    "settings/invitations/{invitation}/revoke/",
    "settings/leave/",
    "settings/members/",
    "settings/members/?state=invited",
    "settings/members/invite/",
    "settings/members/{member}/remove/",
    "settings/members/{member}/role/",
    "settings/transfer/",
)
FAULTY = (
    ("keys/{key}/", "allow", "10.0.0.0/8\nnot-an-address"),
    ("keys/{key}/", "requests", "-1"),
    ("machines/join-keys/new/", "uses_max", "0"),
    ("settings/billing/budgets/new/", "amount", "ten"),
    ("settings/members/invite/", "email", "nobody"),
)
"""Forms that are refused: where, in which field, and for what."""
PARTS = 3
SERIOUS = {"serious", "critical"}
THEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
WIDTHS = (390, 1024, 1440)
USUAL: ViewportSize = {"width": 1280, "height": 720}
AT_ONCE = """() => {
    const sheet = new CSSStyleSheet()
    sheet.replaceSync("*, ::before, ::after { transition: none !important }")
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]
}"""
"""Else colours would still be passing over into the other theme's while axe reads them."""
IS_TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@dataclass(frozen=True, slots=True)
class Place:
    """A page, and what is typed there that gets its form refused."""

    path: str
    field: str = ""
    typed: str = ""

    def open(self, page: Page) -> None:
        page.goto(self.path)
        if not self.field:
            return
        named = f"[name={self.field}]"
        page.locator(named).fill(self.typed)
        # The server's refusal is meant, which people meet whose browser doesn't check.
        page.locator(f"form:has({named})").evaluate(
            "form => { form.noValidate = true; form.requestSubmit() }"
        )
        expect(page.locator(f"{named}[aria-invalid=true]")).to_be_visible()


def public_places() -> list[Place]:
    return [Place(path) for path in PUBLIC]


def places(project: Project) -> list[Place]:
    """Furnish a project, and name every page of it and of its owner."""
    bob = seat(project, make_user(), Role.MEMBER)
    key = ApiKey.objects.filter(project=project).get()
    key = rotate_key(key=key).key
    top_up(project=project, amount=20_000_000)
    budget = set_budget(
        project=project, scope="key", subject_id=key.public_id, amount=1, is_enforced=True
    )
    owner = project.memberships.get(role=Role.OWNER).user
    invitation = invite(
        seat=access.seat(owner, project.public_id), email="grace@example.com", role=Role.VIEWER
    )
    join_key = make_join_key(project).join_key
    names = {
        "backend": make_backend(project, "cloud").public_id,
        "budget": budget.public_id,
        "invitation": invitation.public_id,
        "join_key": join_key.public_id,
        "key": key.public_id,
        "machine": make_agent(project, name="rack-3-gpu-1").public_id,
        "member": bob.public_id,
    }
    base = f"/dashboard/{project.public_id}/"
    return [
        *(Place(path) for path in (*ACCOUNT, *marked(owner))),
        *(Place(base + path.format(**names)) for path in OWN),
        *(Place(base + path.format(**names), field, typed) for path, field, typed in FAULTY),
    ]


def marked(owner: User) -> list[str]:
    """Return pages of a project that is about to be deleted."""
    leaving = make_project("leaving", owner=owner)
    mark_for_deletion(project=leaving, slug="leaving")
    base = f"/dashboard/{leaving.public_id}/"
    return [base, base + "settings/"]


def found_by_axe(page: Page, place: Place, axe: Axe) -> list[str]:
    """Let axe read an open page in both themes, as the system's choice changes under it."""
    page.evaluate(AT_ONCE)
    found = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        violations = axe.run(page).response["violations"]
        found += [
            f"{place} in {theme}: {one['id']}: {node['target']}"
            for one in violations
            if one["impact"] in SERIOUS
            for node in one["nodes"]
        ]
    return found


def found_too_wide(page: Page, place: Place) -> list[str]:
    """Say at which widths an open page is wider than its window."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 844})
        if page.evaluate(IS_TOO_WIDE):
            found.append(f"{place} at {width}")
    page.set_viewport_size(USUAL)
    return found


def found_at(page: Page, place: Place, axe: Axe) -> list[str]:
    """Open a page once, and look at everything that must be so of each."""
    place.open(page)
    return found_by_axe(page, place, axe) + found_too_wide(page, place)


@pytest.mark.slow  # Some fifty pages, in both themes and at three widths: a part in each test.
@pytest.mark.parametrize("part", range(PARTS))
def test_axe_finds_nothing_serious_and_no_page_is_wider_than_its_window(
    context: NewContext, furnished: Project, part: int
) -> None:
    page, axe = context(reduced_motion="reduce", viewport=USUAL).new_page(), Axe()
    found = [
        fault for place in public_places()[part::PARTS] for fault in found_at(page, place, axe)
    ]
    sign_in(page, furnished.memberships.get().user)
    owned = places(furnished)[part::PARTS]
    found += [fault for place in owned for fault in found_at(page, place, axe)]

    assert found == []


def test_axe_and_the_widths_would_find_faults(context: NewContext, transactional_db: None) -> None:
    page = context(reduced_motion="reduce", viewport=USUAL).new_page()
    place = Place("/")
    place.open(page)
    page.evaluate(
        """() => {
            const faulty = document.createElement("p");
            faulty.className = "faulty";
            faulty.textContent = "Hard to read";
            document.querySelector("main").append(faulty);
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(`.faulty { width: 600px }
                @media (prefers-color-scheme: dark) {
                    .faulty { color: #333; background: #222 }
                }`);
            document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
        }"""
    )

    assert len(found := found_by_axe(page, place, Axe())) == 1
    assert found[0].startswith(f"{place} in dark: color-contrast")
    assert found_too_wide(page, place) == [f"{place} at 390"]


def test_chart_never_widens_its_page_even_before_it_is_drawn_anew(
    context: NewContext, furnished: Project
) -> None:
    page = context(viewport={"width": 1440, "height": 844}).new_page()
    sign_in(page, furnished.memberships.get().user)
    # A busy machine's next frame, in which charts learn of the new width, never comes.
    page.add_init_script("window.ResizeObserver = class { observe() {} }")
    base = f"/dashboard/{furnished.public_id}/"
    charted = [Place(base), Place(base + "usage/")]
    found = []
    for place in charted:
        place.open(page)
        found += found_too_wide(page, place)

    assert page.locator("[data-chart] canvas").count() > 0
    assert found == []


def test_theme_is_remembered_by_the_server(page: Page, transactional_db: None) -> None:
    page.goto("/")
    page.get_by_role("button", name="Dark").first.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "xero-dark")

    sent = page.reload()

    assert sent is not None
    assert '<html lang="en" data-theme="xero-dark">' in sent.text()
    page.get_by_role("button", name="As the system").first.click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", re.compile(".*"))


def test_theme_is_remembered_without_script(context: NewContext, transactional_db: None) -> None:
    page = context(java_script_enabled=False).new_page()
    page.goto("/models/")

    page.get_by_role("button", name="Dark").first.click()

    expect(page).to_have_url(re.compile("/models/$"))
    expect(page.locator("html")).to_have_attribute("data-theme", "xero-dark")


def test_drawer_opens_and_closes_on_a_phone(context: NewContext, furnished: Project) -> None:
    page = context(viewport={"width": 390, "height": 844}).new_page()
    sign_in(page, furnished.memberships.get().user)
    usage = page.get_by_role("navigation", name="Project").get_by_role("link", name="Usage")
    expect(usage).to_be_hidden()

    page.get_by_role("button", name="Open the menu").click()
    expect(usage).to_be_visible()
    page.keyboard.press("Escape")

    expect(usage).to_be_hidden()


def test_rows_are_walked_with_the_arrow_keys(page: Page, furnished: Project) -> None:
    sign_in(page, furnished.memberships.get().user)
    page.goto(f"/dashboard/{furnished.public_id}/endpoints/")
    rows = page.locator("a[data-row-link]")
    rows.first.focus()

    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(rows.first).to_be_focused()


def test_menu_closes_on_escape_and_gives_the_focus_back(page: Page, furnished: Project) -> None:
    sign_in(page, furnished.memberships.get().user)
    menu = page.locator("nav.x-nav > details").last
    menu.locator("summary").click()
    expect(menu.get_by_role("link", name="Security")).to_be_visible()

    page.keyboard.press("Escape")

    expect(menu.get_by_role("link", name="Security")).to_be_hidden()
    expect(menu.locator("summary")).to_be_focused()


def test_chart_is_drawn_and_its_figures_stand_in_a_table(page: Page, furnished: Project) -> None:
    sign_in(page, furnished.memberships.get().user)

    expect(page.locator(".x-chart canvas")).to_be_visible()
    page.get_by_text("Show as table").click()

    expect(page.get_by_role("columnheader", name="From (UTC)")).to_be_visible()
    assert page.locator(".x-chart + details tbody tr").count() == 24


def test_more_records_are_put_below_the_first(page: Page, furnished: Project) -> None:
    for _ in range(50):
        used(furnished)
    sign_in(page, furnished.memberships.get().user)
    page.goto(f"/dashboard/{furnished.public_id}/usage/")
    rows = page.locator("#rows tr")
    expect(rows).to_have_count(50)

    page.get_by_role("link", name="Load more").click()

    expect(rows).to_have_count(53)
    expect(page.get_by_role("link", name="Load more")).to_have_count(0)


def test_language_of_examples_is_chosen_once(page: Page, furnished: Project) -> None:
    sign_in(page, furnished.memberships.get().user)
    page.goto(f"/dashboard/{furnished.public_id}/endpoints/chat/")
    page.get_by_text("Python", exact=True).click()
    expect(page.get_by_text("from openai import OpenAI")).to_be_visible()

    page.goto("/")

    expect(page.get_by_text("from openai import OpenAI")).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/auth/login", "/docs/quickstart/", "/no-such-page/"])
def test_policy_allows_no_inline_and_no_eval(page: Page, transactional_db: None, path: str) -> None:
    sent = page.request.get(path)

    policy = sent.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'self'" in policy
    assert not re.search(r"<script(?![^>]*(src=|application/json))", sent.text())
    assert not re.search(r"\sstyle=|\son[a-z]+=\"", sent.text())
