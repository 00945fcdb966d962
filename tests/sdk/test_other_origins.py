"""A page of another origin in a real Chromium reads an answer, if the project lists its origin."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import ARGUMENTS
from tests.platform import Platform
from tests.tools.browser import chromium, reason

pytestmark = [
    pytest.mark.sdk,
    # Only a real browser can fail these; `.ci/run` installs one, so CI never leaves them out.
    pytest.mark.skipif(chromium() is None, reason=reason()),
]

ASK = """async ([url, key, body]) => {
    const headers = {"Authorization": `Bearer ${key}`, "Content-Type": "application/json"};
    try {
        const answer = await fetch(url, {method: "POST", headers, body: JSON.stringify(body)});
        return [answer.status, answer.headers.get("x-request-id"), await answer.text()];
    } catch (fault) {
        return [0, "", String(fault)];
    }
}"""


class Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A page of somebody else</title>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def page_of(origin: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = browser.new_page()
        page.goto(origin)
        yield page
        browser.close()


def ask(platform: Platform, page: Page, *, key: str, stream: bool) -> tuple[int, str | None, str]:
    known = platform.quickstart
    url = f"{known['OPENAI_BASE_URL']}/chat/completions"
    messages = [{"role": "user", "content": "Say hi"}]
    body = {"model": "x", "max_tokens": 4, "stream": stream, "messages": messages}
    status, request_id, text = page.evaluate(ASK, [url, key, body])
    return status, request_id, text


def allow(platform: Platform, origins: list[str]) -> None:
    known = platform.quickstart
    url = f"{known['XEROTIER_URL']}/{known['XEROTIER_PROJECT']}/v1/management/project"
    headers = {
        "Authorization": f"Bearer {known['XEROTIER_MANAGEMENT_KEY']}",
        "Content-Type": "application/json",
        "If-Match": "*",
    }
    body = json.dumps({"origins": origins}).encode()
    asked = urllib.request.Request(url, body, headers, method="PATCH")  # noqa: S310 - loopback
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 - loopback
        assert answer.status == 200


def test_page_reads_answers_streams_and_errors_once_its_origin_is_listed(
    platform: Platform, elsewhere: str
) -> None:
    key = platform.quickstart["OPENAI_API_KEY"]
    with page_of(elsewhere) as page:
        refused = ask(platform, page, key=key, stream=False)
        allow(platform, [elsewhere])
        page.wait_for_timeout(1_000)  # A second is what the gateway may take to hear of it.
        plain, streamed, wrong = (
            ask(platform, page, key=key, stream=False),
            ask(platform, page, key=key, stream=True),
            ask(platform, page, key="xero_nobody", stream=False),
        )
        allow(platform, [])

    assert refused[0] == 0
    assert "Failed to fetch" in refused[2]
    assert (plain[0], plain[1] is not None) == (200, True)
    assert json.loads(plain[2])["choices"]
    assert (streamed[0], "data: [DONE]" in streamed[2]) == (200, True)
    assert (wrong[0], json.loads(wrong[2])["error"]["code"]) == (401, "invalid_api_key")
