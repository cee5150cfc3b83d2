"""Which records are of processing that rests on a consent, and which of these rested on none.

A record is judged by what the log held before it and by what counted at its moment: what was said later does not make
it wrong, and what was withdrawn later does not either. So the judgement about a record never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from services.audit.log.queries import Place, published_size
from services.audit.tree.leaves import Leaf
from shared.contracts.events import contract_of
from shared.contracts.identity import NoticeSent
from shared.contracts.purposes import purpose_of_notice
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import EVERY_PURPOSE

_SENT = contract_of(NoticeSent).type


@dataclass(frozen=True)
class Reliance:
    """Processing that rests on the consent of a person to a purpose. `relied_on` is the record it cites, if any."""

    subject: str
    purpose: str
    channel: str
    occurred_at: str
    relied_on: str | None


def reliance_of(leaf: Leaf) -> Reliance | None:
    """The processing that a leaf tells of; None if none that needs consent. Raises `KeyError` if a field is missing."""
    if leaf.type != _SENT:
        return None
    purpose = purpose_of_notice(leaf.data["kind"])
    if purpose.legal_basis != "consent":
        return None
    return Reliance(
        subject=leaf.subjects[0],
        purpose=purpose.id,
        channel=leaf.data["channel"],
        occurred_at=leaf.data["sent_at"],
        relied_on=leaf.data.get("relied_on"),
    )


# Each of the four looks up how one aspect stood, by the index `consents_standing`.
_STOOD = """
    LEFT JOIN LATERAL (
        SELECT state, expires_at, leaf_index FROM consents
        WHERE subject = r.subject AND purpose = {purpose} AND aspect = '{aspect}'
            AND (channel IS NULL OR channel = r.channel)
            AND effective_at <= r.occurred_at AND leaf_index < r.leaf_index
        ORDER BY effective_at DESC, leaf_index DESC LIMIT 1
    ) AS {aspect} ON true
"""
_JUDGED = text(f"""
    SELECT r.leaf_index, l.event_id, l.type, r.subject, r.purpose, r.occurred_at, r.relied_on,
        basis.event_id AS in_force,
        CASE
            WHEN consent.state IS NULL THEN 'never_asked'
            WHEN consent.state <> 'granted' THEN consent.state
            WHEN consent.expires_at <= r.occurred_at THEN 'expired'
            WHEN objection.state = 'objected' THEN 'objection'
            WHEN preference.state = 'not_wanted' THEN 'not_wanted'
            WHEN restriction.state = 'restricted' THEN 'restricted'
            WHEN r.relied_on <> basis.event_id THEN 'cites_another'
        END AS reason
    FROM (
        SELECT * FROM reliances
        WHERE occurred_at >= coalesce(CAST(:since AS timestamptz), '-infinity')
            AND occurred_at < coalesce(CAST(:until AS timestamptz), 'infinity')
            AND (occurred_at, leaf_index) > (CAST(:after AS timestamptz), :after_index) AND leaf_index < :size
        ORDER BY occurred_at, leaf_index LIMIT :limit
    ) AS r
    JOIN leaves l USING (leaf_index)
    {_STOOD.format(aspect="consent", purpose="r.purpose")}
    {_STOOD.format(aspect="objection", purpose="r.purpose")}
    {_STOOD.format(aspect="preference", purpose="r.purpose")}
    {_STOOD.format(aspect="restriction", purpose=":every_purpose")}
    LEFT JOIN leaves basis ON basis.leaf_index = consent.leaf_index
    ORDER BY r.occurred_at, r.leaf_index
""")  # noqa: S608 - words from the lines above
_MOMENT = text("SELECT occurred_at FROM reliances WHERE leaf_index = :index")


def without_basis(
    connection: Connection, since: datetime | None, until: datetime | None, place: Place | None, limit: int
) -> dict[str, Any]:
    """Which of the next `limit` records of processing rested on no consent in force, in the order they happened.

    All pages show the log at one checkpoint. A page looks at a bounded number of records, so it may hold none of those
    that are asked for although there is a next one.
    """
    size = place.size if place else published_size(connection)
    after = connection.scalar(_MOMENT, {"index": place.before}) if place else None
    rows = connection.execute(
        _JUDGED,
        {
            "since": since,
            "until": until,
            "after": after or "-infinity",
            "after_index": place.before if place else -1,
            "size": size,
            "limit": limit,
            "every_purpose": EVERY_PURPOSE,
        },
    ).all()
    return {
        "items": [_violation(row) for row in rows if row.reason],
        "looked_at": len(rows),
        "checkpoint": size,
        "next_cursor": str(Place(size, rows[-1].leaf_index)) if len(rows) == limit else None,
    }


def _violation(row: Row[Any]) -> dict[str, Any]:
    return {
        "record_id": str(row.event_id),
        "type": row.type,
        "subject": str(row.subject),
        "purpose": row.purpose,
        "occurred_at": rfc3339(row.occurred_at),
        "reason": row.reason,
        "relied_on": row.relied_on and str(row.relied_on),
        "last_said": row.in_force and str(row.in_force),
    }
