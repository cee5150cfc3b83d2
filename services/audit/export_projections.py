"""The exports as their own events tell them; how far an open one has come says who makes it (`exporting.py`)."""

from __future__ import annotations

import json

from sqlalchemy import Connection, text

from shared.contracts.audit import ExportCompleted, ExportFailed, ExportPrepared, ExportRequested
from shared.eventstore.projections import OwnProjections
from shared.eventstore.recorded import Recorded

projections = OwnProjections()


@projections.on(ExportRequested)
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


@projections.on(ExportPrepared)
def _prepared(connection: Connection, event: ExportPrepared, recorded: Recorded) -> None:
    connection.execute(
        text("UPDATE exports SET prepared_id = :prepared_id WHERE export_id = :export_id"),
        {"export_id": event.export_id, "prepared_id": recorded.event_id},
    )


@projections.on(ExportCompleted)
def _completed(connection: Connection, event: ExportCompleted, recorded: Recorded) -> None:
    connection.execute(
        text("""
            UPDATE exports SET sha256 = :sha256, records = :records, length = :length, next_index = size,
                ended_at = :completed_at
            WHERE export_id = :export_id
        """),
        vars(event),
    )


@projections.on(ExportFailed)
def _failed(connection: Connection, event: ExportFailed, recorded: Recorded) -> None:
    connection.execute(
        text("UPDATE exports SET failure = :reason, ended_at = :failed_at WHERE export_id = :export_id"), vars(event)
    )
