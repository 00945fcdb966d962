"""In production, behind nginx that ends TLS, everything works for clients who are not the proxy.

The clients call from addresses of their own (127.0.0.5 and on); the proxy is 127.0.0.1 and the
only one that is trusted. With client and proxy on one address, pages that go astray are not seen.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from inference.tests import certificates
from tests.mail.server import Post, post_office
from tests.platform import ROOT, Platform, new_home, start
from tests.tools import nginx
from xerotier_site.embedded.launch import free_port

ADA, REX = "127.0.0.5", "127.0.0.6"
PATIENCE_S = 60

pytestmark = [
    pytest.mark.skipif(bool(nginx.reason()), reason=nginx.reason()),
    pytest.mark.slow,  # a platform, and a second server of it in production settings
    pytest.mark.timeout(300),
]


@dataclass
class Site:
    """What callers see: one address with TLS."""

    url: str
    direct: str
    platform: Platform
    authority: certificates.Authority
    post: Post

    def client(self, address: str = ADA) -> httpx2.Client:
        """Return a browser or SDK that calls from an address of its own."""
        transport = httpx2.HTTPTransport(verify=self.authority.trust(), local_address=address)
        return httpx2.Client(base_url=self.url, transport=transport, timeout=30)

    def key(self, name: str) -> dict[str, str]:
        """Return the header of a key of the first run."""
        return {"Authorization": f"Bearer {self.platform.quickstart[name]}"}

    @property
    def management(self) -> str:
        return f"/{self.platform.quickstart['XEROTIER_PROJECT']}/v1/management"

    @property
    def models(self) -> str:
        known = self.platform.quickstart
        return f"/{known['XEROTIER_PROJECT']}/{known['XEROTIER_ENDPOINT']}/v1/models"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("tls")
    authority = certificates.authority(folder)
    authority.server("localhost")
    behind, port = free_port(), free_port()
    with new_home() as home:
        platform = start(home, with_models=False)
        with (
            post_office() as post,
            nginx.with_tls(port, behind, folder / "localhost.pem", folder),
        ):
            server = serve(platform, behind, port, post, folder / "server.log")
            found = Site(
                f"https://localhost:{port}", f"http://127.0.0.1:{behind}", platform, authority, post
            )
            try:
                wait_for(found, server, folder / "server.log")
                yield found
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(20)
                platform.stop()


def serve(
    platform: Platform, behind: int, port: int, post: Post, log: Path
) -> subprocess.Popen[bytes]:
    """Start a server in production settings on the platform's databases."""
    production = {
        "XEROTIER_ENV": "production",
        "XEROTIER_URL": f"https://localhost:{port}",
        "XEROTIER_HOSTS": "localhost",
        "XEROTIER_TRUSTED_PROXIES": "127.0.0.1/32",
        "XEROTIER_SMTP_URL": f"smtp://{post.host}:{post.port}?starttls=no",
    }
    command = [sys.executable, "-m", "xerotier_site.server", "--port", str(behind)]
    environment = {**platform.settings, **production}
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - ours
            command, cwd=ROOT, env=environment, stdout=output, stderr=output
        )


def wait_for(site: Site, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    with site.client() as client:
        while server.poll() is None and time.monotonic() < deadline:
            with suppress(httpx2.ConnectError):  # nginx, too, is still starting.
                if client.get("/readyz").status_code == 200:
                    return
            time.sleep(0.1)
    pytest.fail(f"The server did not become ready: {log.read_text()}")


def form(client: httpx2.Client, path: str, **fields: str) -> httpx2.Response:
    """Fill in a page's form as a browser would: with its token, from its own address."""
    page = client.get(path)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token is not None, (page.status_code, page.headers)
    said = {"csrfmiddlewaretoken": token[1], **fields}
    origin = str(client.base_url).rstrip("/")
    return client.post(path, data=said, headers={"Origin": origin, "Referer": f"{origin}{path}"})


def test_pages_are_pages_and_not_redirects_to_themselves(site: Site) -> None:
    with site.client() as client:
        found = {
            path: client.get(path)
            for path in ("/", "/auth/login", "/auth/register", "/docs/introduction/")
        }
        css, admin = client.get("/static/app.css"), client.get("/admin/")

    assert {path: page.status_code for path, page in found.items()} == dict.fromkeys(found, 200)
    assert css.status_code == 200
    assert (admin.status_code, admin.headers["location"][:12]) == (302, "/admin/login")
    assert "max-age" in found["/"].headers["strict-transport-security"]


def test_person_signs_in_and_is_known_by_a_cookie_for_this_host_only(site: Site) -> None:
    known = site.platform.quickstart
    with site.client() as client:
        signed_in = form(
            client,
            "/auth/login",
            login=known["XEROTIER_OPERATOR_EMAIL"],
            password=known["XEROTIER_OPERATOR_PASSWORD"],
        )
        dashboard = client.get("/dashboard/", follow_redirects=True)
        sessions = client.get("/auth/sessions/", follow_redirects=True)

    assert (signed_in.status_code, signed_in.headers["location"]) == (302, "/dashboard/")
    [cookie] = [c for c in signed_in.headers.get_list("set-cookie") if "sessionid" in c]
    assert cookie.startswith("__Host-sessionid=")
    assert {"Secure", "HttpOnly", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert dashboard.status_code == 200
    assert str(dashboard.url).startswith(f"{site.url}/dashboard/proj_")
    assert ADA in sessions.text


def test_person_registers(site: Site) -> None:
    with site.client() as client:
        said = form(
            client, "/auth/register", email="new@example.com", password1="a long pass phrase"
        )
        assert said.status_code == 302, said.text[:600]
        following = client.get(said.headers["location"])

    assert following.status_code == 200
    assert "code" in following.text
    assert site.post.recipients == ["new@example.com"]


def test_form_of_another_site_is_refused(site: Site) -> None:
    with site.client() as client:
        page = client.get("/auth/login")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token is not None
        said = client.post(
            "/auth/login",
            data={"csrfmiddlewaretoken": token[1], "login": "a@b.example", "password": "x"},
            headers={"Origin": "https://evil.example"},
        )

    assert said.status_code == 403


def test_management_api_and_inference_answer(site: Site) -> None:
    with site.client() as client:
        keys = client.get(
            f"{site.management}/api-keys", headers=site.key("XEROTIER_MANAGEMENT_KEY")
        )
        models = client.get(site.models, headers=site.key("OPENAI_API_KEY"))

    assert keys.status_code == 200
    assert models.status_code == 200


def test_address_rules_mean_the_client_and_not_the_proxy(site: Site) -> None:
    manager = site.key("XEROTIER_MANAGEMENT_KEY")
    scopes = ["inference", "management"]
    body = {"name": "here", "scopes": scopes, "ip_filter": {"allow": [ADA], "block": []}}
    with site.client() as ada, site.client(REX) as rex:
        made = ada.post(f"{site.management}/api-keys", json=body, headers=manager)
        key = {"Authorization": f"Bearer {made.json()['secret']}"}
        both = [client.get(site.models, headers=key).status_code for client in (ada, rex)]
        managing = [
            client.get(f"{site.management}/api-keys", headers=key).status_code
            for client in (ada, rex)
        ]
        lie = {"X-Forwarded-For": ADA, **key}
        lying = [rex.get(path, headers=lie).status_code for path in (site.models,)]

    assert made.status_code == 201, made.text
    assert both == [200, 403]
    assert managing == [200, 403]
    assert lying == [403]


def test_client_who_comes_past_the_proxy_forwards_nothing(site: Site) -> None:
    transport = httpx2.HTTPTransport(local_address=ADA)
    lie = {"Host": "localhost", "X-Forwarded-Proto": "https", "X-Forwarded-For": REX}
    with httpx2.Client(transport=transport) as client:
        page = client.get(f"{site.direct}/auth/login", headers=lie)

    assert (page.status_code, page.headers["location"][:17]) == (301, "https://localhost")


def test_audit_names_the_client(site: Site) -> None:
    manager = site.key("XEROTIER_MANAGEMENT_KEY")
    with site.client(REX) as rex:
        rex.post(
            f"{site.management}/api-keys",
            json={"name": "audited", "scopes": ["inference"]},
            headers=manager,
        )
        entries = rex.get(f"{site.management}/audit", headers=manager)

    assert entries.status_code == 200, entries.text
    assert REX in json.dumps(entries.json())


def test_metrics_are_not_shown_through_the_proxy(site: Site) -> None:
    with site.client() as client:
        through = client.get("/metrics")
        as_if = client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})
    beside = httpx2.get(f"{site.direct}/metrics")

    assert (through.status_code, as_if.status_code) == (403, 403)
    assert "xerotier_" not in through.text
    assert beside.status_code == 200
