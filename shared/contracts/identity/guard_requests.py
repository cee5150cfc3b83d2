"""Events of requests that somebody be of the house, which take a second person to approve."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import OneOf

from shared.contracts.events import event
from shared.contracts.fields import public, subject
from shared.contracts.times import Moment
from shared.contracts.vocabulary import STAFF_GUARDS


@event(version=1)
class GuardRequested:
    """Somebody of the house, or an operator, asked that a person may act for the house.

    Without `requested_by` it was an operator.
    """

    request_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    guard: str = public(fields.String(required=True, validate=OneOf(STAFF_GUARDS)))
    requested_by: UUID | None = subject(optional=True)
    expires_at: datetime = public(Moment(required=True))


@event(version=1)
class GuardRequestApproved:
    """A second person approved such a request; without `approved_by` it was an operator."""

    request_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    guard: str = public(fields.String(required=True, validate=OneOf(STAFF_GUARDS)))
    approved_by: UUID | None = subject(optional=True)
    approved_at: datetime = public(Moment(required=True))


@event(version=1)
class GuardRequestRefused:
    """Somebody of the house refused such a request, or whoever made it took it back.

    Without `refused_by` it was an operator.
    """

    request_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    guard: str = public(fields.String(required=True, validate=OneOf(STAFF_GUARDS)))
    refused_by: UUID | None = subject(optional=True)
    refused_at: datetime = public(Moment(required=True))
