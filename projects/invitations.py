"""Asking people in: a seat kept for an e-mail address, until its holder proves to be it."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.urls import reverse

from accounts import letters
from accounts import selectors as accounts
from audit import services as audit
from common import clock, ids, tenancy
from common.actor import Actor
from common.batches import delete_all
from common.problems import TooOften
from projects import rules, selectors
from projects.errors import (
    AlreadyMember,
    InvitationPending,
    InvitationUnknown,
    RoleInsufficient,
)
from projects.models import Invitation, Membership
from projects.rules import Role

if TYPE_CHECKING:
    from accounts.models import User
    from projects.access import Seat

LASTS, KEPT = timedelta(days=7), timedelta(days=90)
TOKEN_LENGTH = 32
"""Base-62 characters: 190 bits. The token proves nothing but that the e-mail arrived."""


def invite(*, seat: Seat, email: str, role: Role) -> Invitation:
    """Keep a seat for an address for seven days, and write to it.

    Raises ``RoleInsufficient``, ``AlreadyMember``, ``InvitationPending``, or ``TooOften``
    when the project or the mailbox has had its letters.
    """
    email = email.strip().lower()
    if role == Role.OWNER or not rules.may_hand_out(seat.role, role):
        raise RoleInsufficient(f"As {seat.role} you can't invite an {role}.", param="role")
    if selectors.members_of(project=seat.project).filter(user__email=email).exists():
        raise AlreadyMember(f"{email} is a member already.", param="email")
    now = clock.now()
    token = ids.random_base62(TOKEN_LENGTH)
    try:
        with transaction.atomic():
            _close_expired(seat, email)
            invitation = Invitation.objects.create(
                project=seat.project,
                email=email,
                role=role,
                digest=digest_of(token),
                invited_by=seat.maker,
                invited_at=now,
                expires_at=now + LASTS,
            )
            _check_pace(seat, invitation, now)
            _note(invitation, seat.actor, "invitation.sent", {"email": email, "role": role})
            # Robust: an invitation whose e-mail failed stands in the list and can be sent anew.
            transaction.on_commit(partial(_write_to, invitation, token), robust=True)
    except IntegrityError as clash:
        raise InvitationPending(f"{email} has an open invitation.", param="email") from clash
    return invitation


def revoke_invitation(*, seat: Seat, invitation: Invitation) -> None:
    """Take an open invitation back; its e-mail opens nothing any more.

    Raises ``InvitationUnknown`` if it was accepted or revoked before.
    """
    with transaction.atomic():
        changed = _open(Invitation.objects.filter(project=seat.project, pk=invitation.pk))
        if not changed.update(revoked_at=clock.now()):
            raise InvitationUnknown("This invitation is not open any more.")
        _note(invitation, seat.actor, "invitation.revoked", {"email": invitation.email})


def withdraw(*, user: User, project_pk: int | None, heir: User | None, by: Actor) -> None:
    """Revoke what a person asked for: otherwise they could come back by a second address.

    An ``heir`` takes over none of it: they ask whom they want.
    """
    asked = _open(Invitation.objects.filter(invited_by=user)).select_related("project")
    if project_pk is not None:
        asked = asked.filter(project=project_pk)
    for invitation in asked:
        Invitation.objects.filter(pk=invitation.pk).update(revoked_at=clock.now())
        _note(invitation, by, "invitation.revoked", {"email": invitation.email})


def accept_invitation(*, user: User, token: str, by: Actor) -> Membership:
    """Take the seat an e-mail offered.

    Raises ``InvitationUnknown`` when the token is wrong or out of date, and just the same
    when the person has not verified the address it was sent to.
    """
    with transaction.atomic():
        found = Invitation.objects.select_for_update().filter(digest=digest_of(token)).first()
        if found is None or not _is_for(found, user):
            raise InvitationUnknown("This invitation is not open, or not for your address.")
        return _take_seat(found, user, by)


def join_invited(*, user: User, by: Actor) -> list[Membership]:
    """Seat somebody who has just registered wherever a seat is kept for their address.

    Who has a seat already is asked: they accept by the link in the e-mail.
    """
    if selectors.seats_of(user).exists():
        return []
    addresses = accounts.verified_addresses(user)
    with transaction.atomic():
        waiting = _open(Invitation.objects.filter(email__in=addresses)).select_for_update()
        return [_take_seat(found, user, by) for found in waiting if _is_for(found, user)]


def forget_closed() -> int:
    """Delete what was closed, or could have been accepted, long ago; the log keeps it."""
    return delete_all(Invitation.objects.filter(expires_at__lt=clock.now() - KEPT))


def digest_of(token: str) -> str:
    """Return the only form in which we keep a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _is_for(invitation: Invitation, user: User) -> bool:
    is_open = invitation.is_pending(clock.now()) and invitation.project.delete_after is None
    return is_open and invitation.email in accounts.verified_addresses(user)


def _take_seat(invitation: Invitation, user: User, by: Actor) -> Membership:
    Invitation.objects.filter(pk=invitation.pk).update(accepted_at=clock.now())
    seat, is_new = Membership.objects.get_or_create(
        project=invitation.project, user=user, defaults={"role": invitation.role}
    )
    if is_new:
        said = {"email": invitation.email, "role": seat.role, "member": seat.public_id}
        _note(invitation, by, "invitation.accepted", said)
    return seat


def _open(rows: QuerySet[Invitation]) -> QuerySet[Invitation]:
    return rows.filter(accepted_at=None, revoked_at=None)


def _close_expired(seat: Seat, email: str) -> None:
    now = clock.now()
    expired = Invitation.objects.filter(project=seat.project, email=email, expires_at__lte=now)
    _open(expired).update(revoked_at=now)


def _check_pace(seat: Seat, new: Invitation, now: datetime) -> None:
    """Keep invitations from becoming a mail relay. Raises ``TooOften``."""
    mailbox, maker = letters.mailbox_of(new.email), seat.maker
    # Two at once are counted one after the other; whom others invited is asked of all tenants.
    selectors.locked(seat.project)
    with tenancy.system():
        before = selectors.sent_since(now - rules.DAY, project=seat.project, mailbox=mailbox)
        sent = list(before.exclude(pk=new.pk))
    ours = [one for one in sent if one.project_id == seat.project.pk]
    theirs = [one for one in sent if letters.mailbox_of(one.email) == mailbox]
    by_us = [one for one in theirs if one in ours or (maker and one.invited_by_id == maker.pk)]
    wait = rules.wait_for_letter(
        now,
        project=[one.invited_at for one in ours],
        mailbox=[one.invited_at for one in theirs],
        again=[one.invited_at for one in by_us],
        limits=(settings.INVITATIONS_PER_DAY, settings.INVITED_PER_DAY),
    )
    if wait is not None:
        raise TooOften(wait.reason, wait=wait.time.total_seconds(), param="email")


def _write_to(invitation: Invitation, token: str) -> None:
    context = {
        "project": rules.name_in_letters(invitation.project.name, invitation.project.slug),
        "role": invitation.role,
        "inviter": invitation.invited_by.email if invitation.invited_by else "",
        "email": invitation.email,
        "url": settings.PUBLIC_URL + reverse("invitation", args=[token]),
        "days": LASTS.days,
    }
    # A line break in a project's name must not begin a header.
    subject = " ".join(render_to_string("projects/email/invitation_subject.txt", context).split())
    text = render_to_string("projects/email/invitation.txt", context)
    send_mail(subject, text, settings.DEFAULT_FROM_EMAIL, [invitation.email])


def _note(invitation: Invitation, by: Actor, action: str, after: dict[str, str]) -> None:
    audit.record(
        by=by,
        action=action,
        project=invitation.project.public_id,
        subject=("invitation", invitation.public_id),
        after=after,
    )
