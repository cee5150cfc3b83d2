"""Checking exports: each row says what the events of its export say, and its parts make the file that they tell of."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, text

from services.audit.exports.aggregate import Export
from services.audit.exports.queries import part_of_leaves
from shared.contracts.audit import ExportCompleted, ExportRequested
from shared.contracts.events import contract_of
from shared.eventstore.store import load
from shared.runtime.checking import Report

REQUESTED, COMPLETED = contract_of(ExportRequested).type, contract_of(ExportCompleted).type
AS_REQUESTED = ("form", "query", "size", "workspaces", "publishers")
AS_COMPLETED = ("records", "length", "sha256")

_EXPORTS = text("""
    SELECT export_id, record_id, requested_by, form, query, size, workspaces, publishers, records, length, sha256
    FROM exports ORDER BY export_id
""")
_PARTS = text("SELECT number, leaf_indexes, content, sha256 FROM export_parts WHERE export_id = :id ORDER BY number")


def check_exports(connection: Connection, report: Report) -> None:
    """Everything that does not hold in the exports that were not removed yet. What was removed is no finding."""
    for row in connection.execute(_EXPORTS).all():
        report.count("exports")
        where = f"export {row.export_id}"
        events = {event.type: event for event in load(connection, Export.stream_of(row.export_id))}
        requested = events.get(REQUESTED)
        if requested is None:
            report.add("export-without-request", where)
            continue
        report.unless_equal("export-differs", f"{where}, record_id", requested.event_id, row.record_id)
        report.unless_equal("export-differs", f"{where}, requested_by", requested.envelope["actor"], row.requested_by)
        _compare(row, requested.data, AS_REQUESTED, report)
        if completed := events.get(COMPLETED):
            _compare(row, completed.data, AS_COMPLETED, report)
            _check_parts(connection, row, completed.data, report)
        elif row.sha256 is not None:
            report.add("export-differs", f"export {row.export_id}, sha256", found=row.sha256)


def _compare(row: Row[Any], data: dict[str, Any], columns: tuple[str, ...], report: Report) -> None:
    for column in columns:
        where = f"export {row.export_id}, {column}"
        report.unless_equal("export-differs", where, data[column], getattr(row, column))


def _check_parts(connection: Connection, row: Row[Any], completed: dict[str, Any], report: Report) -> None:
    """The parts are made again, one after the other, as they are when they are fetched."""
    whole = sha256()
    for part in connection.execute(_PARTS, {"id": row.export_id}):
        data = (
            bytes(part.content)
            if part.content is not None
            else part_of_leaves(connection, row.form, part.number, part.leaf_indexes)
        )
        where = f"export {row.export_id}, part {part.number}"
        report.unless_equal("export-part-differs", where, part.sha256, sha256(data).hexdigest())
        whole.update(data)
    report.unless_equal("export-parts-differ", f"export {row.export_id}", completed["sha256"], whole.hexdigest())
