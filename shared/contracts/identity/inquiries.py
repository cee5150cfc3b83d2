"""Events of inquiries: what people write in about, what they are answered, and what comes of it.

The person of an inquiry is an account, or a visitor with a subject id of their own. What is written is correspondence
and sealed as such; internal notes are events of another aggregate and no part of the thread.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf

from shared.contracts.categories import Category
from shared.contracts.events import event
from shared.contracts.fields import Erased, personal, public, subject
from shared.contracts.times import Moment
from shared.contracts.vocabulary import (
    INQUIRY_KINDS,
    INQUIRY_REOPENINGS,
    LONGEST_INQUIRY_TEXT,
    PRIVACY_REQUEST_TYPES,
    SPAM_SIGNS,
)


class Troubleshooting(Schema):
    """What helps to find a fault: these details and no others."""

    page = fields.String(validate=Length(1, 500))
    browser = fields.String(validate=Length(1, 200))
    app_version = fields.String(validate=Length(1, 50))
    request_id = fields.String(validate=Length(1, 64))
    happened_at = fields.String(validate=Length(1, 40))


@event(version=1)
class InquiryOpened:
    """Somebody wrote in. A visitor leaves an address, and is sent a link that opens the thread until `expires_at`."""

    inquiry_id: UUID = public(fields.UUID(required=True))
    person_id: UUID = subject()
    has_account: bool = public(fields.Boolean(required=True))
    kind: str = public(fields.String(required=True, validate=OneOf(INQUIRY_KINDS)))
    message_id: UUID = public(fields.UUID(required=True))
    text: str | Erased = personal(
        fields.String(required=True, validate=Length(1, LONGEST_INQUIRY_TEXT)), Category.COMMUNICATIONS, of="person_id"
    )
    email: str | Erased | None = personal(fields.Email(), Category.COMMUNICATIONS, of="person_id")
    name: str | Erased | None = personal(
        fields.String(validate=Length(1, 200)), Category.COMMUNICATIONS, of="person_id"
    )
    troubleshooting: dict[str, Any] | Erased | None = personal(
        fields.Nested(Troubleshooting), Category.COMMUNICATIONS, of="person_id"
    )
    request_id: UUID | None = public(fields.UUID())
    expires_at: datetime | None = public(Moment())
    opened_at: datetime = public(Moment(required=True))


@event(version=1)
class InquiryMessageReceived:
    """The person wrote once more."""

    inquiry_id: UUID = public(fields.UUID(required=True))
    person_id: UUID = subject()
    message_id: UUID = public(fields.UUID(required=True))
    text: str | Erased = personal(
        fields.String(required=True, validate=Length(1, LONGEST_INQUIRY_TEXT)), Category.COMMUNICATIONS, of="person_id"
    )
    received_at: datetime = public(Moment(required=True))


@event(version=1)
class InquiryAnswered:
    """Staff answered, and the answer is sent to `email`: to a visitor with a link in place of the one before."""

    inquiry_id: UUID = public(fields.UUID(required=True))
    person_id: UUID = subject()
    message_id: UUID = public(fields.UUID(required=True))
    answered_by: UUID = subject()
    text: str | Erased = personal(
        fields.String(required=True, validate=Length(1, LONGEST_INQUIRY_TEXT)), Category.COMMUNICATIONS, of="person_id"
    )
    email: str | Erased = personal(fields.Email(required=True), Category.COMMUNICATIONS, of="person_id")
    request_id: UUID | None = public(fields.UUID())
    expires_at: datetime | None = public(Moment())
    answered_at: datetime = public(Moment(required=True))


@event(version=1)
class InquiryLinkRenewed:
    """A visitor whose link ran out asked for another one, which is sent to the same address."""

    inquiry_id: UUID = public(fields.UUID(required=True))
    person_id: UUID = subject()
    email: str | Erased = personal(fields.Email(required=True), Category.COMMUNICATIONS, of="person_id")
    request_id: UUID = public(fields.UUID(required=True))
    expires_at: datetime = public(Moment(required=True))


@event(version=1)
class InquiryAssigned:
    """A member of staff deals with an inquiry from now on; without one, nobody in particular does."""

    inquiry_id: UUID = public(fields.UUID(required=True))
    person_id: UUID = subject()
    assigned_to: UUID | None = subject(optional=True)
    assigned_at: datetime = public(Moment(required=True))


@event(version=1)
class InquiryReclassified:
    """An inquiry turned out to be about something else, with which others may have to deal."""

    inquiry_id: UUID = public(fields.UUID(required=True))
    person_id: UUID = subject()
    kind: str = public(fields.String(required=True, validate=OneOf(INQUIRY_KINDS)))
    reclassified_at: datetime = public(Moment(required=True))


@event(version=1)
class InquiryClosed:
    """Nothing is left to be done about an inquiry."""

    inquiry_id: UUID = public(fields.UUID(required=True))
    person_id: UUID = subject()
    closed_at: datetime = public(Moment(required=True))


@event(version=1)
class InquiryReopened:
    """There is something left to be done after all: the person wrote once more, or staff think so."""

    inquiry_id: UUID = public(fields.UUID(required=True))
    person_id: UUID = subject()
    how: str = public(fields.String(required=True, validate=OneOf(INQUIRY_REOPENINGS)))
    reopened_at: datetime = public(Moment(required=True))


@event(version=1)
class InquiryHandedOver:
    """A privacy inquiry came in, or turned out to be one: a privacy request begins, and its time runs from here.

    With an account, the person was signed in; of a visitor nobody knows yet who they are. The type is what the person
    named, if they did.
    """

    inquiry_id: UUID = public(fields.UUID(required=True))
    person_id: UUID = subject()
    has_account: bool = public(fields.Boolean(required=True))
    request_type: str | None = public(fields.String(validate=OneOf(PRIVACY_REQUEST_TYPES)))
    handed_over_at: datetime = public(Moment(required=True))


@event(version=1)
class InquiryChildReported:
    """An inquiry says that data of a child is held; the account is that child's, once it is known which one it is."""

    inquiry_id: UUID = public(fields.UUID(required=True))
    person_id: UUID = subject()
    account_id: UUID | None = subject(optional=True)
    reported_at: datetime = public(Moment(required=True))


@event(version=1, erases="person_id")
class InquiryPersonErased:
    """The keys of the person of an inquiry were destroyed, of one category or, without one, as a whole.

    What was written can no longer be read; that there was an inquiry, and what was done about it, stays.
    """

    inquiry_id: UUID = public(fields.UUID(required=True))
    person_id: UUID = subject()
    category: str | None = public(fields.String(validate=OneOf([each.value for each in Category])))
    erased_at: datetime = public(Moment(required=True))


@event(version=1)
class InternalNoteAdded:
    """A member of staff noted something about an inquiry, for the house alone. It is about the person all the same."""

    note_id: UUID = public(fields.UUID(required=True))
    inquiry_id: UUID = public(fields.UUID(required=True))
    person_id: UUID = subject()
    written_by: UUID = subject()
    text: str | Erased = personal(
        fields.String(required=True, validate=Length(1, LONGEST_INQUIRY_TEXT)), Category.COMMUNICATIONS, of="person_id"
    )
    added_at: datetime = public(Moment(required=True))


@event(version=1)
class InquirySpamSuspected:
    """Something from a network looked like spam and was dropped; told once an hour for a network, without content."""

    signal_id: UUID = public(fields.UUID(required=True))
    sign: str = public(fields.String(required=True, validate=OneOf(SPAM_SIGNS)))
    network: str = public(fields.String(required=True, validate=Length(equal=32)))
    suspected_at: datetime = public(Moment(required=True))
