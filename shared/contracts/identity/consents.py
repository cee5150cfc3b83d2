"""Events of consents."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import OneOf

from shared.contracts.events import Data, event, upcast
from shared.contracts.fields import public, subject
from shared.contracts.purposes import CONSENT_WORDINGS, FIRST_CONSENT_WORDING
from shared.contracts.times import Moment
from shared.contracts.vocabulary import LEGAL_BASES, PURPOSES


@event(version=1)
class ConsentGrantedV1:
    """A person gave a consent. It did not say in answer to which words."""

    account_id: UUID = subject()
    purpose: str = public(fields.String(required=True, validate=OneOf(PURPOSES)))
    effective_at: datetime = public(Moment(required=True))


@event(version=2)
class ConsentGranted:
    """A person, having read this wording, gave a consent, which counts from `effective_at`."""

    account_id: UUID = subject()
    purpose: str = public(fields.String(required=True, validate=OneOf(PURPOSES)))
    wording_version: str = public(fields.String(required=True, validate=OneOf(CONSENT_WORDINGS)))
    legal_basis: str = public(fields.String(required=True, validate=OneOf(LEGAL_BASES)))
    effective_at: datetime = public(Moment(required=True))


@upcast(ConsentGranted, from_version=1)
def say_what_was_read(data: Data) -> Data:
    """While consents were recorded without their wording there was only the first one."""
    return {**data, "wording_version": FIRST_CONSENT_WORDING, "legal_basis": "consent"}


@event(version=1)
class ConsentWithdrawn:
    """A person took back a consent. Processing before `effective_at` stays lawful."""

    account_id: UUID = subject()
    purpose: str = public(fields.String(required=True, validate=OneOf(PURPOSES)))
    effective_at: datetime = public(Moment(required=True))
