"""Events of the audit service: who asked what of the log, and with which key it is signed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import Length, OneOf, Range

from shared.contracts.events import event
from shared.contracts.times import Moment
from shared.contracts.vocabulary import LOG_QUESTIONS
from shared.privacy.fields import public, subject


@event(version=1)
class QuestionAsked:
    """Somebody asked the log something; who asked is the event's actor.

    `query` is in the query language of the log, which has no place for a personal value, and `size` the number of
    leaves that the answer was taken from. Of `entries`, the indexes of the first and the last say which were read.
    """

    question_id: UUID = public(fields.UUID(required=True))
    question: str = public(fields.String(required=True, validate=OneOf(LOG_QUESTIONS)))
    subject_id: UUID | None = subject(optional=True)
    record_id: UUID | None = public(fields.UUID())
    query: str | None = public(fields.String(validate=Length(0, 8000)))
    first_entry: int | None = public(fields.Integer(strict=True, validate=Range(min=0)))
    last_entry: int | None = public(fields.Integer(strict=True, validate=Range(min=0)))
    size: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    asked_at: datetime = public(Moment(required=True))


@event(version=1)
class CheckpointKeyRotated:
    """A new key signs the checkpoints of the log. Both are verifier keys of C2SP signed-note, which are public.

    The old one signed no checkpoint larger than `signed_up_to`, and the first that the new one signs covers this event.
    """

    rotation_id: UUID = public(fields.UUID(required=True))
    old_key: str = public(fields.String(required=True, validate=Length(1, 500)))
    new_key: str = public(fields.String(required=True, validate=Length(1, 500)))
    signed_up_to: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    recorded_at: datetime = public(Moment(required=True))
