"""Events of consents."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import OneOf

from shared.contracts.events import event
from shared.contracts.times import Moment
from shared.contracts.vocabulary import (
    PURPOSES,
)
from shared.privacy.fields import public, subject


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
