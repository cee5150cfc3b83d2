"""Events of the identity service: accounts, sessions, consents and look-ups, and its own feed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import Length, OneOf, Range

from shared.contracts.events import event
from shared.contracts.times import Moment
from shared.contracts.vocabulary import GUARDS, POLICY_VERSIONS, PURPOSES, SESSION_ENDINGS
from shared.privacy.categories import Category
from shared.privacy.fields import Erased, personal, public, subject


@event(version=1)
class AccountRegistered:
    """A person has an account, stated to be of age, and accepted a version of the privacy policy."""

    account_id: UUID = subject()
    guard: str = public(fields.String(required=True, validate=OneOf(GUARDS)))
    email: str | Erased = personal(fields.Email(required=True), Category.IDENTITY, of="account_id")
    name: str | Erased = personal(
        fields.String(required=True, validate=Length(1, 200)), Category.IDENTITY, of="account_id"
    )
    time_zone: str | Erased = personal(fields.String(required=True), Category.IDENTITY, of="account_id")
    country: str | Erased = personal(
        fields.String(required=True, validate=Length(equal=2)), Category.IDENTITY, of="account_id"
    )
    age_stated: bool = public(fields.Boolean(required=True))
    policy_version: str = public(fields.String(required=True, validate=OneOf(POLICY_VERSIONS)))
    registered_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountProfileChanged:
    """A person corrected their profile; only what changed is present."""

    account_id: UUID = subject()
    name: str | Erased | None = personal(fields.String(validate=Length(1, 200)), Category.IDENTITY, of="account_id")
    time_zone: str | Erased | None = personal(fields.String(), Category.IDENTITY, of="account_id")
    country: str | Erased | None = personal(fields.String(validate=Length(equal=2)), Category.IDENTITY, of="account_id")
    changed_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountErased:
    """The keys of a person were destroyed; what was held about them under those keys can no longer be read."""

    account_id: UUID = subject()
    erased_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountDataErased:
    """The keys of one category of a person's data were destroyed; the person stays."""

    account_id: UUID = subject()
    category: str = public(fields.String(required=True, validate=OneOf([each.value for each in Category])))
    erased_at: datetime = public(Moment(required=True))


@event(version=1)
class ConsentGranted:
    """A person gave a consent, which counts from `effective_at`."""

    account_id: UUID = subject()
    purpose: str = public(fields.String(required=True, validate=OneOf(PURPOSES)))
    effective_at: datetime = public(Moment(required=True))


@event(version=1)
class ConsentWithdrawn:
    """A person took back a consent. Processing before `effective_at` stays lawful."""

    account_id: UUID = subject()
    purpose: str = public(fields.String(required=True, validate=OneOf(PURPOSES)))
    effective_at: datetime = public(Moment(required=True))


@event(version=1)
class SessionOpened:
    """A person signed in under one guard."""

    session_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    guard: str = public(fields.String(required=True, validate=OneOf(GUARDS)))
    expires_at: datetime = public(Moment(required=True))


@event(version=1)
class SessionClosed:
    """A session ended and is refused from now on."""

    session_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    ending: str = public(fields.String(required=True, validate=OneOf(SESSION_ENDINGS)))
    closed_at: datetime = public(Moment(required=True))


@event(version=1)
class SubjectLookedUp:
    """Compliance looked for a person by exact e-mail address; who looked is the event's actor."""

    lookup_id: UUID = public(fields.UUID(required=True))
    found: bool = public(fields.Boolean(required=True))
    account_id: UUID | None = subject(optional=True)
    looked_up_at: datetime = public(Moment(required=True))


@event(version=1)
class FeedEpochBegun:
    """The service was restored from an older copy: from here its feed goes on under a new epoch.

    What subscribers hold beyond `last_common_position` under an older epoch is no part of the feed any more.
    `lost_events` of it are gone from the service; `repeated_events` are not, and come again at other positions.
    """

    feed_id: UUID = public(fields.UUID(required=True))
    epoch: int = public(fields.Integer(required=True, strict=True, validate=Range(min=2)))
    last_common_position: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    last_common_event: UUID | None = public(fields.UUID())
    lost_events: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    repeated_events: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    begun_at: datetime = public(Moment(required=True))
