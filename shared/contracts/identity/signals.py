"""Security signals: what somebody tried and did not get."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import Length, OneOf

from shared.contracts.events import event
from shared.contracts.fields import public, subject
from shared.contracts.times import Moment
from shared.contracts.vocabulary import (
    ACCESS_REFUSALS,
    SIGN_IN_FAILURES,
    THROTTLE_SCOPES,
    TOKEN_MISUSES,
)


@event(version=1)
class SigninFailed:
    """Somebody did not get in; the network is a keyed hash, so that failures from one place can be counted."""

    signal_id: UUID = public(fields.UUID(required=True))
    account_id: UUID | None = subject(optional=True)
    reason: str = public(fields.String(required=True, validate=OneOf(SIGN_IN_FAILURES)))
    network: str = public(fields.String(required=True, validate=Length(equal=32)))
    failed_at: datetime = public(Moment(required=True))


@event(version=1)
class SigninThrottled:
    """Sign-in to an account, or from a network, is refused for a while after too many failures."""

    signal_id: UUID = public(fields.UUID(required=True))
    account_id: UUID | None = subject(optional=True)
    scope: str = public(fields.String(required=True, validate=OneOf(THROTTLE_SCOPES)))
    network: str = public(fields.String(required=True, validate=Length(equal=32)))
    until: datetime = public(Moment(required=True))


@event(version=1)
class AccessRefused:
    """A signed-in person tried what their session may not do."""

    signal_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    session_id: UUID = public(fields.UUID(required=True))
    kind: str = public(fields.String(required=True, validate=OneOf(ACCESS_REFUSALS)))
    operation: str = public(fields.String(required=True, validate=Length(1, 100)))
    refused_at: datetime = public(Moment(required=True))


@event(version=1)
class TokenMisused:
    """The token of a session that ended, or of a program that was shut out, was presented again."""

    signal_id: UUID = public(fields.UUID(required=True))
    account_id: UUID | None = subject(optional=True)
    kind: str = public(fields.String(required=True, validate=OneOf(TOKEN_MISUSES)))
    network: str = public(fields.String(required=True, validate=Length(equal=32)))
    misused_at: datetime = public(Moment(required=True))
