"""Events of sessions, and of the tokens by which programs act."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import Length, OneOf

from shared.contracts.categories import Category
from shared.contracts.events import event
from shared.contracts.fields import Erased, personal, public, subject
from shared.contracts.times import Moment
from shared.contracts.vocabulary import (
    GUARDS,
    SESSION_ENDINGS,
    TOKEN_ENDINGS,
    TOKEN_SCOPES,
)


@event(version=1)
class SessionOpened:
    """A person signed in under one guard, from a device somewhere; a new device is one not seen before."""

    session_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    guard: str = public(fields.String(required=True, validate=OneOf(GUARDS)))
    expires_at: datetime = public(Moment(required=True))
    second_factor: bool | None = public(fields.Boolean())
    new_device: bool | None = public(fields.Boolean())
    ip_address: str | Erased | None = personal(fields.String(), Category.TECHNICAL, of="account_id")
    device: str | Erased | None = personal(fields.String(), Category.TECHNICAL, of="account_id")
    place: str | Erased | None = personal(fields.String(), Category.TECHNICAL, of="account_id")


@event(version=1)
class SessionSteppedUp:
    """Whoever uses a session showed again that they are the person, which opens what is sensitive for a while."""

    session_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    expires_at: datetime = public(Moment(required=True))


@event(version=1)
class SessionClosed:
    """A session ended and is refused from now on."""

    session_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    ending: str = public(fields.String(required=True, validate=OneOf(SESSION_ENDINGS)))
    closed_at: datetime = public(Moment(required=True))


@event(version=1)
class TokenIssued:
    """A person let a program act for them under one guard, within scopes and for a time."""

    token_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    guard: str = public(fields.String(required=True, validate=OneOf(GUARDS)))
    scopes: list[str] = public(fields.List(fields.String(validate=OneOf(TOKEN_SCOPES)), required=True))
    label: str | Erased = personal(
        fields.String(required=True, validate=Length(1, 100)), Category.IDENTITY, of="account_id"
    )
    expires_at: datetime = public(Moment(required=True))


@event(version=1)
class TokenExpiryNoticed:
    """A token by which a program acts for a person is about to expire, of which its person is reminded."""

    token_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    expires_at: datetime = public(Moment(required=True))
    noticed_at: datetime = public(Moment(required=True))


@event(version=1)
class TokenRevoked:
    """A program can no longer act for a person."""

    token_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    ending: str = public(fields.String(required=True, validate=OneOf(TOKEN_ENDINGS)))
    revoked_at: datetime = public(Moment(required=True))
