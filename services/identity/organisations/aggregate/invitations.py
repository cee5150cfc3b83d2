"""The invitation: one person is asked, by mail and once, to join an organisation or to become a client of a workspace.

It is a boundary of its own: what an organisation must never be without, an owner, does not depend on who is invited.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.identity.accounts.aggregate import Account
from shared.contracts.events import Event
from shared.contracts.fields import Erased
from shared.contracts.identity import InvitationAccepted, InvitationEnded, InvitationInviteeErased, InvitationMade
from shared.contracts.mailboxes import same_mailbox
from shared.contracts.problems import Problem
from shared.contracts.roles import CLIENT_ORGANISATION, WORKSPACE
from shared.eventstore.aggregates import Aggregate, evolve

LIFETIME = timedelta(days=7)


@dataclass(frozen=True)
class Wanted:
    """To what somebody is invited: to join an organisation in a role, or to become a client, which has none."""

    purpose: str
    role: str | None = None

    @property
    def act(self) -> str:
        """What the role of whoever invites must permit."""
        return f"invite_{self.role}" if self.purpose == "join" else "invite_client"


@dataclass
class Invitation(Aggregate, stream="invitation"):
    """One invitation. It counts until it is accepted, ended or out of time, whichever comes first."""

    id: UUID
    organisation_id: UUID | None = None
    kind: str = ""
    purpose: str = ""
    role: str = ""
    invitee_id: UUID | None = None
    email: str | Erased = ""
    invited_by: UUID | None = None
    expires_at: datetime | None = None
    accepted_by: UUID | None = None
    ended: bool = False
    erased: bool = False

    @property
    def workspace(self) -> UUID | None:
        return self.organisation_id if self.kind == WORKSPACE else None

    @property
    def accepting_kind(self) -> str:
        """In which kind of organisation whoever accepts will act."""
        return self.kind if self.purpose == "join" else CLIENT_ORGANISATION

    def make(
        self,
        organisation_id: UUID,
        kind: str,
        wanted: Wanted,
        *,
        invitee_id: UUID,
        email: str,
        by: Account,
        now: datetime,
    ) -> Iterator[Event]:
        """Raises `Problem("email-not-verified")`: who writes to others through us can be written to."""
        if by.verified_at is None:
            raise Problem("email-not-verified")
        yield InvitationMade(
            invitation_id=self.id,
            organisation_id=organisation_id,
            kind=kind,
            purpose=wanted.purpose,
            role=wanted.role,
            invitee_id=invitee_id,
            email=email,
            invited_by=by.id,
            expires_at=now + LIFETIME,
        )

    def accept(self, account: Account, *, now: datetime) -> Iterator[Event]:
        """Accepts for the person with this account.

        Raises `Problem("link-invalid")` once the invitation counts no more, `not-signed-in` for an account that nobody
        can be signed in to, and `invitation-for-another` unless the address that was invited is that of the account.
        That it is the person's own is shown by the link, which was sent there.
        """
        if not self.counts(now):
            raise Problem("link-invalid")
        if account.registered_at is None or account.erased or account.deactivated:
            raise Problem("not-signed-in")
        if not same_mailbox(self.email, account.email):
            raise Problem("invitation-for-another")
        assert self.invitee_id is not None
        yield InvitationAccepted(
            invitation_id=self.id, invitee_id=self.invitee_id, account_id=account.id, accepted_at=now
        )

    def end(self, how: str, *, now: datetime) -> Iterator[Event]:
        """Makes the invitation worthless; one that was accepted or ended already stays as it is."""
        if self.invitee_id is not None and self.accepted_by is None and not self.ended:
            yield InvitationEnded(invitation_id=self.id, invitee_id=self.invitee_id, how=how, ended_at=now)

    def erase_invitee(self, *, now: datetime) -> Iterator[Event]:
        """Says that the keys of the invited person were destroyed; saying it again is no event."""
        if self.invitee_id is not None and not self.erased:
            yield InvitationInviteeErased(invitation_id=self.id, invitee_id=self.invitee_id, erased_at=now)

    def counts(self, now: datetime) -> bool:
        """Whether it can still be accepted."""
        if self.expires_at is None or self.accepted_by is not None or self.ended:
            return False
        return now < self.expires_at

    @evolve
    def _made(self, event: InvitationMade) -> None:
        self.organisation_id = event.organisation_id
        self.kind = event.kind
        self.purpose = event.purpose
        self.role = event.role or ""
        self.invitee_id = event.invitee_id
        self.email = event.email
        self.invited_by = event.invited_by
        self.expires_at = event.expires_at

    @evolve
    def _accepted(self, event: InvitationAccepted) -> None:
        self.accepted_by = event.account_id

    @evolve
    def _ended(self, event: InvitationEnded) -> None:
        self.ended = True

    @evolve
    def _invitee_erased(self, event: InvitationInviteeErased) -> None:
        self.ended = True
        self.erased = True
