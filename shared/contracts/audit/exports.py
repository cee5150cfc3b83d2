"""Events of exports: who asked for which records, and what was made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf, Range

from shared.contracts.events import event
from shared.contracts.fields import public
from shared.contracts.times import Moment
from shared.contracts.vocabulary import EXPORT_FAILURES, EXPORT_FORMS


class WorkspaceHead(Schema):
    """How many records the log had of a workspace, which are counted in them from 1."""

    workspace = fields.String(required=True, validate=Length(equal=36))
    counter = fields.Integer(required=True, strict=True, validate=Range(min=0))


class PublisherHead(Schema):
    """The last position of a publisher's feed that the log had, and its epoch; both are 0 where it had none."""

    publisher = fields.String(required=True, validate=Length(1, 40))
    epoch = fields.Integer(required=True, strict=True, validate=Range(min=0))
    position = fields.Integer(required=True, strict=True, validate=Range(min=0))


class PreparedFile(Schema):
    """A file of a bundle by name: its length and hash."""

    name = fields.String(required=True, validate=Length(1, 40))
    bytes = fields.Integer(required=True, strict=True, validate=Range(min=0))
    sha256 = fields.String(required=True, validate=Length(equal=64))


@event(version=1)
class ExportRequested:
    """Somebody asked for the records that a query wants, of the first `size` in the log; who is the event's actor.

    For the workspaces and publishers that the query asks for by name it states how far they had come by then, so that a
    reader of the export can tell whether something was left out at its end.
    """

    export_id: UUID = public(fields.UUID(required=True))
    form: str = public(fields.String(required=True, validate=OneOf(EXPORT_FORMS)))
    query: str = public(fields.String(required=True, validate=Length(0, 8000)))
    size: int = public(fields.Integer(required=True, strict=True, validate=Range(min=1)))
    workspaces: list[dict[str, Any]] = public(fields.List(fields.Nested(WorkspaceHead), required=True))
    publishers: list[dict[str, Any]] = public(fields.List(fields.Nested(PublisherHead), required=True))
    requested_at: datetime = public(Moment(required=True))


@event(version=1)
class ExportPrepared:
    """What a bundle will hold is known before it is made: so many records, and these files beside the proofs.

    The bundle proves this event as well, so that nobody can leave a record out of it or put other files into it. Where
    a later one follows before the bundle was made, the last one counts.
    """

    export_id: UUID = public(fields.UUID(required=True))
    records: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    files: list[dict[str, Any]] = public(fields.List(fields.Nested(PreparedFile), required=True))
    prepared_at: datetime = public(Moment(required=True))


@event(version=1)
class ExportCompleted:
    """An export was made, and can be fetched until it is removed: so many records, and bytes with this hash."""

    export_id: UUID = public(fields.UUID(required=True))
    records: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    length: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    sha256: str = public(fields.String(required=True, validate=Length(equal=64)))
    completed_at: datetime = public(Moment(required=True))


@event(version=1)
class ExportFailed:
    """An export could not be made as it was asked for."""

    export_id: UUID = public(fields.UUID(required=True))
    reason: str = public(fields.String(required=True, validate=OneOf(EXPORT_FAILURES)))
    failed_at: datetime = public(Moment(required=True))
