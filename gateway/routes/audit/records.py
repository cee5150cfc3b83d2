"""The audit log: what compliance asks of it, and the proofs that anybody can ask for."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema
from marshmallow.validate import OneOf

from gateway.response import FOR_EVER, JSON, OCTETS, TEXT
from gateway.routing import COMPLIANCE, PUBLIC, Representation, Route
from gateway.schemas import (
    EXAMPLE_HASH,
    EXAMPLE_ID,
    EXAMPLE_INSTANT,
    Address,
    Answer,
    Count,
    Cursor,
    Id,
    Instant,
    NextCursor,
    Numeral,
    Text,
    TileIndex,
    says,
    username_field,
)
from shared.contracts.vocabulary import CORRECTION_REASONS

CHECKPOINT = f"""okacrm.net/audit
42
{EXAMPLE_HASH}

— okacrm.net/audit Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""
TLOG_PROOF = f"""c2sp.org/tlog-proof@v1
index 41
{EXAMPLE_HASH}

{CHECKPOINT}"""
EVIDENCE = '{"checkpoint":"okacrm.net/audit\\n42\\n…","consistency":null,"format":"okacrm-evidence/v1","records":[]}'
LOG_KEY = "okacrm.net/audit+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n"


class LookupSchema(Schema):
    """The address or the username of the person who is looked for."""

    email = Address(metadata=says("Exactly as registered; case does not matter.", "ada@example.org"))
    username = username_field(load_default=None)

    @validates_schema
    def give_one(self, data: dict[str, Any], **more: Any) -> None:
        if (data.get("email") is None) == (data.get("username") is None):
            raise ValidationError("Give either the address or the username.")


class LookupAnswerSchema(Answer):
    """Who was found. The look-up itself is on record."""

    lookup_id = Id(metadata=says("The look-up, as the audit log knows it.", EXAMPLE_ID))
    found = fields.Boolean(metadata=says("Whether there is such a person.", True))
    subject = Id(allow_none=True, metadata=says("The person's subject id, or null.", EXAMPLE_ID))


class SealedSchema(Answer):
    """A personal value in a record: that it is there, what it is and whose, but not the value."""

    field = fields.String(metadata=says("Name of the field.", "email"))
    category = fields.String(metadata=says("Category of data.", "identity"))
    subject = Id(metadata=says("Whose value it is.", EXAMPLE_ID))
    key = fields.String(metadata=says("The key it is sealed with.", EXAMPLE_ID))
    sha256 = fields.String(metadata=says("Hash of the sealed bytes.", EXAMPLE_HASH))


class RecordCorrectionSchema(Answer):
    """That a record was stated to be wrong."""

    record_id = Id(metadata=says("The record of the statement.", EXAMPLE_ID))
    reason = fields.String(validate=OneOf(CORRECTION_REASONS), metadata=says("What is wrong.", "entered_twice"))
    replaced_by = Id(allow_none=True, metadata=says("The record that says it right, or null.", EXAMPLE_ID))
    recorded_at = Instant(metadata=says("When the log received the statement.", EXAMPLE_INSTANT))


class RecordSchema(Answer):
    """One event as the log holds it."""

    id = Id(metadata=says("The record, which is also the event's id.", EXAMPLE_ID))
    position = fields.Integer(metadata=says("Index of its leaf in the log, from 0.", 41))
    state = fields.String(
        validate=OneOf(("sequenced", "published")),
        metadata=says("`published` once a signed checkpoint covers it.", "published"),
    )
    publisher = fields.String(metadata=says("The service that published it.", "identity"))
    epoch = fields.Integer(metadata=says("Epoch of the publisher's feed.", 1))
    feed_position = fields.Integer(metadata=says("Position in the publisher's feed, from 1.", 17))
    workspace = Id(allow_none=True, metadata=says("The tenant it belongs to, or null.", EXAMPLE_ID))
    workspace_counter = fields.Integer(allow_none=True, metadata=says("Its number within the workspace.", 3))
    stream = fields.String(metadata=says("The stream it belongs to.", f"account-{EXAMPLE_ID}"))
    stream_version = fields.Integer(metadata=says("Its number within the stream.", 1))
    type = fields.String(metadata=says("What happened.", "okacrm.identity.consent_granted"))
    schema_version = fields.Integer(metadata=says("Version of the event's schema.", 1))
    actor = fields.String(metadata=says("Who did it.", f"influencer:{EXAMPLE_ID}"))
    subjects = fields.List(
        Id(metadata=says("A subject id.", EXAMPLE_ID)), metadata={"description": "The persons it is about."}
    )
    correlation = fields.String(metadata=says("The request it came from.", EXAMPLE_ID))
    causation = fields.String(allow_none=True, metadata=says("The command or event it came of, or null.", EXAMPLE_ID))
    occurred_at = Instant(metadata=says("When it happened.", EXAMPLE_INSTANT))
    received_at = Instant(metadata=says("When the log received it.", EXAMPLE_INSTANT))
    data = fields.Dict(
        keys=fields.String(), metadata=says("The event without its personal values.", {"purpose": "product_news"})
    )
    sealed = fields.List(fields.Nested(SealedSchema), metadata={"description": "The personal values it holds, sealed."})
    corrections = fields.List(
        fields.Nested(RecordCorrectionSchema), metadata={"description": "What was stated to be wrong with it."}
    )


class RecordPageSchema(Answer):
    """A page of records, newest first or as the cursor goes on."""

    items = fields.List(fields.Nested(RecordSchema))
    checkpoint = fields.Integer(
        metadata=says("Size of the checkpoint that all pages show the log at; what came later is not in them.", 42)
    )
    next_cursor = NextCursor(
        "A page may hold few records, or none, and yet have a next one, where a query is hard to answer."
    )


class RecordWithLeafSchema(RecordSchema):
    """A record with the very bytes that the log's tree is made of."""

    leaf = fields.String(metadata=says("The leaf, base64.", "eyJ0eXBlIjoi4oCmIn0="))
    leaf_hash = fields.String(metadata=says("RFC 6962 hash of the leaf, base64.", EXAMPLE_HASH))


class RecordQuestionSchema(Schema):
    """Which records, in the query language of the log."""

    q = Text(
        2000,
        load_default=None,
        metadata=says(
            "Terms that all have to hold, of the form `qualifier:value`, with `-` before those that must not. Several "
            "values, with commas between, are alternatives; a value may stand in quotes. The qualifiers are `actor`, "
            "`subject`, `type`, `publisher`, `workspace`, `category`, `recipient` and `occurred`, which takes a day, a "
            "moment or a period such as `2026-01-01..2026-03-31`. Without it, every record.",
            f"type:identity.consent_granted subject:{EXAMPLE_ID} -actor:staff",
        ),
    )


class RecordPageQuestionSchema(RecordQuestionSchema):
    """Which records, and which page of them."""

    cursor = Cursor()
    limit = Count(1, 200, load_default=50, metadata=says("At most this many.", 50))


def counts(what: str, example: str) -> fields.Dict:
    return fields.Dict(
        keys=fields.String(), values=fields.Integer(), metadata=says(f"Records by {what}.", {example: 7})
    )


class FacetsSchema(Answer):
    """How many records there are of what was asked for."""

    records = fields.Integer(metadata=says("Records in all.", 7))
    by_type = counts("type", "okacrm.identity.consent_granted")
    by_publisher = counts("publisher", "identity")
    by_day = counts("day (UTC)", "2026-11-01")
    complete = fields.Boolean(
        metadata=says("False where only the newest were counted, because counting all would take too long.", True)
    )


class EpochSchema(Answer):
    """How complete the log is for one epoch of a publisher's feed. A new one begins when a publisher was restored."""

    epoch = fields.Integer(metadata=says("The epoch.", 1))
    audited_from = fields.Integer(metadata=says("First feed position of this epoch.", 1))
    audited_to = fields.Integer(metadata=says("Last feed position of this epoch in the log.", 17))
    records = fields.Integer(metadata=says("How many records the log has of this epoch.", 17))
    contiguous = fields.Boolean(metadata=says("Whether no position between first and last is missing.", True))
    goes_on_after = fields.Integer(
        allow_none=True,
        metadata=says("Position behind which the next epoch begins: records beyond it are lost at the publisher.", 12),
    )


class PublisherSchema(Answer):
    """How complete the log is for one publisher."""

    publisher = fields.String(metadata=says("The service.", "identity"))
    epoch = fields.Integer(allow_none=True, metadata=says("Epoch of its feed in which the log stands.", 1))
    audited_from = fields.Integer(allow_none=True, metadata=says("First feed position in the log.", 1))
    audited_to = fields.Integer(allow_none=True, metadata=says("Feed position up to which the log has come.", 17))
    head = fields.Integer(allow_none=True, metadata=says("Last position the publisher states to have.", 17))
    lag = fields.Integer(allow_none=True, metadata=says("How many are on their way.", 0))
    contiguous = fields.Boolean(metadata=says("Whether no position of any epoch is missing up to there.", True))
    head_stated_at = Instant(allow_none=True, metadata=says("When the publisher stated its head.", EXAMPLE_INSTANT))
    state = fields.String(metadata=says("Whether the log follows this publisher.", "following"))
    missing_values = fields.Integer(
        metadata=says("How many sealed values a restored log has not fetched again, or cannot.", 0)
    )
    epochs = fields.List(fields.Nested(EpochSchema))


class CompletenessSchema(Answer):
    """How complete the log is."""

    publishers = fields.List(fields.Nested(PublisherSchema))


class ConsistencyQuestionSchema(Schema):
    """Two sizes of the log."""

    from_size = Count(1, required=True, data_key="from", metadata=says("The older tree size.", 17))
    to_size = Count(1, required=True, data_key="to", metadata=says("The newer tree size.", 42))


class ConsistencySchema(Answer):
    """Hashes that show that the newer tree extends the older one (RFC 6962)."""

    from_ = fields.Integer(data_key="from", metadata=says("The older tree size.", 17))
    to = fields.Integer(metadata=says("The newer tree size.", 42))
    hashes = fields.List(fields.String(metadata=says("A hash, base64.", EXAMPLE_HASH)))


def tile_level() -> Numeral:
    return Numeral(
        0, 63, required=True, metadata=says("Level of the tile: 0 holds leaf hashes, each above roots of tiles.", 0)
    )


def tile_index() -> TileIndex:
    return TileIndex(
        required=True,
        metadata=says(
            "Index of the tile within its level, as path segments of three digits, all but the last with an `x` before "
            "them: 1234067 is `x001/x234/067`. The slashes are sent as they are.",
            "x001/x234/067",
        ),
    )


def record_id() -> Id:
    return Id(required=True, metadata=says("Id of the record.", EXAMPLE_ID))


routes = [
    Route(
        "POST",
        "/v1/audit/subject-lookups",
        guards=COMPLIANCE,
        calls="identity.look_up_subject",
        summary="Find a person by e-mail address or username",
        description="Answers with the person's subject id. Who looked for whom, and when, is itself recorded.",
        tag="Audit",
        body=LookupSchema,
        answers=LookupAnswerSchema,
        status=201,
    ),
    Route(
        "GET",
        "/v1/audit/records",
        guards=COMPLIANCE,
        calls="audit.list_records",
        summary="List records",
        tag="Audit",
        scope="audit:read",
        query=RecordPageQuestionSchema,
        answers=RecordPageSchema,
    ),
    Route(
        "GET",
        "/v1/audit/facets",
        guards=COMPLIANCE,
        calls="audit.count_records",
        summary="Count records by type, publisher and day",
        tag="Audit",
        scope="audit:read",
        query=RecordQuestionSchema,
        answers=FacetsSchema,
    ),
    Route(
        "GET",
        "/v1/audit/records/{record_id}",
        guards=COMPLIANCE,
        calls="audit.read_record",
        summary="Read a record",
        tag="Audit",
        scope="audit:read",
        parameters={"record_id": record_id()},
        answers=RecordWithLeafSchema,
    ),
    Route(
        "GET",
        "/v1/audit/records/{record_id}/proof",
        guards=COMPLIANCE,
        calls="audit.prove_record",
        summary="Prove that a record is in the log",
        description=(
            "As `text/plain` a C2SP tlog-proof; as `application/json` an evidence bundle for `okacrm audit verify`, "
            "whose bytes must be kept as they are."
        ),
        tag="Audit",
        scope="audit:read",
        parameters={"record_id": record_id()},
        representations=(
            Representation(TEXT, member="tlog_proof", example=TLOG_PROOF),
            Representation(JSON, member="evidence", example=EVIDENCE),
        ),
        problems=("not-yet-published",),
    ),
    Route(
        "GET",
        "/v1/audit/completeness",
        guards=COMPLIANCE,
        calls="audit.completeness",
        summary="See how complete the log is",
        tag="Audit",
        scope="audit:read",
        answers=CompletenessSchema,
    ),
    Route(
        "GET",
        "/v1/audit/log/checkpoint",
        guards=PUBLIC,
        calls="audit.read_checkpoint",
        summary="Read the latest checkpoint",
        description="A signed note in the format C2SP tlog-checkpoint.",
        tag="Log",
        representations=(Representation(TEXT, member="note", example=CHECKPOINT),),
        cache="public, max-age=1",
        problems=("not-yet-published",),
    ),
    Route(
        "GET",
        "/v1/audit/log/key",
        guards=PUBLIC,
        calls="audit.read_log_key",
        summary="Read the log's public key",
        description=(
            "The C2SP verifier key that signs now. Compare it with a copy from another source before trusting it."
        ),
        tag="Log",
        representations=(Representation(TEXT, member="key", example=LOG_KEY),),
        cache="public, max-age=60",
    ),
    Route(
        "GET",
        "/v1/audit/log/consistency",
        guards=PUBLIC,
        calls="audit.prove_consistency",
        summary="Prove that the log only grew",
        tag="Log",
        query=ConsistencyQuestionSchema,
        answers=ConsistencySchema,
        cache="public, max-age=3600",
        problems=("checkpoint-out-of-range",),
    ),
    Route(
        "GET",
        "/v1/audit/log/tile/{level}/{+index}",
        guards=PUBLIC,
        calls="audit.read_tile",
        operation="audit_read_tile",
        summary="Read a full hash tile",
        description=(
            "256 hashes of 32 bytes, one after the other, in the form of C2SP tlog-tiles: all that proofs are "
            "computed from. Tiles that the latest checkpoint does not cover are not there yet."
        ),
        tag="Log",
        parameters={"level": tile_level(), "index": tile_index()},
        representations=(Representation(OCTETS, member="hashes", example=EXAMPLE_HASH, base64=True),),
        cache=FOR_EVER,
    ),
    Route(
        "GET",
        "/v1/audit/log/tile/{level}/{+index}.p/{width}",
        guards=PUBLIC,
        calls="audit.read_tile",
        operation="audit_read_partial_tile",
        summary="Read the beginning of a hash tile",
        description=(
            "The first hashes of a tile, which at the right edge of the tree are all there are. They never change, so "
            "every width that the latest checkpoint covers is served."
        ),
        tag="Log",
        parameters={
            "level": tile_level(),
            "index": tile_index(),
            "width": Numeral(1, 255, required=True, metadata=says("How many hashes.", 112)),
        },
        representations=(Representation(OCTETS, member="hashes", example=EXAMPLE_HASH, base64=True),),
        cache=FOR_EVER,
    ),
]
