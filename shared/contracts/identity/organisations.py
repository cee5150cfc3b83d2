"""Events of organisations: workspaces of influencers and client organisations, their people, and who deals with whom.

A subscriber keeps its own picture of who has which role where from these alone. Events of a workspace carry its id in
the extension `workspace` as well.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import Length, OneOf

from shared.contracts.categories import Category
from shared.contracts.events import event
from shared.contracts.fields import Erased, personal, public, subject
from shared.contracts.roles import ORGANISATION_KINDS, ROLES
from shared.contracts.times import Moment
from shared.contracts.vocabulary import MEMBERSHIP_ENDINGS, ORGANISATION_ENDINGS, PARTINGS, SUCCESSIONS


@event(version=1)
class OrganisationFounded:
    """A person founded an organisation, and is its owner. They chose its name, which may well be their own."""

    organisation_id: UUID = public(fields.UUID(required=True))
    kind: str = public(fields.String(required=True, validate=OneOf(ORGANISATION_KINDS)))
    account_id: UUID = subject()
    name: str | Erased = personal(
        fields.String(required=True, validate=Length(1, 200)), Category.CONTENT, of="account_id"
    )
    founded_at: datetime = public(Moment(required=True))


@event(version=1)
class OrganisationRenamed:
    """An owner gave an organisation another name, which is theirs from then on."""

    organisation_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    name: str | Erased = personal(
        fields.String(required=True, validate=Length(1, 200)), Category.CONTENT, of="account_id"
    )
    renamed_at: datetime = public(Moment(required=True))


@event(version=1)
class OrganisationMemberJoined:
    """A person accepted an invitation and has a role in an organisation."""

    organisation_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    role: str = public(fields.String(required=True, validate=OneOf(ROLES)))
    invitation_id: UUID = public(fields.UUID(required=True))
    joined_at: datetime = public(Moment(required=True))


@event(version=1)
class OrganisationMemberRoleChanged:
    """A member has another role; `why` says so where nobody gave it to them: no other owner could act any more."""

    organisation_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    role: str = public(fields.String(required=True, validate=OneOf(ROLES)))
    why: str | None = public(fields.String(validate=OneOf(SUCCESSIONS)))
    changed_at: datetime = public(Moment(required=True))


@event(version=1)
class OrganisationOwnershipTransferred:
    """An owner made another member an owner in their own place, and is a manager from then on."""

    organisation_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    new_owner_id: UUID = subject()
    transferred_at: datetime = public(Moment(required=True))


@event(version=1)
class OrganisationMemberLeft:
    """A person is no member any more, whoever decided it."""

    organisation_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    how: str = public(fields.String(required=True, validate=OneOf(MEMBERSHIP_ENDINGS)))
    left_at: datetime = public(Moment(required=True))


@event(version=1)
class OrganisationClientGained:
    """A workspace deals with a client organisation, whose people accepted an invitation of the workspace."""

    organisation_id: UUID = public(fields.UUID(required=True))
    client_organisation_id: UUID = public(fields.UUID(required=True))
    invitation_id: UUID = public(fields.UUID(required=True))
    gained_at: datetime = public(Moment(required=True))


@event(version=1)
class OrganisationClientLost:
    """A workspace does not deal with a client organisation any more."""

    organisation_id: UUID = public(fields.UUID(required=True))
    client_organisation_id: UUID = public(fields.UUID(required=True))
    how: str = public(fields.String(required=True, validate=OneOf(PARTINGS)))
    lost_at: datetime = public(Moment(required=True))


@event(version=1)
class OrganisationClosed:
    """An organisation has no members and no clients any more, for ever."""

    organisation_id: UUID = public(fields.UUID(required=True))
    how: str = public(fields.String(required=True, validate=OneOf(ORGANISATION_ENDINGS)))
    closed_at: datetime = public(Moment(required=True))
