"""The first operator of an installation comes from the shell."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command

from accounts.models import User
from audit.models import AuditEntry

pytestmark = pytest.mark.django_db


def test_operator_is_made_with_a_password_shown_once_and_a_proven_address() -> None:
    said = StringIO()

    call_command("operator", "ops@example.com", stdout=said)

    person = User.objects.get(email="ops@example.com")
    password = re.search(r"Password:  (\S+)", said.getvalue())
    assert password is not None
    assert person.check_password(password[1])
    assert (person.is_staff, person.is_superuser) == (True, True)
    assert EmailAddress.objects.get(user=person).verified
    assert AuditEntry.objects.get(action="person.made_operator").object_id == str(person.pk)
    assert password[1] not in str(AuditEntry.objects.values())


@pytest.mark.parametrize(("address", "why"), [("ops", "no e-mail"), ("ADA@example.com", "console")])
def test_address_that_is_none_or_known_makes_no_operator(ada: User, address: str, why: str) -> None:
    with pytest.raises(CommandError, match=why):
        call_command("operator", address)

    assert not User.objects.filter(is_superuser=True).exists()
