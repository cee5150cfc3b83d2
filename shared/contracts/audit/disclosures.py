"""Events of recipients and disclosures: to whom personal data may go, and to whom whose went.

The log is read without any key, so nothing here is personal: a recipient is an organisation under its legal name, and
documents are named by references.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from marshmallow import ValidationError, fields
from marshmallow.validate import Length, OneOf, Range, Regexp

from shared.contracts.countries import COUNTRIES
from shared.contracts.events import event
from shared.contracts.fields import public, subject
from shared.contracts.times import Moment
from shared.contracts.visible import Unseen, must_be_seen
from shared.contracts.vocabulary import (
    CARRIED_FLOWS,
    DATA_CATEGORIES,
    DISCLOSURE_PURPOSES,
    ENTERED_RECIPIENT_KINDS,
    LEGAL_BASES,
    RECIPIENT_ROLES,
    TRANSFER_MECHANISMS,
)

LEGAL_NAME = r"[^\x00-/:-@\[-`{-\x9f][^\x00-\x1f!-%*:-@\[-`{-\x9f\u2028\u2029]{1,119}"
"""How an organisation is called: letters of any script, digits and `&'()+,-./`; no address and no line break.

It is written without `\\w`, which means other letters in the patterns of JSON Schema than here.
"""
DOCUMENT_REFERENCE = r"[A-Z0-9][A-Z0-9./-]{2,60}"
"""How a document is named: a file number, and no words."""


class DocumentReference(fields.String):
    """The number under which a document is filed."""

    def __init__(self, *, required: bool = False) -> None:
        super().__init__(
            required=required,
            validate=Regexp(f"(?:{DOCUMENT_REFERENCE})\\Z"),
            metadata={"example": "DPA-2026/017"},
        )


def _one_of(words: tuple[str, ...]) -> fields.String:
    return fields.String(required=True, validate=OneOf(words))


def _legal_name() -> fields.String:
    return fields.String(
        required=True,
        validate=[Regexp(f"(?:{LEGAL_NAME})\\Z"), _seen],
        metadata={"example": "Landgericht Köln"},
    )


def _seen(name: str) -> None:
    """What is on record for good is what everybody sees."""
    try:
        must_be_seen(name)
    except Unseen as reason:
        raise ValidationError(str(reason)) from None


def _country() -> fields.String:
    return fields.String(required=True, validate=OneOf(sorted(COUNTRIES)))


def _flows() -> fields.List[Any]:
    return fields.List(_one_of(CARRIED_FLOWS), required=True)


def _version() -> fields.Integer:
    return fields.Integer(required=True, strict=True, validate=Range(min=1))


@event(version=1)
class RecipientEntered:
    """An organisation may receive personal data from `valid_from` on: the first version of a recipient."""

    recipient_id: UUID = public(fields.UUID(required=True))
    recipient_version: int = public(_version())
    kind: str = public(_one_of(ENTERED_RECIPIENT_KINDS))
    legal_name: str = public(_legal_name())
    role: str = public(_one_of(RECIPIENT_ROLES))
    country: str = public(_country())
    transfer_mechanism: str = public(_one_of(TRANSFER_MECHANISMS))
    document_reference: str = public(DocumentReference(required=True))
    carries: list[str] = public(_flows())
    valid_from: datetime = public(Moment(required=True))
    valid_until: datetime | None = public(Moment())
    entered_at: datetime = public(Moment(required=True))


@event(version=1)
class RecipientRevised:
    """Something about a recipient is otherwise from `valid_from` on: its next version."""

    recipient_id: UUID = public(fields.UUID(required=True))
    recipient_version: int = public(_version())
    kind: str = public(_one_of(ENTERED_RECIPIENT_KINDS))
    legal_name: str = public(_legal_name())
    role: str = public(_one_of(RECIPIENT_ROLES))
    country: str = public(_country())
    transfer_mechanism: str = public(_one_of(TRANSFER_MECHANISMS))
    document_reference: str = public(DocumentReference(required=True))
    carries: list[str] = public(_flows())
    valid_from: datetime = public(Moment(required=True))
    valid_until: datetime | None = public(Moment())
    revised_at: datetime = public(Moment(required=True))


@event(version=1)
class RecipientEnded:
    """An organisation receives nothing any more."""

    recipient_id: UUID = public(fields.UUID(required=True))
    ended_at: datetime = public(Moment(required=True))


@event(version=1)
class DisclosureRecorded:
    """Data of a person was disclosed to a recipient, as somebody who decided it says.

    Kind, country and mechanism are those of the version of the recipient that was in force at `disclosed_at`. Events of
    one disclosure share its id. What is withheld is not shown to the person before `withheld_until`.
    """

    disclosure_id: UUID = public(fields.UUID(required=True))
    subject_id: UUID = subject()
    recipient_id: UUID = public(fields.UUID(required=True))
    recipient_version: int = public(_version())
    recipient_kind: str = public(_one_of(ENTERED_RECIPIENT_KINDS))
    country: str = public(_country())
    transfer_mechanism: str = public(_one_of(TRANSFER_MECHANISMS))
    categories: list[str] = public(fields.List(_one_of(DATA_CATEGORIES), required=True, validate=Length(min=1)))
    purpose: str = public(_one_of(DISCLOSURE_PURPOSES))
    legal_basis: str = public(_one_of(LEGAL_BASES))
    consent_record_id: UUID | None = public(fields.UUID())
    document_reference: str = public(DocumentReference(required=True))
    designated_by: UUID = subject()
    disclosed_at: datetime = public(Moment(required=True))
    withheld_until: datetime | None = public(Moment())
    withholding_reference: str | None = public(DocumentReference())
    recorded_at: datetime = public(Moment(required=True))
