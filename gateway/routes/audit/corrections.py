"""Corrections of the record: officers state what is wrong, and nothing is edited."""

from __future__ import annotations

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from gateway.routing import COMPLIANCE, Route
from gateway.schemas import EXAMPLE_ID, CommandAnswer, Id, says
from shared.contracts.vocabulary import CORRECTION_REASONS


class CorrectionSchema(Schema):
    """What is wrong with the record."""

    reason = fields.String(
        required=True, validate=OneOf(CORRECTION_REASONS), metadata=says("What is wrong.", "entered_twice")
    )
    replaced_by = Id(load_default=None, metadata=says("The record that says it right, if there is one.", EXAMPLE_ID))


class StatedCorrectionSchema(CommandAnswer):
    """The statement, which is a record of the log itself."""

    correction_id = Id(metadata=says("The correction.", EXAMPLE_ID))
    record_id = Id(metadata=says("The record that it will be in the log.", EXAMPLE_ID))


routes = [
    Route(
        "POST",
        "/v1/audit/records/{record_id}/corrections",
        guards=COMPLIANCE,
        calls="audit.correct_record",
        summary="State that a record is wrong",
        description=(
            "The record stays as it is, and is shown with its corrections from then on. A correction is a record, so a "
            "wrong one is corrected in the same way."
        ),
        tag="Audit",
        parameters={"record_id": Id(required=True, metadata=says("Id of the record.", EXAMPLE_ID))},
        body=CorrectionSchema,
        answers=StatedCorrectionSchema,
        status=201,
        problems=("correction-refers-to-itself",),
    ),
]
