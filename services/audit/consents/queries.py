"""Reads of the register of consents: how things stood at a moment as known at another, the timeline, and receipts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from services.audit.consents.receipts import receipt_of
from services.audit.consents.register import MATTERS
from services.audit.log.queries import Place, latest_checkpoint, published_size
from services.audit.log.tiles import StoredTiles
from services.audit.tree import evidence, merkle
from services.audit.tree.evidence import RecordProof
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339

MOST_EVENTS_OF_A_RECEIPT = 50

# For each matter the one entry that counts, by the index `consents_standing`; matters are few, histories may be long.
_STANDINGS = text("""
    SELECT c.*, l.event_id, l.type
    FROM unnest(CAST(:purposes AS text[]), CAST(:aspects AS text[]), CAST(:channels AS text[]))
        AS matter (purpose, aspect, channel)
    CROSS JOIN LATERAL (
        SELECT * FROM consents
        WHERE subject = :subject AND purpose = matter.purpose AND aspect = matter.aspect
            AND channel IS NOT DISTINCT FROM matter.channel
            AND effective_at <= :as_of AND recorded_at <= coalesce(CAST(:known_at AS timestamptz), 'infinity')
            AND leaf_index < :size
        ORDER BY effective_at DESC, leaf_index DESC LIMIT 1
    ) AS c
    JOIN leaves l USING (leaf_index)
    ORDER BY c.effective_at, c.leaf_index
""")
_TIMELINE = text("""
    SELECT c.*, l.event_id, l.type FROM consents c JOIN leaves l USING (leaf_index)
    WHERE c.subject = :subject AND c.recorded_at <= coalesce(CAST(:known_at AS timestamptz), 'infinity')
        AND leaf_index < :size AND (c.effective_at, leaf_index) > (CAST(:after AS timestamptz), :after_index)
    ORDER BY c.effective_at, leaf_index LIMIT :limit
""")
_MOMENT = text("SELECT effective_at FROM consents WHERE leaf_index = :index AND subject = :subject")
_NEWEST_OF_PURPOSE = text("""
    SELECT c.*, l.event_id, l.leaf FROM consents c JOIN leaves l USING (leaf_index)
    WHERE c.subject = :subject AND c.purpose = :purpose AND c.aspect = 'consent'
    ORDER BY c.effective_at DESC, leaf_index DESC LIMIT :limit
""")


def consents(
    connection: Connection, subject: UUID, as_of: datetime, known_at: datetime | None, place: Place | None, limit: int
) -> dict[str, Any]:
    """How a person stood to every purpose at `as_of`, as it was known at `known_at`, and a page of what was known then.

    Without `known_at`, all that is published counts, whatever the clock of the process that recorded it says. The
    history is in the order in which things took effect. All pages show the log at one checkpoint.
    """
    size = place.size if place else published_size(connection)
    known = {"subject": subject, "known_at": known_at, "size": size}
    after = connection.scalar(_MOMENT, {"index": place.before, "subject": subject}) if place else None
    purposes, aspects, channels = zip(*MATTERS, strict=True)
    standings = connection.execute(
        _STANDINGS,
        {**known, "as_of": as_of, "purposes": list(purposes), "aspects": list(aspects), "channels": list(channels)},
    )
    history = connection.execute(
        _TIMELINE,
        {**known, "after": after or "-infinity", "after_index": place.before if place else -1, "limit": limit},
    ).all()
    return {
        "consents": [_entry_view(row, _state_at(row, as_of)) for row in standings],
        "history": [{**_entry_view(row, row.state), "type": row.type} for row in history],
        "checkpoint": size,
        "next_cursor": str(Place(size, history[-1].leaf_index)) if len(history) == limit else None,
    }


def receipt(connection: Connection, subject: UUID, purpose: str, now: datetime) -> dict[str, Any]:
    """The receipt of what a person said to a purpose, with the proof that it is in the log.

    Raises `Problem("not-found")` if the log knows nothing of it, and `Problem("not-yet-published")` until a checkpoint
    covers all that it knows.
    """
    newest_first = connection.execute(
        _NEWEST_OF_PURPOSE, {"subject": subject, "purpose": purpose, "limit": MOST_EVENTS_OF_A_RECEIPT}
    ).all()
    if not newest_first:
        raise Problem("not-found")
    rows = newest_first[::-1]
    size, note = latest_checkpoint(connection)
    if any(row.leaf_index >= size for row in rows):
        raise Problem("not-yet-published")
    events = [_entry_view(row, row.state) for row in rows]
    return {
        **receipt_of(subject, purpose, events, now=now),
        "checkpoint": size,
        "evidence": _evidence(connection, rows, size, note),
    }


def _evidence(connection: Connection, rows: Sequence[Row[Any]], size: int, note: str) -> str:
    tiles = StoredTiles(connection)
    proofs = [
        RecordProof(bytes(row.leaf), row.leaf_index, merkle.inclusion_proof(tiles, row.leaf_index, size))
        for row in rows
    ]
    return evidence.bundle(note, proofs).decode()


def _state_at(row: Row[Any], moment: datetime) -> str:
    """How an entry stood: it may have expired by then, which its record announced and no other says."""
    expired = row.expires_at is not None and row.expires_at <= moment
    return "expired" if expired else str(row.state)


def _entry_view(row: Row[Any], state: str) -> dict[str, Any]:
    return {
        "purpose": row.purpose,
        "aspect": row.aspect,
        "channel": row.channel,
        "state": state,
        "wording_version": row.wording_version,
        "legal_basis": row.legal_basis,
        "effective_at": rfc3339(row.effective_at),
        "expires_at": row.expires_at and rfc3339(row.expires_at),
        "recorded_at": rfc3339(row.recorded_at),
        "record_id": str(row.event_id),
    }
