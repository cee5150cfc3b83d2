"""The register of recipients: to whom personal data may be disclosed, entered and revised by compliance."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf

from gateway.routing import COMPLIANCE, Route
from gateway.schemas import (
    EXAMPLE_ID,
    EXAMPLE_INSTANT,
    Answer,
    CommandAnswer,
    Count,
    Country,
    Cursor,
    Id,
    Instant,
    NextCursor,
    Text,
    says,
)
from shared.contracts.audit.disclosures import DOCUMENT_REFERENCE, LEGAL_NAME
from shared.contracts.vocabulary import (
    CARRIED_FLOWS,
    ENTERED_RECIPIENT_KINDS,
    RECIPIENT_KINDS,
    RECIPIENT_ROLES,
    TRANSFER_MECHANISMS,
)

TAG = "Disclosures"


def recipient_kind_field() -> fields.String:
    return fields.String(
        validate=OneOf(RECIPIENT_KINDS), metadata=says("One of the kinds that the privacy policy names.", "authority")
    )


def legal_name_field(**options: Any) -> Text:
    return Text(
        120,
        shortest=2,
        pattern=LEGAL_NAME,
        metadata=says("The organisation's legal name; an advisor goes by the name of the firm.", "Example Mail SAS"),
        **options,
    )


def role_field(**options: Any) -> fields.String:
    return fields.String(
        validate=OneOf(RECIPIENT_ROLES), metadata=says("What it is under data protection law.", "processor"), **options
    )


def mechanism_field(**options: Any) -> fields.String:
    return fields.String(
        validate=OneOf(TRANSFER_MECHANISMS),
        metadata=says(
            "What the transfer to its country rests on: none is needed within the EEA; `adequacy` takes a decision of "
            "the Commission; elsewhere standard contractual clauses, binding corporate rules or a derogation.",
            "none_needed",
        ),
        **options,
    )


def document_reference_field(description: str, **options: Any) -> Text:
    return Text(
        61,
        shortest=3,
        pattern=DOCUMENT_REFERENCE,
        metadata=says(f"{description} Capitals, digits, full stops, slashes and hyphens; no words.", "DPA-2026/017"),
        **options,
    )


def flows_field(**options: Any) -> fields.List[Any]:
    return fields.List(
        fields.String(validate=OneOf(CARRIED_FLOWS), metadata=says("A flow of the platform.", "mail")),
        validate=Length(0, len(CARRIED_FLOWS)),
        metadata={"description": "What it carries for the platform by itself; each such event is a disclosure to it."},
        **options,
    )


class RecipientParticularsSchema(Schema):
    """What is known of a recipient."""

    legal_name = legal_name_field(required=True)
    role = role_field(required=True)
    country = Country(required=True)
    transfer_mechanism = mechanism_field(required=True)
    document_reference = document_reference_field("The contract, safeguard or law it rests on.", required=True)
    carries = flows_field(load_default=[])
    valid_from = Instant(load_default=None, metadata=says("Since when this holds; without it, now.", EXAMPLE_INSTANT))
    valid_until = Instant(load_default=None, metadata=says("Until when, or null.", EXAMPLE_INSTANT))


class NewRecipientSchema(RecipientParticularsSchema):
    """An organisation that personal data may be disclosed to."""

    kind = fields.String(
        required=True,
        validate=OneOf(ENTERED_RECIPIENT_KINDS),
        metadata=says("One of the kinds that the privacy policy names; a buyer of data is none.", "authority"),
    )


class ChangedRecipientSchema(CommandAnswer):
    """A recipient after a change."""

    recipient_id = Id(metadata=says("The recipient.", EXAMPLE_ID))
    recipient_version = fields.Integer(metadata=says("Its newest version.", 1))


class RecipientVersionSchema(Answer):
    """One version of a recipient, and the record that shows it."""

    recipient_id = Id(metadata=says("The recipient.", EXAMPLE_ID))
    version = fields.Integer(metadata=says("Number of the version, from 1.", 1))
    kind = recipient_kind_field()
    legal_name = legal_name_field()
    role = role_field()
    country = Country()
    transfer_mechanism = mechanism_field()
    document_reference = document_reference_field("The contract, safeguard or law it rests on.")
    carries = flows_field()
    valid_from = Instant(metadata=says("Since when this holds.", EXAMPLE_INSTANT))
    valid_until = Instant(allow_none=True, metadata=says("Until when, or null.", EXAMPLE_INSTANT))
    recorded_at = Instant(metadata=says("When the log received it.", EXAMPLE_INSTANT))
    record_id = Id(metadata=says("The record that shows it.", EXAMPLE_ID))


class RecipientAtSchema(RecipientVersionSchema):
    """A recipient as it stood at a moment."""

    state = fields.String(
        validate=OneOf(("in_force", "expired", "ended")),
        metadata=says("Whether data could go to it at that moment.", "in_force"),
    )


class RecipientsQuestionSchema(Schema):
    """The register at which moment, and which page of it."""

    as_of = Instant(load_default=None, metadata=says("As the register stood at this moment, or now.", EXAMPLE_INSTANT))
    cursor = Cursor()
    limit = Count(1, 200, load_default=50, metadata=says("How many at most.", 50))


class RecipientsSchema(Answer):
    """A page of the register, in the order in which recipients were entered."""

    as_of = Instant(metadata=says("The moment asked about.", EXAMPLE_INSTANT))
    checkpoint = fields.Integer(metadata=says("Size of the checkpoint that shows all of it.", 42))
    items = fields.List(fields.Nested(RecipientAtSchema))
    next_cursor = NextCursor()


class RecipientSchema(Answer):
    """A recipient in all its versions, the first one first."""

    recipient_id = Id(metadata=says("The recipient.", EXAMPLE_ID))
    kind = recipient_kind_field()
    ended_at = Instant(allow_none=True, metadata=says("Since when it receives nothing any more.", EXAMPLE_INSTANT))
    checkpoint = fields.Integer(metadata=says("Size of the checkpoint that shows all of it.", 42))
    versions = fields.List(fields.Nested(RecipientVersionSchema))


class KindInUseSchema(Answer):
    """How often one kind of recipient occurs in all that is stored."""

    kind = fields.String(metadata=says("The kind, as it is stored.", "authority"))
    recipients = fields.Integer(metadata=says("How many recipients there are of it.", 2))
    disclosures = fields.Integer(metadata=says("How many disclosures there were to them.", 7))


class RecipientKindsSchema(Answer):
    """The kinds that the privacy policy names, beside those that occur."""

    named_by_policy = fields.List(recipient_kind_field())
    in_use = fields.List(fields.Nested(KindInUseSchema))


def recipient_id() -> Id:
    return Id(required=True, metadata=says("The recipient.", EXAMPLE_ID))


PARTICULARS_PROBLEMS = ("transfer-mechanism-refused", "carrier-refused", "validity-refused")

routes = [
    Route(
        "POST",
        "/v1/audit/recipients",
        guards=COMPLIANCE,
        calls="audit.enter_recipient",
        summary="Enter a recipient",
        description=(
            "An organisation under its legal name, never a person. Reads show it when the log has it, a second later."
        ),
        tag=TAG,
        body=NewRecipientSchema,
        answers=ChangedRecipientSchema,
        status=201,
        problems=("recipient-kind-refused", *PARTICULARS_PROBLEMS),
    ),
    Route(
        "GET",
        "/v1/audit/recipients",
        guards=COMPLIANCE,
        calls="audit.list_recipients",
        summary="List recipients",
        tag=TAG,
        scope="audit:read",
        query=RecipientsQuestionSchema,
        answers=RecipientsSchema,
    ),
    Route(
        "GET",
        "/v1/audit/recipients/{recipient_id}",
        guards=COMPLIANCE,
        calls="audit.read_recipient",
        summary="Read a recipient in all its versions",
        tag=TAG,
        scope="audit:read",
        parameters={"recipient_id": recipient_id()},
        answers=RecipientSchema,
    ),
    Route(
        "PUT",
        "/v1/audit/recipients/{recipient_id}",
        guards=COMPLIANCE,
        calls="audit.revise_recipient",
        summary="Revise a recipient",
        description="Makes the next version. The others stay, and disclosures go on naming the one they were made to.",
        tag=TAG,
        parameters={"recipient_id": recipient_id()},
        body=RecipientParticularsSchema,
        answers=ChangedRecipientSchema,
        problems=("recipient-ended", *PARTICULARS_PROBLEMS),
    ),
    Route(
        "DELETE",
        "/v1/audit/recipients/{recipient_id}",
        guards=COMPLIANCE,
        calls="audit.end_recipient",
        summary="End a recipient",
        description="From now on nothing is disclosed to it. What was disclosed before can still be recorded.",
        tag=TAG,
        parameters={"recipient_id": recipient_id()},
        answers=ChangedRecipientSchema,
        problems=("recipient-ended",),
    ),
    Route(
        "GET",
        "/v1/audit/recipient-kinds",
        guards=COMPLIANCE,
        calls="audit.list_recipient_kinds",
        summary="See of which kinds all recipients are",
        description=(
            "Counted over all that is stored, so that it shows that personal data is not sold: no kind of recipient "
            "occurs but those that the privacy policy names."
        ),
        tag=TAG,
        scope="audit:read",
        answers=RecipientKindsSchema,
    ),
]
