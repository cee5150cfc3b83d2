"""Events of questions: who asked what of the log."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import Length, OneOf, Range

from shared.contracts.events import event
from shared.contracts.fields import public, subject
from shared.contracts.times import Moment
from shared.contracts.vocabulary import LOG_QUESTIONS


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
