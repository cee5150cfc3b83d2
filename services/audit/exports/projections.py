"""The exports as their own events tell them; how far each has come says who makes it (`exporting.py`), apart."""

from __future__ import annotations

import json

from sqlalchemy import Connection, text

from shared.contracts.audit import ExportCompleted, ExportFailed, ExportPrepared, ExportRequested
from shared.eventstore.projections import OwnProjection, OwnProjections
from shared.eventstore.recorded import Recorded

exports = OwnProjection("exports", "exports")
projections = OwnProjections(exports)


@exports.on(ExportRequested)
def _requested(connection: Connection, event: ExportRequested, recorded: Recorded) -> None:
    connection.execute(
        text("""
            INSERT INTO exports
                (export_id, record_id, requested_by, requested_at, form, query, size, workspaces, publishers)
            VALUES (:export_id, :record_id, :requested_by, :requested_at, :form, :query, :size,
                CAST(:workspaces AS jsonb), CAST(:publishers AS jsonb))
        """),
        {
            "export_id": event.export_id,
            "record_id": recorded.event_id,
            "requested_by": recorded.envelope["actor"],
            "requested_at": event.requested_at,
            "form": event.form,
            "query": event.query,
            "size": event.size,
            "workspaces": json.dumps(event.workspaces),
            "publishers": json.dumps(event.publishers),
        },
    )


@exports.on(ExportPrepared)
def _prepared(connection: Connection, event: ExportPrepared, recorded: Recorded) -> None:
    connection.execute(
        text("UPDATE exports SET prepared_id = :prepared_id WHERE export_id = :export_id"),
        {"export_id": event.export_id, "prepared_id": recorded.event_id},
    )


@exports.on(ExportCompleted)
def _completed(connection: Connection, event: ExportCompleted, recorded: Recorded) -> None:
    connection.execute(
        text("""
            UPDATE exports SET sha256 = :sha256, records = :records, length = :length, ended_at = :completed_at
            WHERE export_id = :export_id
        """),
        vars(event),
    )


@exports.on(ExportFailed)
def _failed(connection: Connection, event: ExportFailed, recorded: Recorded) -> None:
    connection.execute(
        text("UPDATE exports SET failure = :reason, ended_at = :failed_at WHERE export_id = :export_id"), vars(event)
    )
