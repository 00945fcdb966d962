"""Refuse to start a production platform on settings that are only right for development.

All mistakes are listed at once, each with what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from xerotier_site import env, mail, reach

SHORT = 40
"""Characters under which a secret key is guessable."""
ACTIVE_PEPPERS, PEPPER_NAME, PEPPER_VALUE = 2, 16, 12


@register()
def settings_make_sense(app_configs: Any, **_options: Any) -> list[Error]:
    """List what the environment got wrong, and what may not be so in production."""
    malformed = [Error(mistake, id="xerotier.E000") for mistake in env.mistakes]
    if not settings.IS_PRODUCTION:
        return malformed
    return malformed + [
        Error(fault, hint=mend, id=f"xerotier.E{number:03}") for number, fault, mend in _faults()
    ]


def refuse_insecure() -> None:
    """Stop a start on bad settings with one list of everything that is wrong.

    Every long-running program calls this: a check that only ``manage.py`` runs would not
    keep a server from serving. Raises ``BadSettings``, which ends the process.
    """
    wrong = list(env.mistakes)
    if settings.IS_PRODUCTION:
        wrong += [f"{fault} {mend}" for _number, fault, mend in _faults()]
    if wrong:
        raise env.BadSettings(wrong)


@register()
def peppers_are_a_keyring(app_configs: Any, **_options: Any) -> list[Error]:
    """Refuse peppers that a key's digest could not name."""
    names = [pair.partition(":")[0] for pair in settings.PEPPERS]
    hint = "Give XEROTIER_PEPPERS as name:value, newest first; see manage.py pepper status."
    faults = []
    if not 1 <= len(names) <= ACTIVE_PEPPERS:
        faults.append(
            Error("One or two peppers are in force, never more.", hint, id="xerotier.E010")
        )
    if len(set(names)) != len(names):
        faults.append(Error("Two peppers have one name.", hint, id="xerotier.E011"))
    if any(not 1 <= len(name) <= PEPPER_NAME for name in names):
        faults.append(Error("A pepper's name has 1 to 16 characters.", hint, id="xerotier.E012"))
    if any(len(pair.partition(":")[2]) < PEPPER_VALUE for pair in settings.PEPPERS):
        faults.append(Error("A pepper's value is too short.", hint, id="xerotier.E013"))
    return faults


def _faults() -> Iterator[tuple[int, str, str]]:
    yield from _faults_in_secrets()
    yield from _faults_in_reach()


def _faults_in_secrets() -> Iterator[tuple[int, str, str]]:
    if settings.DEBUG:
        yield 1, "XEROTIER_DEBUG is on.", "Unset it: error pages would show settings and code."
    if "insecure" in settings.SECRET_KEY or len(settings.SECRET_KEY) < SHORT:
        yield 2, "XEROTIER_SECRET_KEY is the default or short.", "Set 50 random characters."
    if any("insecure" in pepper for pepper in settings.PEPPERS):
        yield 3, "XEROTIER_PEPPERS is the default.", "Set name:value with a random value."
    if not settings.KEYRING:
        yield 4, "XEROTIER_KEYRING is empty.", "Set a Fernet key: secrets at rest need it."


def _faults_in_reach() -> Iterator[tuple[int, str, str]]:
    if "*" in settings.ALLOWED_HOSTS:
        yield 5, "XEROTIER_HOSTS allows every host.", "List the names this platform answers to."
    if not settings.PUBLIC_URL.startswith("https://"):
        yield 6, "XEROTIER_URL is not https.", "Keys and sessions must travel encrypted."
    if not settings.REQUIRE_STAFF_2FA:
        yield 7, "XEROTIER_REQUIRE_STAFF_2FA is off.", "Unset it: operators see everything."
    for fault, mend in reach.faults_in_proxies(settings.TRUSTED_PROXIES):
        yield 8, fault, mend
    if not mail.is_sent():
        yield (
            9,
            "Mail goes to the terminal: nobody would get a code, a reset or an invitation.",
            "Set XEROTIER_SMTP_URL, as smtps://user:password@host:465.",
        )
    for fault, mend in reach.faults_in_metrics(settings.METRICS_ALLOW, settings.METRICS_TOKEN):
        yield 14, fault, mend
