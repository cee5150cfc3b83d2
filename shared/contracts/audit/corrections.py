"""Events of corrections: that a record of the log is wrong, which is itself a record."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import OneOf

from shared.contracts.events import event
from shared.contracts.fields import public, subject
from shared.contracts.times import Moment
from shared.contracts.vocabulary import CORRECTION_REASONS


@event(version=1)
class RecordCorrected:
    """An officer, the event's actor, states that a record is wrong, and which one says it right if there is one.

    It is about the people whom the record is about, who are two at most. The record itself stays as it is.
    """

    correction_id: UUID = public(fields.UUID(required=True))
    record_id: UUID = public(fields.UUID(required=True))
    reason: str = public(fields.String(required=True, validate=OneOf(CORRECTION_REASONS)))
    replaced_by: UUID | None = public(fields.UUID())
    subject_id: UUID | None = subject(optional=True)
    other_subject_id: UUID | None = subject(optional=True)
    corrected_at: datetime = public(Moment(required=True))
