"""The history of consents, as the log knows it: for compliance, and as receipts for the people themselves."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from gateway.routing import ANY_PERSON, COMPLIANCE, Route
from gateway.schemas import EXAMPLE_ID, EXAMPLE_INSTANT, Answer, Count, Cursor, Id, Instant, NextCursor, says
from shared.contracts.purposes import CONSENT_WORDINGS, REGISTER
from shared.contracts.vocabulary import (
    COOKIE_PURPOSES,
    EVERY_PURPOSE,
    LEGAL_BASES,
    NOTICE_CHANNELS,
    PURPOSES,
)

ASPECTS = ("consent", "objection", "preference", "restriction")
STATES = (
    *("granted", "refused", "withdrawn", "objected", "carried_over", "expired"),
    *("objection_withdrawn", "wanted", "not_wanted", "restricted", "unrestricted"),
)
RECEIPT_STATES = ("given", "refused", "withdrawn", "expired", "terminated")
REASONS = (
    *("never_asked", "refused", "withdrawn", "objected", "carried_over", "expired"),
    *("objection", "not_wanted", "restricted", "cites_another"),
)


def checkpoint() -> fields.Integer:
    return fields.Integer(metadata=says("Size of the checkpoint that the answer shows the log at.", 42))


def asked_purpose(**options: Any) -> fields.String:
    return fields.String(
        validate=OneOf((*PURPOSES, *COOKIE_PURPOSES.values())),
        metadata=says("What was asked for.", "product_news"),
        **options,
    )


def wording_version() -> fields.String:
    return fields.String(
        allow_none=True,
        metadata=says(
            "Version of the words that were answered, see `GET /v1/purposes`, or null.", CONSENT_WORDINGS[-1]
        ),
    )


class ConsentQuestionSchema(Schema):
    """Whose consents, at which moment, as known when."""

    subject = Id(required=True, metadata=says("The person.", EXAMPLE_ID))
    as_of = Instant(load_default=None, metadata=says("How things stood at this moment, or now.", EXAMPLE_INSTANT))
    known_at = Instant(load_default=None, metadata=says("As the log knew it at this moment, or now.", EXAMPLE_INSTANT))
    cursor = Cursor()
    limit = Count(1, 1000, load_default=200, metadata=says("At most this many entries of the history.", 200))


class RecordedConsentSchema(Answer):
    """How a person stood to a purpose in one aspect, and the record that shows it."""

    purpose = fields.String(
        validate=OneOf((*REGISTER, EVERY_PURPOSE)),
        metadata=says("What it is for; a restriction is of every purpose.", "product_news"),
    )
    aspect = fields.String(
        validate=OneOf(ASPECTS),
        metadata=says(
            "In which respect. None takes the place of another: an objection stands beside a consent.", "consent"
        ),
    )
    channel = fields.String(
        allow_none=True, validate=OneOf(NOTICE_CHANNELS), metadata=says("By which channel, or null for any.", None)
    )
    state = fields.String(
        validate=OneOf(STATES),
        metadata=says(
            "How it stood: `objected`, as a consent, by a signal of the browser, `carried_over` to an account, "
            "`expired` as its record announced.",
            "granted",
        ),
    )
    wording_version = wording_version()
    legal_basis = fields.String(
        allow_none=True, validate=OneOf(LEGAL_BASES), metadata=says("What it is a basis of, or null.", "consent")
    )
    effective_at = Instant(allow_none=True, metadata=says("Since when.", EXAMPLE_INSTANT))
    expires_at = Instant(allow_none=True, metadata=says("When it ends by itself, or null.", EXAMPLE_INSTANT))
    recorded_at = Instant(allow_none=True, metadata=says("When the log received it.", EXAMPLE_INSTANT))
    record_id = Id(allow_none=True, metadata=says("The record that shows it.", EXAMPLE_ID))


class ConsentChangeSchema(RecordedConsentSchema):
    """One entry of the history."""

    type = fields.String(metadata=says("What happened.", "okacrm.identity.consent_granted"))


class ConsentHistorySchema(Answer):
    """How a person's consents stood, and how they came to stand so."""

    subject = Id(metadata=says("The person.", EXAMPLE_ID))
    as_of = Instant(metadata=says("The moment asked about.", EXAMPLE_INSTANT))
    known_at = Instant(metadata=says("The state of knowledge asked about.", EXAMPLE_INSTANT))
    consents = fields.List(fields.Nested(RecordedConsentSchema))
    history = fields.List(
        fields.Nested(ConsentChangeSchema), metadata={"description": "In the order in which it took effect."}
    )
    checkpoint = checkpoint()
    next_cursor = NextCursor()


class ReceiptMetadataSchema(Answer):
    """The receipt itself."""

    schema_version = fields.String(metadata=says("What its structure follows.", "ISO/IEC TS 27560:2023"))
    receipt_id = Id(metadata=says("The receipt; the same for the same history.", EXAMPLE_ID))
    issued_at = Instant(metadata=says("When it was made out.", EXAMPLE_INSTANT))


class ConsentRecordMetadataSchema(Answer):
    """The consent record that the receipt is of."""

    schema_version = fields.String(metadata=says("What its structure follows.", "ISO/IEC TS 27560:2023"))
    record_id = Id(metadata=says("The record of the log that says how it stands.", EXAMPLE_ID))
    pii_principal_id = Id(metadata=says("The person.", EXAMPLE_ID))


class PrivacyNoticeSchema(Answer):
    """The words that were answered."""

    version = wording_version()
    text = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata=says("In the languages they were shown in.", {"en": "Okacrm may send me news about the product."}),
    )


class PiiInformationSchema(Answer):
    """What data it is about."""

    pii_type = fields.String(metadata=says("A category of personal data.", "communications"))


class PiiProcessingSchema(Answer):
    """The processing that was asked for."""

    privacy_notice = fields.Nested(PrivacyNoticeSchema)
    purpose = asked_purpose()
    purpose_title = fields.String(metadata=says("What it is.", "News about the product"))
    lawful_basis = fields.String(validate=OneOf(LEGAL_BASES), metadata=says("What it rests on.", "consent"))
    pii_information = fields.List(fields.Nested(PiiInformationSchema))
    pii_controllers = fields.List(fields.String(metadata=says("A `party_id`.", "okacrm")))
    recipient_third_parties = fields.List(fields.String(metadata=says("A kind of recipient.", "infrastructure_vendor")))
    collection_method = fields.String(metadata=says("Where the data is from.", "provided_by_pii_principal"))
    withdrawal_method = fields.String(metadata=says("How to end it.", "DELETE /v1/me/consents/product_news"))
    privacy_rights = fields.String(
        metadata=says("Where rights are explained.", "https://okacrm.net/privacy#your-rights-and-choices")
    )
    jurisdiction = fields.String(metadata=says("Under whose law.", "EU"))


class PartySchema(Answer):
    """Somebody who takes part in the processing."""

    party_id = fields.String(metadata=says("By which the receipt refers to it.", "okacrm"))
    party_name = fields.String(metadata=says("Its name.", "Okacrm"))
    party_role = fields.String(metadata=says("Its role.", "pii_controller"))
    party_url = fields.String(metadata=says("Where it is found.", "https://okacrm.net"))
    party_email = fields.String(metadata=says("Where to write to.", "info@okacrm.net"))


class ConsentEventSchema(Answer):
    """What was said at one time."""

    event_time = Instant(metadata=says("From when on it counts.", EXAMPLE_INSTANT))
    event_type = fields.String(
        validate=OneOf(("explicit", "notice_signal")),
        metadata=says("By an act of the person, or by a signal of their browser.", "explicit"),
    )
    event_state = fields.String(validate=OneOf(RECEIPT_STATES), metadata=says("How it stands after it.", "given"))
    valid_until = Instant(allow_none=True, metadata=says("When it ends by itself, or null.", EXAMPLE_INSTANT))
    entity_id = Id(metadata=says("Who said it.", EXAMPLE_ID))
    wording_version = wording_version()
    recorded_at = Instant(metadata=says("When the log received it.", EXAMPLE_INSTANT))
    record_id = Id(metadata=says("The record of the log that shows it.", EXAMPLE_ID))


class ReceiptSchema(Answer):
    """What a person was asked and said, in the terms of ISO/IEC TS 27560, with its proof."""

    receipt_metadata = fields.Nested(ReceiptMetadataSchema)
    record_metadata = fields.Nested(ConsentRecordMetadataSchema)
    state = fields.String(validate=OneOf(RECEIPT_STATES), metadata=says("How it stands now.", "given"))
    pii_processing = fields.Nested(PiiProcessingSchema)
    party_identification = fields.List(fields.Nested(PartySchema))
    events = fields.List(
        fields.Nested(ConsentEventSchema), metadata={"description": "The newest 50, in the order they took effect."}
    )
    checkpoint = checkpoint()
    evidence = fields.String(
        metadata=says(
            "An evidence bundle with the records of all these events, for `okacrm audit verify`.",
            '{"checkpoint":"…","consistency":null,"format":"okacrm-evidence/v1","records":[]}',
        )
    )


class ReceiptQuestionSchema(Schema):
    """Whose receipt, and for what."""

    subject = Id(required=True, metadata=says("The person.", EXAMPLE_ID))
    purpose = asked_purpose(required=True)


class ReportQuestionSchema(Schema):
    """Which period, and which part of the report."""

    since = Instant(load_default=None, metadata=says("Not before this moment.", EXAMPLE_INSTANT))
    until = Instant(load_default=None, metadata=says("Before this moment.", EXAMPLE_INSTANT))
    cursor = Cursor()
    limit = Count(1, 1000, load_default=500, metadata=says("Look at so many records of processing.", 500))


class ProcessingWithoutBasisSchema(Answer):
    """A record of processing that no consent in force bore."""

    record_id = Id(metadata=says("The record of the processing.", EXAMPLE_ID))
    type = fields.String(metadata=says("What happened.", "okacrm.identity.notice_sent"))
    subject = Id(metadata=says("Whose data it was.", EXAMPLE_ID))
    purpose = fields.String(validate=OneOf(tuple(REGISTER)), metadata=says("What it was for.", "product_news"))
    occurred_at = Instant(metadata=says("When it happened.", EXAMPLE_INSTANT))
    reason = fields.String(
        validate=OneOf(REASONS),
        metadata=says(
            "How consent stood, or what stood against it; `cites_another` where the record cites a consent that was "
            "not the one in force.",
            "withdrawn",
        ),
    )
    relied_on = Id(allow_none=True, metadata=says("The consent that the record cites, or null.", EXAMPLE_ID))
    last_said = Id(allow_none=True, metadata=says("The record of how consent stood then, or null.", EXAMPLE_ID))


class ReportSchema(Answer):
    """A part of the report. It may be empty and yet have a next one."""

    items = fields.List(fields.Nested(ProcessingWithoutBasisSchema))
    looked_at = fields.Integer(metadata=says("How many records of processing were judged for this page.", 500))
    checkpoint = checkpoint()
    next_cursor = NextCursor()


routes = [
    Route(
        "GET",
        "/v1/me/consents/{purpose}/receipt",
        guards=ANY_PERSON,
        calls="audit.read_own_receipt",
        summary="Get the receipt of a consent",
        description=(
            "What one was asked and said, also after it was withdrawn, with the proof that it is in the audit log. A "
            "consent is in the log, and has a receipt, a moment after it was given."
        ),
        tag="Consents",
        scope="consents:read",
        parameters={"purpose": asked_purpose(required=True)},
        answers=ReceiptSchema,
        problems=("not-yet-published",),
    ),
    Route(
        "GET",
        "/v1/audit/consents",
        guards=COMPLIANCE,
        calls="audit.list_consents",
        summary="Ask how a person's consents stood",
        description=(
            "`consents` says how things stood at `as_of`, as known at `known_at`; `history` is all known then. "
            "What is recorded later, however early it counts, changes neither."
        ),
        tag="Audit",
        scope="audit:read",
        query=ConsentQuestionSchema,
        answers=ConsentHistorySchema,
    ),
    Route(
        "GET",
        "/v1/audit/consent-receipts",
        guards=COMPLIANCE,
        calls="audit.read_receipt",
        summary="Get the receipt of somebody's consent",
        tag="Audit",
        scope="audit:read",
        query=ReceiptQuestionSchema,
        answers=ReceiptSchema,
        problems=("not-found", "not-yet-published"),
    ),
    Route(
        "GET",
        "/v1/audit/processing-without-basis",
        guards=COMPLIANCE,
        calls="audit.list_processing_without_basis",
        summary="Find processing that no consent bore",
        description=(
            "Judges every record of processing that needs a consent by what counted when it happened, as the log knew "
            "it then. On a sound platform there is none."
        ),
        tag="Audit",
        scope="audit:read",
        query=ReportQuestionSchema,
        answers=ReportSchema,
    ),
]
