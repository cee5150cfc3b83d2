"""Events of notices: who was told what, who does not want to be, and what everybody is to be told."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import Length, OneOf, Regexp

from shared.contracts.categories import Category
from shared.contracts.events import event
from shared.contracts.fields import Erased, personal, public, subject
from shared.contracts.times import Moment
from shared.contracts.vocabulary import (
    ANNOUNCED_KINDS,
    LETTERS,
    LOCALES,
    NOTICE_CHANNELS,
    NOTICE_FAILURES,
    NOTICE_KINDS,
    OBJECTIONABLE_KINDS,
)


@event(version=1)
class NoticeSent:
    """A person was told of an event, which is `about`: a mail server took the letter for their address.

    `relied_on` is the event of the consent that the notice rests on, where its kind needs one.
    """

    notice_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    about: UUID = public(fields.UUID(required=True))
    kind: str = public(fields.String(required=True, validate=OneOf(NOTICE_KINDS)))
    letter: str = public(fields.String(required=True, validate=OneOf(LETTERS)))
    channel: str = public(fields.String(required=True, validate=OneOf(NOTICE_CHANNELS)))
    address: str | Erased = personal(fields.String(required=True), Category.COMMUNICATIONS, of="account_id")
    subject_line: str | Erased = personal(
        fields.String(required=True, validate=Length(1, 200)), Category.COMMUNICATIONS, of="account_id"
    )
    language: str | Erased = personal(
        fields.String(required=True, validate=OneOf(LOCALES)), Category.COMMUNICATIONS, of="account_id"
    )
    relied_on: UUID | None = public(fields.UUID())
    sent_at: datetime = public(Moment(required=True))


@event(version=1)
class NoticeFailed:
    """A person could not be told of an event: their mail server refused the letter, or put it off for too long."""

    notice_id: UUID = public(fields.UUID(required=True))
    account_id: UUID = subject()
    about: UUID = public(fields.UUID(required=True))
    kind: str = public(fields.String(required=True, validate=OneOf(NOTICE_KINDS)))
    letter: str = public(fields.String(required=True, validate=OneOf(LETTERS)))
    channel: str = public(fields.String(required=True, validate=OneOf(NOTICE_CHANNELS)))
    failure: str = public(fields.String(required=True, validate=OneOf(NOTICE_FAILURES)))
    address: str | Erased = personal(fields.String(required=True), Category.COMMUNICATIONS, of="account_id")
    subject_line: str | Erased = personal(
        fields.String(required=True, validate=Length(1, 200)), Category.COMMUNICATIONS, of="account_id"
    )
    language: str | Erased = personal(
        fields.String(required=True, validate=OneOf(LOCALES)), Category.COMMUNICATIONS, of="account_id"
    )
    failed_at: datetime = public(Moment(required=True))


@event(version=1)
class NoticePreferenceChanged:
    """A person wants, or no longer wants, notices of a kind by a channel."""

    account_id: UUID = subject()
    kind: str = public(fields.String(required=True, validate=OneOf(NOTICE_KINDS)))
    channel: str = public(fields.String(required=True, validate=OneOf(NOTICE_CHANNELS)))
    wanted: bool = public(fields.Boolean(required=True))
    changed_at: datetime = public(Moment(required=True))


@event(version=1)
class NoticeObjectionRaised:
    """A person objects to notices of a kind, whatever else they said or will say about them."""

    account_id: UUID = subject()
    kind: str = public(fields.String(required=True, validate=OneOf(OBJECTIONABLE_KINDS)))
    raised_at: datetime = public(Moment(required=True))


@event(version=1)
class NoticeObjectionWithdrawn:
    """A person no longer objects to notices of a kind."""

    account_id: UUID = subject()
    kind: str = public(fields.String(required=True, validate=OneOf(OBJECTIONABLE_KINDS)))
    withdrawn_at: datetime = public(Moment(required=True))


@event(version=1)
class AnnouncementWorded:
    """What an announcement says in one language. It is meant for everybody, and about nobody."""

    announcement_id: UUID = public(fields.UUID(required=True))
    language: str = public(fields.String(required=True, validate=OneOf(LOCALES)))
    subject_line: str = public(fields.String(required=True, validate=[Length(1, 200), Regexp(r"[^\x00-\x1f\x7f]*\Z")]))
    text: str = public(fields.String(required=True, validate=Length(1, 20_000)))


@event(version=1)
class AnnouncementPublished:
    """Everybody whom an announcement concerns is to be told of it, in the words that were recorded before."""

    announcement_id: UUID = public(fields.UUID(required=True))
    kind: str = public(fields.String(required=True, validate=OneOf(ANNOUNCED_KINDS)))
    published_at: datetime = public(Moment(required=True))
