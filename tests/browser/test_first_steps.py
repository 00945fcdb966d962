"""From nobody to a key in hand, the way a newcomer walks it, with script and without."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from accounts.models import User
from accounts.tests.people import mailed_code
from apikeys.models import ApiKey
from catalog.services import load_defaults
from endpoints.models import Endpoint, EndpointState
from projects.models import Project
from tests.browser.conftest import NewContext, sign_in
from tests.make import make_key, make_project


def test_newcomer_gets_from_registering_to_a_key(page: Page, transactional_db: None) -> None:
    load_defaults()
    page.goto("/")
    page.get_by_role("main").get_by_role("link", name="Create account").click()
    page.get_by_label("E-mail address").fill("new@example.com")
    page.get_by_label("Password").fill("correct-horse-battery")
    page.get_by_role("button", name="Create account").click()
    page.get_by_label("Code").fill(mailed_code())
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url("**/dashboard/proj_*/")

    page.get_by_role("link", name="Create an endpoint").click()
    page.get_by_label("SmolLM2 135M Instruct").check()
    page.get_by_label("Slug").press_sequentially("Chat")
    expect(page.get_by_text("Use lower-case letters only.")).to_be_visible()
    page.get_by_label("Slug").fill("")
    page.get_by_label("Slug").press_sequentially("chat")
    expect(page.get_by_text("Free. It can't be changed afterwards.")).to_be_visible()
    page.get_by_role("button", name="Create endpoint").click()
    page.wait_for_url("**/endpoints/chat/")
    expect(page.locator("#base-url")).to_contain_text("/chat/v1")

    page.get_by_role("link", name="Issue key").first.click()
    page.get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Issue key").click()
    secret = page.locator("#secret-once").inner_text()

    assert secret.startswith("xero_new_")
    assert Endpoint.objects.get().slug == "chat"
    assert ApiKey.objects.get().endpoint == Endpoint.objects.get()


def test_secret_is_copied_and_held_until_it_is_stored(page: Page, furnished: Project) -> None:
    sign_in(page, furnished.memberships.get().user)
    page.goto(f"/dashboard/{furnished.public_id}/keys/new/")
    page.get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Issue key").click()
    secret = page.locator("#secret-once").inner_text()
    done = page.get_by_role("link", name="Done")

    expect(done).to_have_attribute("aria-disabled", "true")
    page.get_by_role("button", name="Copy", exact=True).click()
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
    page = context(java_script_enabled=False).new_page()
    sign_in(page, ada)
    home = page.url

    page.goto(f"{home}endpoints/new/")
    page.get_by_label("SmolLM2 135M Instruct").check()
    page.get_by_label("Slug").fill("chat")
    page.get_by_role("button", name="Create endpoint").click()
    page.goto(f"{home}keys/new/")
    page.get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Issue key").click()
    expect(page.locator("#secret-once")).to_be_visible()
    page.get_by_role("link", name="Done").click()
    page.goto(f"{home}keys/")
    page.get_by_role("link", name="Revoke laptop").click()
    page.get_by_role("button", name="Revoke key").click()
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
