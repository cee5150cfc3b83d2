"""The audit log as a whole: its keys, and all of its records one after the other, for tools that follow it."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from gateway.response import TEXT
from gateway.routing import COMPLIANCE, PUBLIC, Representation, Route
from gateway.schemas import Answer, Count, says

KEYS = """okacrm.net/audit+6d9c5c7d+AXxHj6X4eeLaKZwgJlxTWSLXcGi+cMofRnKfbN9dQvgs
okacrm.net/audit+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW 41
"""


class EntriesQuestionSchema(Schema):
    """Which entries, counted from 0."""

    start = Count(0, required=True, metadata=says("Index of the first one.", 0))
    end = Count(0, required=True, metadata=says("Index of the last one, which is among them.", 255))

    @validates_schema
    def in_order(self, data: dict[str, Any], **more: Any) -> None:
        if data["end"] < data["start"]:
            raise ValidationError("The last one is not before the first.", "end")


class EntriesSchema(Answer):
    """Consecutive entries of the log, the first of which has the index `start`."""

    start = fields.Integer(metadata=says("Index of the first one.", 0))
    entries = fields.List(
        fields.String(metadata=says("The bytes of a leaf, base64.", "eyJ0eXBlIjoi4oCmIn0=")),
        metadata={
            "description": "Fewer than asked for where a page or the checkpoint ends; none where all of it was read."
        },
    )
    checkpoint = fields.Integer(metadata=says("Size of the latest checkpoint, which covers all of them.", 42))


routes = [
    Route(
        "GET",
        "/v1/audit/log/keys",
        guards=PUBLIC,
        calls="audit.list_log_keys",
        summary="Read all public keys of the log",
        description=(
            "C2SP verifier keys, one a line, the one that signs now first. Behind a retired one stands, after a space, "
            "the size of the last checkpoint that it signed: a larger one under that key is no checkpoint of this log."
        ),
        tag="Log",
        representations=(Representation(TEXT, member="keys", example=KEYS),),
        cache="public, max-age=60",
    ),
    Route(
        "GET",
        "/v1/audit/log/entries",
        guards=COMPLIANCE,
        calls="audit.list_entries",
        summary="Read the log itself, entry by entry",
        description=(
            "The leaves as they are hashed, so that tools of others can follow the whole log and compute its roots. As "
            "RFC 6962 has it, both ends are included and the answer may be shorter than asked for: go on with the "
            "index behind the last one."
        ),
        tag="Log",
        scope="audit:read",
        query=EntriesQuestionSchema,
        answers=EntriesSchema,
        problems=("not-yet-published",),
    ),
]
