"""Which records were stated to be wrong, derived from the leaves of the corrections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from services.audit.tree.leaves import Leaf
from shared.contracts.audit import RecordCorrected
from shared.contracts.events import contract_of
from shared.contracts.times import rfc3339

_CORRECTED = contract_of(RecordCorrected).type


@dataclass(frozen=True)
class CorrectionEntry:
    """One correction, as its leaf says it."""

    record_id: str
    correction_id: str
    reason: str
    replaced_by: str | None
    recorded_at: str


def correction_of(leaf: Leaf) -> CorrectionEntry | None:
    """The correction that a leaf is; None if it is none. Raises `KeyError` if it lacks what it must have."""
    if leaf.type != _CORRECTED:
        return None
    return CorrectionEntry(
        record_id=leaf.data["record_id"],
        correction_id=leaf.data["correction_id"],
        reason=leaf.data["reason"],
        replaced_by=leaf.data.get("replaced_by"),
        recorded_at=leaf.received_at,
    )


def corrections_of(connection: Connection, record_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The corrections of those of these records that have any, oldest first."""
    rows = connection.execute(
        text("""
            SELECT c.record_id, l.event_id, c.reason, c.replaced_by, c.recorded_at
            FROM corrections c JOIN leaves l USING (leaf_index)
            WHERE c.record_id = ANY(CAST(:ids AS uuid[])) ORDER BY c.leaf_index
        """),
        {"ids": list(record_ids)},
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(str(row.record_id), []).append(
            {
                "record_id": str(row.event_id),
                "reason": row.reason,
                "replaced_by": _id(row.replaced_by),
                "recorded_at": rfc3339(row.recorded_at),
            }
        )
    return found


def _id(value: UUID | None) -> str | None:
    return str(value) if value else None
