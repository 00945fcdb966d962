"""The install page, carried out: an operator gets a platform behind TLS from its words alone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.platform import ROOT
from tests.run.box import Box, machine, until_it_works
from tests.run.page import blocks
from tests.tools import nginx
from xerotier_site.embedded.valkey import USERS

PAGE = ROOT / "docs" / "install.md"
PATIENCE_S = 120
WORD = "a long pass phrase"

pytestmark = [
    pytest.mark.slow,  # a whole platform, as an operator would set it up, in the first that asks
    pytest.mark.timeout(400),
]
needs_nginx = pytest.mark.skipif(bool(nginx.reason()), reason=nginx.reason())


def test_page_says_what_the_code_does() -> None:
    text = PAGE.read_text(encoding="utf-8")

    for name, rules in USERS.items():
        assert f"user {name} on >{name.upper()}-PASSWORD {rules}\n" in text


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with machine(tmp_path_factory.mktemp("install")) as (found, admin):
        carry_out(found, admin)
        yield found


def carry_out(box: Box, admin: str) -> None:
    """Do what the page says, in its order."""
    for block in blocks(PAGE, box.instead):
        if block.language == "sql":
            box.sql(block.text, admin)
        elif "aclfile" in block.text:
            box.start_valkey(block.text)
        elif block.file.endswith(".service"):
            box.start_unit(Path(block.file).stem, block.text)
        elif block.language == "nginx":
            box.start_nginx(block.text)
        elif block.file:
            box.write(block)
        elif block.language == "bash":
            until_it_works(box, block.text, PATIENCE_S if "curl" in block.text else 0)


class Person:
    """Somebody with a browser, at an address that is not the proxy's."""

    def __init__(self, box: Box) -> None:
        transport = httpx2.HTTPTransport(verify=box.authority.trust(), local_address="127.0.0.7")
        self.web = httpx2.Client(base_url=box.url, transport=transport, timeout=60)
        self.token = ""

    def form(self, path: str, **fields: str) -> httpx2.Response:
        page = self.web.get(path, follow_redirects=True)
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert found is not None, (page.status_code, page.text[:500])
        self.token = found[1]
        said = {"csrfmiddlewaretoken": self.token, **fields}
        return self.web.post(path, data=said, headers=self.origin)

    @property
    def origin(self) -> dict[str, str]:
        here = str(self.web.base_url).rstrip("/")
        return {"Origin": here, "Referer": f"{here}/"}


@pytest.fixture
def person(box: Box) -> Iterator[Person]:
    found = Person(box)
    with found.web:
        yield found


@needs_nginx
def test_person_registers_gets_a_key_and_an_answer(box: Box, person: Person) -> None:
    registered = person.form("/auth/register", email="ada@example.com", password1=WORD)
    code = re.search(r"^\s*([A-Z0-9]{3,}-[A-Z0-9]{3,})\s*$", box.post.text(), re.MULTILINE)
    assert code is not None, box.post.text()
    person.form(registered.headers["location"], code=code[1])
    started = person.form("/dashboard/new/", name="Ada's", slug="ada", starts="on")
    secret = re.search(r"xero_ada_\w{49}", started.text)
    project = re.search(r"/(proj_\w+)/chat/v1", started.text)
    assert secret is not None, (started.status_code, started.text[:2000])
    assert project is not None, started.text[:2000]
    caller = {"Authorization": f"Bearer {secret[0]}"}
    asked = {"model": "any", "messages": [{"role": "user", "content": "Where is the Louvre?"}]}
    answer = person.web.post(f"/{project[1]}/chat/v1/chat/completions", json=asked, headers=caller)

    assert answer.status_code == 200, (answer.text, box.last_words())
    assert answer.json()["choices"][0]["message"]["content"] == "Paris is."
    assert until_recorded(person, project[1], caller) == 10
    assert person.web.get("/metrics").status_code == 404


def until_recorded(person: Person, project: str, caller: dict[str, str]) -> int:
    """Wait until the consumer has booked the request; return its tokens."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        records = person.web.get(f"/{project}/v1/usage/records").json()["data"]
        if records:
            return int(records[0]["tokens_in"] + records[0]["tokens_out"])
        time.sleep(0.5)
    return 0


@needs_nginx
def test_test_mail_came_by_name_and_password_over_tls(box: Box) -> None:
    first = box.post.letters[0]

    assert first["to"] == "ops@example.com"
    assert first["from"] == "no-reply@example.com"
    assert box.post.was_encrypted[0]
