"""Who somebody is, in a real browser: another site vouches, a passkey does, a code stands in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from playwright.sync_api import Page, expect
from pytest_django import Settings

from accounts.models import User
from accounts.tests.people import forget_limits, give_totp, mailed_code, make_person
from catalog.services import load_defaults
from tests.browser.conftest import NewContext
from tests.idp.server import Provider
from tests.idp.trusted import trusted
from tests.make import PASSWORD, make_project
from xerotier_site.admin_site import SIDEBAR

EMAIL = "ada@example.com"
DASHBOARD = "**/dashboard/proj_*/"


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    with trusted(settings) as found:
        found.asks = True
        yield found


def give_authenticator(page: Page) -> str:
    """Plug a security key into the browser that knows its owner; return its id."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable", {"enableUI": False})
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    added = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return str(added["authenticatorId"])


@dataclass(frozen=True)
class Visit:
    """Somebody at the browser, and what they do about who they are."""

    page: Page

    def press(self, name: str) -> None:
        self.page.get_by_role("main").get_by_role("button", name=name, exact=True).click()

    def register(self) -> None:
        self.page.goto("/auth/register")
        self.page.get_by_label("E-mail address").fill(EMAIL)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.press("Create account")
        self.page.get_by_label("Code").fill(mailed_code())
        self.press("Confirm")
        self.name_project()

    def name_project(self) -> None:
        """Take what is offered on the first page a newcomer sees."""
        self.page.wait_for_url("**/dashboard/new/")
        self.press("Start")
        self.page.wait_for_url(DASHBOARD)

    def say_password(self) -> None:
        self.page.goto("/auth/login")
        self.page.get_by_label("E-mail address").fill(EMAIL)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.press("Sign in")

    def say_password_again(self) -> None:
        self.page.wait_for_url("**/auth/reauthenticate/**")
        self.page.get_by_label("Password").fill(PASSWORD)
        self.press("Confirm")

    def go_by_github(self, begin: str) -> None:
        self.page.goto(begin)
        self.press("Continue with GitHub")
        self.page.get_by_role("button", name="Continue as Ada Lovelace").click()

    def open_account(self, name: str) -> None:
        """Go to a page about oneself the way people find it: by the menu of a project."""
        self.page.goto("/dashboard/")
        self.page.locator("nav.x-nav > details summary").last.click()
        self.page.get_by_role("link", name="Account", exact=True).click()
        account = self.page.get_by_role("navigation", name="Account")
        account.get_by_role("link", name=name, exact=True).click()
        expect(account.get_by_role("link", name=name, exact=True)).to_have_attribute(
            "aria-current", "page"
        )

    def sign_out(self) -> None:
        self.page.goto("/auth/logout/")
        self.press("Sign out")
        self.page.wait_for_url(re.compile(r":\d+/$"))

    def add_passkey(self) -> list[str]:
        """Add one; return the recovery codes that come with it."""
        give_authenticator(self.page)
        self.page.goto("/auth/2fa/webauthn/add/")
        self.say_password_again()
        self.page.get_by_label("Name").fill("Laptop")
        self.press("Add")
        self.page.wait_for_url("**/auth/2fa/recovery-codes/**")
        return self.page.locator("#recovery_codes").inner_text().split()


@pytest.fixture
def visit(page: Page, transactional_db: None) -> Visit:
    load_defaults()
    return Visit(page)


def test_github_opens_an_account_once_it_was_linked_to_it(
    visit: Visit, context: NewContext, provider: Provider
) -> None:
    visit.register()
    forget_limits()  # One letter in ten seconds goes to an address.

    newly = Visit(context().new_page())
    newly.go_by_github("/auth/login")
    newly.page.wait_for_url("**/auth/confirm-email/**")
    unlinked = SocialAccount.objects.count()
    visit.go_by_github("/auth/3rdparty/")
    visit.say_password_again()
    visit.page.wait_for_url("**/auth/3rdparty/")
    visit.sign_out()
    visit.go_by_github("/auth/login")
    visit.page.wait_for_url(DASHBOARD)

    assert unlinked == 0
    assert SocialAccount.objects.get().user.email == EMAIL


def test_newcomer_comes_in_by_single_sign_on(visit: Visit, provider: Provider) -> None:
    visit.page.goto("/auth/login")
    visit.press("Continue with SSO")
    visit.page.get_by_role("button", name="Continue as Ada Lovelace").click()
    visit.name_project()

    assert User.objects.get().email == EMAIL


def test_passkey_opens_the_account_and_a_recovery_code_stands_in(
    visit: Visit, context: NewContext, provider: Provider
) -> None:
    visit.register()
    codes = visit.add_passkey()
    visit.sign_out()

    visit.page.goto("/auth/login")
    visit.press("Sign in with a passkey")
    visit.page.wait_for_url(DASHBOARD)
    elsewhere = Visit(context(user_agent="Borrowed machine").new_page())
    elsewhere.say_password()
    elsewhere.page.wait_for_url("**/auth/2fa/authenticate/**")
    elsewhere.page.get_by_role("textbox").fill(codes[0])
    elsewhere.press("Sign in")
    elsewhere.page.wait_for_url(DASHBOARD)
    visit.page.goto("/auth/sessions/")
    expect(visit.page.get_by_title("Borrowed machine")).to_be_visible()
    visit.press("End")
    expect(visit.page.get_by_title("Borrowed machine")).to_be_hidden()
    elsewhere.page.goto("/dashboard/")
    elsewhere.page.wait_for_url("**/auth/login**")

    assert len(codes) == 10
    assert Authenticator.objects.filter(type="webauthn").exists()
    assert UserSession.objects.count() == 1


def test_one_person_comes_in_by_every_door_and_shuts_one_behind_them(
    visit: Visit, context: NewContext, provider: Provider
) -> None:
    visit.register()
    visit.go_by_github("/auth/3rdparty/")
    visit.say_password_again()
    visit.page.wait_for_url("**/auth/3rdparty/")
    visit.sign_out()
    visit.go_by_github("/auth/login")
    visit.page.wait_for_url(DASHBOARD)
    codes = visit.add_passkey()
    visit.sign_out()
    visit.page.goto("/auth/login")
    visit.press("Sign in with a passkey")
    visit.page.wait_for_url(DASHBOARD)

    elsewhere = Visit(context(user_agent="Borrowed machine").new_page())
    elsewhere.say_password()
    elsewhere.page.wait_for_url("**/auth/2fa/authenticate/**")
    elsewhere.page.get_by_role("textbox").fill(codes[0])
    elsewhere.press("Sign in")
    elsewhere.page.wait_for_url(DASHBOARD)
    visit.open_account("Sessions")
    visit.press("End")
    expect(visit.page.get_by_title("Borrowed machine")).to_be_hidden()
    elsewhere.page.reload()
    elsewhere.page.wait_for_url("**/auth/login**")

    ada = User.objects.get()
    assert ada.email == SocialAccount.objects.get().user.email == EMAIL
    assert Authenticator.objects.filter(user=ada, type="webauthn").count() == 1
    assert UserSession.objects.count() == 1
    for name in ("E-mail", "Password", "Second factor", "Connections"):
        visit.open_account(name)


def test_newcomer_registers_with_a_passkey_and_no_password(visit: Visit) -> None:
    give_authenticator(visit.page)
    visit.page.goto("/auth/register/passkey")
    visit.page.get_by_label("E-mail address").fill(EMAIL)
    visit.page.get_by_role("main").get_by_role("button").first.click()
    visit.page.wait_for_url("**/auth/confirm-email/**")
    visit.page.get_by_label("Code").fill(mailed_code())
    visit.press("Confirm")
    visit.page.wait_for_url("**/auth/2fa/webauthn/signup/")
    visit.page.get_by_label("Name").fill("Laptop")
    visit.page.locator("#mfa_webauthn_signup").click()
    visit.name_project()

    assert not User.objects.get().has_usable_password()
    assert Authenticator.objects.filter(type="webauthn").count() == 1


def test_operator_walks_the_console_and_no_policy_is_broken(
    visit: Visit, context: NewContext
) -> None:
    operator = make_person("operator", is_staff=True, is_superuser=True)
    ada = make_person("ada")
    make_project("acme", owner=ada)
    page = visit.page
    page.goto("/auth/login?next=/admin/")
    page.get_by_label("E-mail address").fill(operator.email)
    page.get_by_label("Password").fill(PASSWORD)
    visit.press("Sign in")
    page.wait_for_url("**/auth/2fa/")
    give_totp(operator)

    page.goto("/admin/")
    expect(page.locator("#overview")).to_be_visible()
    for group in SIDEBAR:
        for item in group["items"]:
            page.goto(str(item["link"]))
            expect(page.locator("#content")).to_be_visible()
    page.goto(f"/admin/see-as/{ada.pk}/")
    page.get_by_role("button", name="Look as this person").click()
    expect(page.locator("#seen-as")).to_contain_text(ada.email)
    page.get_by_role("button", name="Stop looking").click()

    expect(page.locator("#overview")).to_be_visible()
