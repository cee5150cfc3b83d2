"""Reads of exports: how far each has come, what belongs to it, and its parts; and what its request puts on record."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from services.audit.exports.forms import FORMS, Asked, manifest
from services.audit.search.language import Query
from services.audit.search.postings import term_number
from services.audit.search.sweeping import leaves_at
from services.audit.tree.leaves import Leaf
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339

BUNDLE = "bundle.zip"

_EXPORT = """
    SELECT export_id, record_id, requested_by, requested_at, form, query, e.size, workspaces, publishers,
        CASE WHEN sha256 IS NULL THEN coalesce(p.next_index, 0) ELSE e.size END AS next_index,
        coalesce(p.parts, 0) AS parts, coalesce(e.records, p.records, 0) AS records,
        coalesce(e.length, p.length, 0) AS length, sha256, failure, e.ended_at,
        coalesce(p.failures, 0) AS failures, parked_at, note
    FROM exports e JOIN checkpoints c ON c.size = e.size LEFT JOIN export_progress p USING (export_id)
"""
_OWN = text(f"{_EXPORT} WHERE export_id = :export_id AND requested_by = :requested_by")
_LISTED = text(f"""
    {_EXPORT} WHERE requested_by = :requested_by AND (CAST(:before AS uuid) IS NULL OR export_id < :before)
    ORDER BY export_id DESC LIMIT :limit
""")
_NEWEST_UNDER = text("""
    SELECT leaf FROM leaf_terms JOIN leaves USING (leaf_index)
    WHERE term = :term AND leaf_index < :size ORDER BY leaf_index DESC LIMIT 1
""")


def heads(connection: Connection, query: Query, size: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """How far the workspaces and the publishers that a query asks for had come among the first `size` leaves."""
    workspaces = [
        {"workspace": value, "counter": newest.workspace_counter if newest else 0}
        for value, newest in _newest(connection, query, "workspace", size)
    ]
    publishers = [
        {
            "publisher": value,
            "epoch": newest.epoch if newest else 0,
            "position": newest.position if newest else 0,
        }
        for value, newest in _newest(connection, query, "publisher", size)
    ]
    return workspaces, publishers


def _newest(connection: Connection, query: Query, qualifier: str, size: int) -> Iterable[tuple[str, Leaf | None]]:
    """The newest leaf under each value that a query asks for by a qualifier."""
    asked = [value for term in query.terms if term.qualifier == qualifier and not term.negated for value in term.values]
    for value in dict.fromkeys(asked):
        leaf = connection.scalar(_NEWEST_UNDER, {"term": term_number(qualifier, value), "size": size})
        yield value, Leaf.from_bytes(bytes(leaf)) if leaf is not None else None


def open_exports(connection: Connection, requested_by: str) -> int:
    """How many exports that an actor asked for have not ended."""
    query = text("SELECT count(*) FROM exports WHERE requested_by = :requested_by AND ended_at IS NULL")
    return int(connection.scalar(query, {"requested_by": requested_by}) or 0)


def own_export(connection: Connection, export_id: UUID, requested_by: str) -> Row[Any]:
    """The row of an export that this actor asked for. Raises `Problem("not-found")` also for those of others."""
    row = connection.execute(_OWN, {"export_id": export_id, "requested_by": requested_by}).first()
    if row is None:
        raise Problem("not-found")
    return row


def own_exports(connection: Connection, requested_by: str, before: UUID | None, limit: int) -> dict[str, Any]:
    """A page of the exports that an actor asked for, newest first, and the cursor of the next one."""
    rows = connection.execute(_LISTED, {"requested_by": requested_by, "before": before, "limit": limit + 1}).all()
    return {
        "items": [export_view(row) for row in rows[:limit]],
        "next_cursor": str(rows[limit - 1].export_id) if len(rows) > limit else None,
    }


def export_view(row: Row[Any]) -> dict[str, Any]:
    """An export as who asked for it sees it."""
    return {
        "export_id": str(row.export_id),
        "state": _state(row),
        "failure": row.failure,
        "form": row.form,
        "query": row.query,
        "checkpoint": row.size,
        "requested_at": rfc3339(row.requested_at),
        "ended_at": row.ended_at and rfc3339(row.ended_at),
        "progress": row.next_index * 100 // row.size,
        "records": row.records,
        "bytes": row.length,
        "parts": row.parts,
        "failures": row.failures,
    }


def _state(row: Row[Any]) -> str:
    if row.failure:
        return "failed"
    if row.ended_at:
        return "completed"
    return "parked" if row.parked_at else "running"


def completed_view(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """An export and, once it is complete, its manifest and the hashes of its parts."""
    file = FORMS[row.form].file if row.form in FORMS else BUNDLE
    if row.sha256 is None:
        return {**export_view(row), "file": file, "part_sha256": [], "sha256": None, "manifest": None}
    hashes = connection.scalars(
        text("SELECT sha256 FROM export_parts WHERE export_id = :export_id ORDER BY number"),
        {"export_id": row.export_id},
    ).all()
    return {
        **export_view(row),
        "file": file,
        "part_sha256": list(hashes),
        "sha256": row.sha256,
        "manifest": manifest(asked(row), row.records, {file: (row.length, row.sha256)}),
    }


def asked(row: Row[Any]) -> Asked:
    """What an export is of."""
    return Asked(
        export_id=row.export_id,
        form=row.form,
        query=row.query,
        checkpoint=row.note,
        workspaces=row.workspaces,
        publishers=row.publishers,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
    )


def part(connection: Connection, row: Row[Any], number: int) -> str:
    """The bytes of one part, base64. Raises `Problem("not-found")` for one that is not made yet."""
    found = connection.execute(
        text("SELECT leaf_indexes, content FROM export_parts WHERE export_id = :export_id AND number = :number"),
        {"export_id": row.export_id, "number": number},
    ).first()
    if found is None:
        raise Problem("not-found")
    if found.content is not None:
        return b64encode(bytes(found.content)).decode()
    return b64encode(part_of_leaves(connection, row.form, number, found.leaf_indexes)).decode()


def part_of_leaves(connection: Connection, form: str, number: int, indexes: Sequence[int]) -> bytes:
    """A part by the indexes of its leaves; the first one begins with the header of the file."""
    return part_bytes(form, number, leaves_at(connection, indexes))


def part_bytes(form: str, number: int, leaves: Sequence[tuple[int, bytes]]) -> bytes:
    """The bytes of a part that is made of these leaves."""
    data = FORMS[form].write(leaves)
    return FORMS[form].header + data if number == 1 else data
