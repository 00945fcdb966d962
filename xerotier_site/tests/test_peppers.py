"""A pepper can be changed without breaking a key, and goes only when no live key needs it."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.test import override_settings
from rest_framework.test import APIClient

from apikeys import secrets
from apikeys.models import KeySecret
from apikeys.services import revoke_key, rotate_key
from projects.models import Project
from tests.make import make_key
from xerotier_site.checks import peppers_are_a_keyring

OLD, NEW, NEXT = "old:an-older-pepper", "new:a-newer-pepper", "next:the-next-pepper"


def opens(project: Project, secret: str) -> bool:
    client = APIClient(headers={"authorization": f"Bearer {secret}"})
    return client.get(f"/{project.public_id}/v1/management/api-keys").status_code == 200


def status() -> tuple[int, list[str]]:
    out, code = StringIO(), 0
    try:
        call_command("pepper", "status", stdout=out)
    except SystemExit as end:
        code = int(str(end.code))
    return code, out.getvalue().splitlines()


def test_key_works_under_the_newest_pepper_and_the_one_before_and_no_further(
    acme: Project,
) -> None:
    with override_settings(PEPPERS=[OLD]):
        key = make_key(acme, scopes=("management",))
    found = []
    for ring in ([OLD], [NEW, OLD], [NEXT, NEW], [NEXT, NEW, OLD]):
        with override_settings(PEPPERS=ring):
            found.append(opens(acme, key.secret))

    assert found == [True, True, False, False]


def test_new_secrets_name_the_newest_pepper(acme: Project) -> None:
    with override_settings(PEPPERS=[OLD]):
        key = make_key(acme).key
    with override_settings(PEPPERS=[NEW, OLD]):
        rotate_key(key=key)

    assert [secret.pepper for secret in KeySecret.objects.all()] == ["new", "old"]


def test_status_lists_the_live_keys_that_need_the_older_pepper(acme: Project) -> None:
    with override_settings(PEPPERS=[OLD]):
        live = make_key(acme)
        revoke_key(key=make_key(acme).key)
    with override_settings(PEPPERS=[NEW, OLD]):
        make_key(acme)
        before = status()
        revoke_key(key=live.key)
        after = status()

    assert before == (
        0,
        [
            "new: newest, 1 live",
            "old: in force, 1 live; rotate these keys, then drop it",
            f"  acme  {live.key.public_id}  xero_acme_…{live.secret[-4:]}",
        ],
    )
    assert after == (0, ["new: newest, 1 live", "old: in force, 0 live; may be dropped"])


def test_status_fails_when_a_live_key_was_left_behind(acme: Project) -> None:
    with override_settings(PEPPERS=[OLD]):
        make_key(acme)

    with override_settings(PEPPERS=[NEXT, NEW]):
        code, lines = status()

    assert code == 1
    assert any("NOT IN FORCE" in line for line in lines)


@pytest.mark.parametrize(
    ("ring", "faults"),
    [
        pytest.param([NEW, OLD], [], id="two"),
        pytest.param([NEXT, NEW, OLD], ["xerotier.E010"], id="three"),
        pytest.param([], ["xerotier.E010"], id="none"),
        pytest.param([OLD, OLD], ["xerotier.E011"], id="one name twice"),
        pytest.param(["x" * 17 + ":long-enough-value"], ["xerotier.E012"], id="long name"),
        pytest.param(["a:short"], ["xerotier.E013"], id="short value"),
    ],
)
def test_ring_that_could_not_be_named_stops_the_start(ring: list[str], faults: list[str]) -> None:
    with override_settings(PEPPERS=ring):
        assert [fault.id for fault in peppers_are_a_keyring(None)] == faults


def test_pepper_is_shown_nowhere() -> None:
    with override_settings(PEPPERS=[NEW]):
        assert "a-newer-pepper" not in repr(secrets.peppers())
