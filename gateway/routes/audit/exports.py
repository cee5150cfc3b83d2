"""Exports of the audit log: records as files, and as evidence for somebody outside."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from gateway.response import OCTETS
from gateway.routes.audit.records import CHECKPOINT
from gateway.routing import COMPLIANCE, Representation, Route
from gateway.schemas import (
    EXAMPLE_HASH,
    EXAMPLE_ID,
    EXAMPLE_INSTANT,
    Answer,
    CommandAnswer,
    Count,
    Cursor,
    Id,
    Instant,
    NextCursor,
    Numeral,
    Text,
    says,
)
from shared.contracts.vocabulary import EXPORT_FAILURES, EXPORT_FORMS

EXAMPLE_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
EXAMPLE_QUERY = "type:okacrm.identity.consent_granted"
FORM = "`ndjson`, `csv`, or `evidence`: a ZIP with proofs of at most 10,000 records, for somebody outside."


def form_field(**options: Any) -> fields.String:
    return fields.String(validate=OneOf(EXPORT_FORMS), metadata=says(FORM, "ndjson"), **options)


class ExportRequestSchema(Schema):
    """Which records are wanted, and as what."""

    q = Text(
        2000,
        load_default=None,
        metadata=says(
            "In the query language of the log, as in `GET /v1/audit/records`. Without it, every record.",
            "type:identity.consent_granted",
        ),
    )
    form = form_field(required=True)


class RequestedExportSchema(CommandAnswer):
    """An export that will be made. The request is on record."""

    export_id = Id(metadata=says("The export.", EXAMPLE_ID))


class ExportSchema(Answer):
    """An export, and how far it has come."""

    export_id = Id(metadata=says("The export.", EXAMPLE_ID))
    state = fields.String(
        validate=OneOf(("running", "parked", "completed", "failed")),
        metadata=says(
            "Whether it is there. One that is parked could not be made several times, and waits for an operator.",
            "completed",
        ),
    )
    failure = fields.String(
        allow_none=True,
        validate=OneOf(EXPORT_FAILURES),
        metadata=says("Why it could not be made, or null.", None),
    )
    form = form_field()
    query = fields.String(metadata=says("What was asked, in its plainest form.", EXAMPLE_QUERY))
    checkpoint = fields.Integer(metadata=says("Size of the checkpoint whose log it is an export of.", 42))
    requested_at = Instant(metadata=says("When it was asked for.", EXAMPLE_INSTANT))
    ended_at = Instant(
        allow_none=True, metadata=says("When it was made, or failed. It is removed 30 days later.", EXAMPLE_INSTANT)
    )
    progress = fields.Integer(metadata=says("How much of the log was gone through, in percent.", 100))
    records = fields.Integer(metadata=says("Records so far.", 7))
    bytes = fields.Integer(metadata=says("Bytes so far.", 5210))
    parts = fields.Integer(metadata=says("Parts so far; each can be fetched at once.", 1))
    failures = fields.Integer(metadata=says("How often in a row going on with it has failed.", 0))


class ExportPageSchema(Answer):
    """A page of one's own exports, newest first."""

    items = fields.List(fields.Nested(ExportSchema))
    next_cursor = NextCursor()


class ExportPageQuestionSchema(Schema):
    """Which page."""

    cursor = Cursor()
    limit = Count(1, 100, load_default=20, metadata=says("At most this many.", 20))


class WorkspaceHeadSchema(Answer):
    """How many records the log had of a workspace."""

    workspace = Id(metadata=says("The workspace.", EXAMPLE_ID))
    counter = fields.Integer(metadata=says("Number of its last record at the checkpoint.", 12))


class PublisherHeadSchema(Answer):
    """How much the log had of a publisher's feed."""

    publisher = fields.String(metadata=says("The service.", "identity"))
    epoch = fields.Integer(metadata=says("Epoch of its last record at the checkpoint.", 1))
    position = fields.Integer(metadata=says("Feed position of that record.", 17))


class ManifestSchema(Answer):
    """What an export is of. Kept beside the file, as canonical JSON (RFC 8785), it is what `verify.py` reads."""

    format = fields.String(metadata=says("Name of this form.", "okacrm-export/v1"))
    export_id = Id(metadata=says("The export.", EXAMPLE_ID))
    form = form_field()
    query = fields.String(metadata=says("What was asked, in its plainest form.", EXAMPLE_QUERY))
    checkpoint = fields.String(metadata=says("The signed note over the log that it is an export of.", CHECKPOINT))
    workspaces = fields.List(fields.Nested(WorkspaceHeadSchema))
    publishers = fields.List(fields.Nested(PublisherHeadSchema))
    requested_by = fields.String(metadata=says("Who asked.", f"compliance:{EXAMPLE_ID}"))
    requested_at = Instant(metadata=says("When.", EXAMPLE_INSTANT))
    records = fields.Integer(metadata=says("How many records.", 7))
    columns = fields.List(fields.String(metadata=says("A column of the CSV.", "event_id")))
    files = fields.Dict(
        keys=fields.String(),
        metadata=says(
            "Length and SHA-256 of each file.", {"records.ndjson": {"bytes": 5210, "sha256": EXAMPLE_SHA256}}
        ),
    )


class ExportWithManifestSchema(ExportSchema):
    """An export with all that is needed to fetch it and to check what was fetched."""

    file = fields.String(metadata=says("What the parts make, one after the other.", "records.ndjson"))
    part_sha256 = fields.List(
        fields.String(metadata=says("SHA-256 of a part.", EXAMPLE_SHA256)),
        metadata={"description": "Of each part, in their order, once all are made."},
    )
    sha256 = fields.String(
        allow_none=True,
        metadata=says("SHA-256 of all parts in their order, or null as long as it runs.", EXAMPLE_SHA256),
    )
    manifest = fields.Nested(ManifestSchema, allow_none=True)


def export_id() -> Id:
    return Id(required=True, metadata=says("Id of the export.", EXAMPLE_ID))


routes = [
    Route(
        "POST",
        "/v1/audit/exports",
        guards=COMPLIANCE,
        calls="audit.request_export",
        summary="Ask for an export of records",
        description=(
            "It is made in the background, of the log as its newest checkpoint has it. The request is itself a record, "
            "and one under each person whom the query names."
        ),
        tag="Audit exports",
        scope="audit:read",
        body=ExportRequestSchema,
        answers=RequestedExportSchema,
        status=202,
        problems=("not-yet-published", "too-many-exports"),
    ),
    Route(
        "GET",
        "/v1/audit/exports",
        guards=COMPLIANCE,
        calls="audit.list_exports",
        summary="List one's own exports",
        tag="Audit exports",
        scope="audit:read",
        query=ExportPageQuestionSchema,
        answers=ExportPageSchema,
    ),
    Route(
        "GET",
        "/v1/audit/exports/{export_id}",
        guards=COMPLIANCE,
        calls="audit.read_export",
        summary="See how far an export has come, and its manifest",
        tag="Audit exports",
        scope="audit:read",
        parameters={"export_id": export_id()},
        answers=ExportWithManifestSchema,
    ),
    Route(
        "GET",
        "/v1/audit/exports/{export_id}/parts/{number}",
        guards=COMPLIANCE,
        calls="audit.read_export_part",
        summary="Fetch a part of an export",
        description=(
            "About a megabyte. All parts in their order are the file that the manifest names; of an export of the form "
            "`evidence` it is a ZIP. `okacrm audit export` fetches, checks and joins them."
        ),
        tag="Audit exports",
        scope="audit:read",
        parameters={
            "export_id": export_id(),
            "number": Numeral(1, 10**6, required=True, metadata=says("Number of the part, from 1.", 1)),
        },
        representations=(Representation(OCTETS, member="content", example=EXAMPLE_HASH, base64=True),),
    ),
]
