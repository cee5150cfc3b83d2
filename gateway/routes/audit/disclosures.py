"""Disclosures: recorded and looked through by compliance, and shown to the person whose data was disclosed."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema
from marshmallow.validate import Length, OneOf

from gateway.routes.audit.recipients import (
    TAG,
    document_reference_field,
    legal_name_field,
    mechanism_field,
    recipient_id,
    recipient_kind_field,
    role_field,
)
from gateway.routes.audit.records import RecordCorrectionSchema
from gateway.routing import ANY_PERSON, COMPLIANCE, Route
from gateway.schemas import (
    EXAMPLE_ID,
    EXAMPLE_INSTANT,
    Answer,
    CommandAnswer,
    Count,
    Country,
    Cursor,
    Day,
    Id,
    Instant,
    NextCursor,
    says,
)
from shared.contracts.vocabulary import DATA_CATEGORIES, DISCLOSURE_PURPOSES, LEGAL_BASES, MOST_SUBJECTS_OF_DISCLOSURE


def categories_field(**options: Any) -> fields.List[Any]:
    return fields.List(
        fields.String(validate=OneOf(DATA_CATEGORIES), metadata=says("A category of data.", "identity")),
        validate=Length(1, len(DATA_CATEGORIES)),
        metadata={"description": "Which categories of data were disclosed."},
        **options,
    )


def disclosure_purpose_field(**options: Any) -> fields.String:
    return fields.String(
        validate=OneOf(DISCLOSURE_PURPOSES), metadata=says("What it was disclosed for.", "legal_demand"), **options
    )


def legal_basis_field(**options: Any) -> fields.String:
    return fields.String(
        validate=OneOf(LEGAL_BASES), metadata=says("What the disclosure rests on.", "legal_obligation"), **options
    )


class NewDisclosureSchema(Schema):
    """A disclosure that was made, and that the officer answers for."""

    recipient_id = recipient_id()
    subjects = fields.List(
        Id(metadata=says("A subject id.", EXAMPLE_ID)),
        required=True,
        validate=Length(1, MOST_SUBJECTS_OF_DISCLOSURE),
        metadata={"description": "The persons whose data it was."},
    )
    categories = categories_field(required=True)
    purpose = disclosure_purpose_field(required=True)
    legal_basis = legal_basis_field(required=True)
    consent_record_id = Id(
        load_default=None, metadata=says("With the basis `consent`: the record that shows it.", EXAMPLE_ID)
    )
    document_reference = document_reference_field("The document that demanded or accompanied it.", required=True)
    disclosed_at = Instant(load_default=None, metadata=says("When; without it, now.", EXAMPLE_INSTANT))
    withheld_until = Instant(
        load_default=None,
        metadata=says(
            "Until when the person must not be told of it; to authorities only.", "2027-05-24T00:00:00.000000Z"
        ),
    )
    withholding_reference = document_reference_field("The document that forbids to tell the person.", load_default=None)


class RecordedDisclosureSchema(CommandAnswer):
    """A disclosure that is on record."""

    disclosure_id = Id(metadata=says("The disclosure, which its records share.", EXAMPLE_ID))
    recorded = fields.Integer(metadata=says("How many persons it is about: one record each.", 1))


class ReachedRecipientSchema(Answer):
    """Whom a disclosure reached, in the version that was in force then."""

    recipient_id = Id(metadata=says("The recipient, or the client organisation.", EXAMPLE_ID))
    version = fields.Integer(
        allow_none=True, metadata=says("Version of the recipient; null for users of a client organisation.", 1)
    )
    kind = recipient_kind_field()
    legal_name = legal_name_field(allow_none=True)
    role = role_field(allow_none=True)
    country = Country(allow_none=True)
    transfer_mechanism = mechanism_field(allow_none=True)


class OwnDisclosureSchema(Answer):
    """That data of the asker was disclosed: what, to whom, where, what for and on which basis."""

    record_id = Id(metadata=says("The record that shows it.", EXAMPLE_ID))
    recipient = fields.Nested(ReachedRecipientSchema)
    categories = categories_field()
    purpose = disclosure_purpose_field()
    legal_basis = legal_basis_field()
    consent_record_id = Id(allow_none=True, metadata=says("The record of the consent it rests on.", EXAMPLE_ID))
    disclosed_at = Instant(metadata=says("When.", EXAMPLE_INSTANT))
    corrections = fields.List(
        fields.Nested(RecordCorrectionSchema), metadata={"description": "What was stated to be wrong with its record."}
    )


class DisclosureSchema(OwnDisclosureSchema):
    """A disclosure with all that is known of it."""

    subject = Id(metadata=says("The person whose data it was.", EXAMPLE_ID))
    document_reference = document_reference_field("The document that demanded or accompanied it.", allow_none=True)
    designated_by = Id(
        allow_none=True, metadata=says("Who answers for it; null for what the platform does by itself.", EXAMPLE_ID)
    )
    withheld_until = Instant(
        allow_none=True, metadata=says("Until when the person is not told of it, or null.", EXAMPLE_INSTANT)
    )
    withholding_reference = document_reference_field("The document that forbids to tell.", allow_none=True)
    recorded_at = Instant(metadata=says("When the log received it.", EXAMPLE_INSTANT))


class DisclosurePageQuestionSchema(Schema):
    """Which page of disclosures."""

    cursor = Cursor()
    limit = Count(1, 200, load_default=50, metadata=says("At most this many.", 50))


class DisclosureQuestionSchema(DisclosurePageQuestionSchema):
    """Whose data, to whom, when, and which page; without a condition, every disclosure."""

    subject = Id(load_default=None, metadata=says("The person whose data it was.", EXAMPLE_ID))
    recipient = Id(load_default=None, metadata=says("The recipient, or the client organisation.", EXAMPLE_ID))
    since = Instant(load_default=None, metadata=says("Disclosed at this moment or later.", EXAMPLE_INSTANT))
    until = Instant(load_default=None, metadata=says("Disclosed before this moment.", "2026-12-31T00:00:00.000000Z"))

    @validates_schema
    def begin_before_the_end(self, data: dict[str, Any], **more: Any) -> None:
        if data["since"] and data["until"] and data["since"] >= data["until"]:
            raise ValidationError("The period ends before it begins.", "until")


class DisclosurePageSchema(Answer):
    """Which part of the log a page is taken from, and where the next one begins."""

    checkpoint = fields.Integer(
        metadata=says("Size of the checkpoint that all pages show the log at; what came later is not in them.", 42)
    )
    next_cursor = NextCursor()


class DisclosuresSchema(DisclosurePageSchema):
    """A page of disclosures, the latest first."""

    items = fields.List(fields.Nested(DisclosureSchema))


class OwnDisclosuresSchema(DisclosurePageSchema):
    """A page of the disclosures of one's own data, the latest first."""

    items = fields.List(fields.Nested(OwnDisclosureSchema))


class DisclosureSummaryQuestionSchema(Schema):
    """From which day to which; both are counted in."""

    since = Day(load_default=None, metadata=says("The first day (UTC).", "2026-01-01"))
    until = Day(load_default=None, metadata=says("The last day (UTC).", "2026-12-31"))

    @validates_schema
    def begin_before_the_end(self, data: dict[str, Any], **more: Any) -> None:
        if data["since"] and data["until"] and data["since"] > data["until"]:
            raise ValidationError("The period ends before it begins.", "until")


class DisclosureSummaryLineSchema(Answer):
    """How many disclosures there were of one sort."""

    recipient_kind = recipient_kind_field()
    country = Country(allow_none=True)
    transfer_mechanism = mechanism_field(allow_none=True)
    disclosures = fields.Integer(metadata=says("How many, each about one person.", 7))


class DisclosureSummarySchema(Answer):
    """How many disclosures there were, by kind of recipient, country and transfer mechanism."""

    disclosures = fields.Integer(metadata=says("How many in all.", 7))
    items = fields.List(fields.Nested(DisclosureSummaryLineSchema))


routes = [
    Route(
        "POST",
        "/v1/audit/disclosures",
        guards=COMPLIANCE,
        calls="audit.record_disclosure",
        summary="Record a disclosure",
        description=(
            "For what people of the house decide. What the platform hands over by itself is recorded by itself. "
            "Nothing is edited afterwards: a mistake is corrected by another record."
        ),
        tag=TAG,
        body=NewDisclosureSchema,
        answers=RecordedDisclosureSchema,
        status=201,
        problems=(
            "not-found",
            "subject-unknown",
            "recipient-not-in-force",
            "disclosure-in-future",
            "consent-not-cited",
            "withholding-refused",
        ),
    ),
    Route(
        "GET",
        "/v1/audit/disclosures",
        guards=COMPLIANCE,
        calls="audit.list_disclosures",
        summary="List disclosures",
        tag=TAG,
        scope="audit:read",
        query=DisclosureQuestionSchema,
        answers=DisclosuresSchema,
    ),
    Route(
        "GET",
        "/v1/audit/disclosures/summary",
        guards=COMPLIANCE,
        calls="audit.summarise_disclosures",
        summary="Count disclosures by kind of recipient, country and mechanism",
        tag=TAG,
        scope="audit:read",
        query=DisclosureSummaryQuestionSchema,
        answers=DisclosureSummarySchema,
    ),
    Route(
        "GET",
        "/v1/me/disclosures",
        guards=ANY_PERSON,
        calls="audit.list_own_disclosures",
        summary="See to whom one's own data was disclosed",
        description=(
            "Names the actual recipients. Where an authority forbids by law to tell of a disclosure, it is here from "
            "the moment on at which it may be told."
        ),
        tag=TAG,
        query=DisclosurePageQuestionSchema,
        answers=OwnDisclosuresSchema,
    ),
]
