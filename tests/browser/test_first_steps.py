"""From nobody to a key in hand, the way a newcomer walks it, with script and without."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Locator, Page, Request, Route, expect

from accounts.models import User
from accounts.tests.people import mailed_code
from apikeys.models import ApiKey
from catalog.services import load_defaults
from endpoints.models import Endpoint, EndpointState
from projects.models import Project
from tests.browser.conftest import NewContext, sign_in
from tests.make import make_key, make_project, make_worker

ANSWER = {
    "choices": [{"message": {"content": "Paris."}}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
}


@dataclass
class Clicks:
    """Counts what a person presses."""

    count: int = 0

    def on(self, target: Locator) -> None:
        self.count += 1
        target.click()


def register(page: Page, clicks: Clicks) -> None:
    page.goto("/")
    clicks.on(page.get_by_role("main").get_by_role("link", name="Create account"))
    page.get_by_label("E-mail address").fill("new@example.com")
    page.get_by_label("Password").fill("correct-horse-battery")
    clicks.on(page.get_by_role("button", name="Create account"))
    expect(page.get_by_label("Code")).to_be_focused()
    page.get_by_label("Code").fill(mailed_code())
    clicks.on(page.get_by_role("button", name="Confirm"))


def answered_by_us(page: Page) -> list[Request]:
    """Answer in the plane's place, which is tested on its own; return what was asked."""
    asked: list[Request] = []

    def answer(route: Route) -> None:
        asked.append(route.request)
        route.fulfill(json=ANSWER, headers={"x-xerotier-request-id": "req_1"})

    page.route("**/chat/v1/chat/completions", answer)
    return asked


def test_newcomer_gets_from_registering_to_answer_and_usage_in_seven_clicks(
    page: Page, transactional_db: None
) -> None:
    load_defaults()
    make_worker()
    asked = answered_by_us(page)
    clicks = Clicks()

    register(page, clicks)
    page.wait_for_url("**/dashboard/new/")
    clicks.on(page.get_by_role("button", name="Start"))
    secret = page.locator("#secret-once").inner_text()
    clicks.on(page.get_by_role("button", name="Run it now"))
    expect(page.get_by_text("Paris.")).to_be_visible()
    clicks.on(page.get_by_label("I stored it"))
    clicks.on(page.get_by_role("link", name="see it under Usage"))
    page.wait_for_url("**/usage/")

    assert clicks.count <= 7
    assert asked[0].headers["authorization"] == f"Bearer {secret}"
    assert '"model": "smollm2-135m-instruct"' in str(asked[0].post_data)
    assert "cookie" not in asked[0].all_headers()
    assert Endpoint.objects.get().slug == "chat"
    assert ApiKey.objects.get().endpoint == Endpoint.objects.get()


def test_slug_is_checked_while_it_is_typed_and_a_good_one_is_offered(
    page: Page, furnished: Project
) -> None:
    sign_in(page, furnished.memberships.get().user)
    page.goto(f"/dashboard/{furnished.public_id}/endpoints/new/")
    page.get_by_label("Slug").press_sequentially("My Endpoint!")
    expect(page.get_by_text("Use lower-case letters only.")).to_be_visible()
    page.get_by_role("button", name="Use “my-endpoint”").click()

    expect(page.get_by_text("Available. It can’t be changed afterwards.")).to_be_visible()
    expect(page.get_by_label("Slug")).to_have_value("my-endpoint")


def test_key_is_copied_where_the_clipboard_is_shut(context: NewContext, furnished: Project) -> None:
    page = context(permissions=["clipboard-read"]).new_page()
    # As on plain http: there is no clipboard for scripts.
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    sign_in(page, furnished.memberships.get().user)
    page.goto(f"/dashboard/{furnished.public_id}/endpoints/chat/")

    page.get_by_role("button", name="Copy the base URL").click()

    expect(page.get_by_role("button", name="Copy the base URL")).to_have_attribute(
        "data-copied", ""
    )


def test_copying_that_nothing_allows_selects_the_text_and_says_how(
    page: Page, furnished: Project
) -> None:
    page.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined });"
        "document.execCommand = () => false"
    )
    sign_in(page, furnished.memberships.get().user)
    page.goto(f"/dashboard/{furnished.public_id}/endpoints/chat/")
    copy = page.get_by_role("button", name="Copy the base URL")

    copy.click()

    expect(copy).to_have_attribute("data-hint", "Press Ctrl-C to copy")
    selected = page.evaluate("String(window.getSelection())")
    assert selected == page.locator("#base-url").inner_text()


def test_refused_form_stands_at_its_own_address_with_the_focus_on_what_is_wrong(
    page: Page, furnished: Project
) -> None:
    sign_in(page, furnished.memberships.get().user)
    key = ApiKey.objects.get()
    page.goto(f"/dashboard/{furnished.public_id}/keys/{key.public_id}/")
    page.get_by_label("Allowed addresses").last.fill("10.0.0.0/8\nnonsense")
    page.get_by_role("button", name="Save addresses").click()

    expect(page.locator("#id_allow")).to_be_focused()
    expect(page.get_by_role("alert").get_by_role("link")).to_have_attribute("href", "#id_allow")
    page.goto(page.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("ci-runner")


def test_secret_is_copied_and_held_until_it_is_stored(page: Page, furnished: Project) -> None:
    sign_in(page, furnished.memberships.get().user)
    page.goto(f"/dashboard/{furnished.public_id}/keys/new/")
    page.get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Create key").click()
    secret = page.locator("#secret-once").inner_text()
    done = page.get_by_role("link", name="Done")

    expect(done).to_have_attribute("aria-disabled", "true")
    page.get_by_role("button", name="Copy", exact=True).first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    page.get_by_label("I stored it").check()
    done.click()
    page.wait_for_url("**/dashboard/proj_*/**")

    assert copied == secret
    assert secret not in page.content()


def test_key_is_revoked_in_a_dialog(page: Page, furnished: Project) -> None:
    sign_in(page, furnished.memberships.get().user)
    page.goto(f"/dashboard/{furnished.public_id}/keys/")

    page.get_by_role("link", name="Revoke ci-runner").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("link", name="Cancel").click()
    expect(dialog).to_be_hidden()
    untouched = ApiKey.objects.get().revoked_at
    page.get_by_role("link", name="Revoke ci-runner").click()
    dialog.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("“ci-runner” is revoked.")).to_be_visible()

    assert untouched is None
    assert ApiKey.objects.get().revoked_at is not None


def test_retiring_stays_closed_until_the_slug_is_typed(page: Page, furnished: Project) -> None:
    sign_in(page, furnished.memberships.get().user)
    page.goto(f"/dashboard/{furnished.public_id}/endpoints/chat/")

    page.get_by_role("link", name="Retire endpoint").click()
    button = page.get_by_role("button", name="Retire endpoint")
    word = page.get_by_label("Type chat to confirm")
    expect(button).to_be_disabled()
    word.fill("cha")
    expect(button).to_be_disabled()
    word.fill("chat")
    button.click()
    page.wait_for_url("**/endpoints/")

    assert Endpoint.objects.get(slug="chat").state == EndpointState.RETIRED


def test_everything_works_without_script(context: NewContext, ada: User) -> None:
    make_project("acme", owner=ada)
    make_worker()
    page = context(java_script_enabled=False).new_page()
    sign_in(page, ada)
    home = page.url

    page.goto(f"{home}endpoints/new/")
    page.get_by_label("SmolLM2 135M Instruct").check()
    page.get_by_label("Slug").fill("chat")
    page.get_by_role("button", name="Create endpoint").click()
    page.goto(f"{home}keys/new/")
    page.get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Create key").click()
    expect(page.locator("#secret-once")).to_be_visible()
    page.get_by_role("link", name="Done").click()
    page.goto(f"{home}keys/")
    page.get_by_role("link", name="Revoke laptop").click()
    page.get_by_role("button", name="Revoke key").click()
    page.get_by_role("link", name="Expired or revoked").click()
    expect(page.get_by_text("revoked", exact=True)).to_be_visible()

    assert Endpoint.objects.get().slug == "chat"
    assert ApiKey.objects.get().revoked_at is not None


def test_member_of_two_projects_switches_between_them(page: Page, ada: User) -> None:
    make_project("acme", owner=ada)
    sign_in(page, ada)
    other = make_project("other", owner=ada)
    make_key(other)
    page.reload()

    page.locator("nav.x-nav summary").first.click()
    page.get_by_role("link", name=other.public_id).click()

    page.wait_for_url(f"**/dashboard/{other.public_id}/")
