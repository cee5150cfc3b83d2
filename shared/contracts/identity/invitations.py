"""Events of invitations, by which people come into organisations."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import OneOf

from shared.contracts.categories import Category
from shared.contracts.events import event
from shared.contracts.fields import Erased, personal, public, subject
from shared.contracts.roles import INVITABLE_ROLES, ORGANISATION_KINDS
from shared.contracts.times import Moment
from shared.contracts.vocabulary import INVITATION_ENDINGS, INVITATION_PURPOSES


@event(version=1)
class InvitationMade:
    """Somebody was invited to join an organisation in a role, or to become a client of a workspace.

    `invitee_id` is the invited person, who may have no account: a subject of their own, made for this invitation.
    """

    invitation_id: UUID = public(fields.UUID(required=True))
    organisation_id: UUID = public(fields.UUID(required=True))
    kind: str = public(fields.String(required=True, validate=OneOf(ORGANISATION_KINDS)))
    purpose: str = public(fields.String(required=True, validate=OneOf(INVITATION_PURPOSES)))
    role: str | None = public(fields.String(validate=OneOf(INVITABLE_ROLES)))
    invitee_id: UUID = subject()
    email: str | Erased = personal(fields.Email(required=True), Category.IDENTITY, of="invitee_id")
    invited_by: UUID = subject()
    expires_at: datetime = public(Moment(required=True))


@event(version=1)
class InvitationAccepted:
    """The invited person accepted, signed in to an account with the invited address: both subjects are one person."""

    invitation_id: UUID = public(fields.UUID(required=True))
    invitee_id: UUID = subject()
    account_id: UUID = subject()
    accepted_at: datetime = public(Moment(required=True))


@event(version=1)
class InvitationEnded:
    """An invitation counts no more, before anybody accepted it."""

    invitation_id: UUID = public(fields.UUID(required=True))
    invitee_id: UUID = subject()
    how: str = public(fields.String(required=True, validate=OneOf(INVITATION_ENDINGS)))
    ended_at: datetime = public(Moment(required=True))


@event(version=1, erases="invitee_id")
class InvitationInviteeErased:
    """The keys of the invited person were destroyed; where they were invited can no longer be read."""

    invitation_id: UUID = public(fields.UUID(required=True))
    invitee_id: UUID = subject()
    erased_at: datetime = public(Moment(required=True))
