"""Reads of recipients and disclosures: whose data went to whom, at the cost of the page that is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from services.audit.log.corrections import corrections_of
from services.audit.log.queries import published_size
from services.audit.search.language import Period
from services.audit.search.postings import term_number
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import RECIPIENT_KINDS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)
_CURSOR = re.compile(r"(\d{1,15})\.(-?\d{1,18})\.(\d{1,15})", re.ASCII)

_VERSION_COLUMNS = """
    v.recipient_id, v.recipient_version, v.kind, v.legal_name, v.role, v.country, v.transfer_mechanism,
    v.document_reference, v.carries, v.valid_from, v.valid_until, v.recorded_at, l.event_id
"""


@dataclass(frozen=True)
class DisclosurePlace:
    """Where a list of disclosures goes on: before a time and position, as the log stood at a checkpoint of `size`."""

    size: int
    disclosed_at: datetime
    leaf_index: int

    def __str__(self) -> str:
        return f"{self.size}.{(self.disclosed_at - _EPOCH) // _INSTANT}.{self.leaf_index}"

    @classmethod
    def from_text(cls, text: str) -> DisclosurePlace:
        """The place that a cursor of ours names. Raises `ValueError` for any other text."""
        written = _CURSOR.fullmatch(text)
        if written is None:
            raise ValueError("not a cursor")
        size, microseconds, leaf_index = map(int, written.groups())
        try:
            disclosed_at = _EPOCH + microseconds * _INSTANT
        except OverflowError:
            raise ValueError("not a cursor") from None
        if leaf_index >= size:
            raise ValueError("not a cursor")
        return cls(size, disclosed_at, leaf_index)


@dataclass(frozen=True)
class Selection:
    """Disclosures of a person, to a recipient, from `since` on and before `until`; None does not matter."""

    subject: UUID | None = None
    recipient: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __str__(self) -> str:
        """In the query language of the log, in which `occurred` is when something was disclosed."""
        parts = [f"subject:{self.subject}"] if self.subject else []
        parts += [f"recipient:{self.recipient}"] if self.recipient else []
        parts += [f"occurred:{Period(self.since, self.until)}"] if self.since or self.until else []
        return " ".join(parts)


def disclosures(
    connection: Connection,
    selection: Selection,
    place: DisclosurePlace | None,
    limit: int,
    *,
    tellable_at: datetime | None = None,
) -> dict[str, Any]:
    """A page of disclosures, the latest first, and the cursor of the next one.

    All pages show the log as the checkpoint covers it that was the newest when the first was asked for. With
    `tellable_at`, what is withheld from its person at that moment is left out.
    """
    size = place.size if place else published_size(connection)
    conditions = {
        "d.leaf_index < :size": size,
        "d.subject = :subject": selection.subject,
        "d.recipient_id = :recipient": selection.recipient,
        "d.disclosed_at >= :since": selection.since,
        "d.disclosed_at < :until": selection.until,
        "(d.withheld_until IS NULL OR d.withheld_until <= :tellable_at)": tellable_at,
        "(d.disclosed_at, d.leaf_index) < (:before, :before_index)": place,
    }
    wanted = " AND ".join(condition for condition, value in conditions.items() if value is not None)
    rows = connection.execute(
        text(f"""
            SELECT d.*, l.event_id, v.legal_name, v.role
            FROM (
                SELECT d.* FROM disclosures d WHERE {wanted}
                ORDER BY d.disclosed_at DESC, d.leaf_index DESC LIMIT :rows
            ) AS d
            JOIN leaves l USING (leaf_index)
            LEFT JOIN recipient_versions v USING (recipient_id, recipient_version)
            ORDER BY d.disclosed_at DESC, d.leaf_index DESC
        """),  # noqa: S608 - conditions from above
        {
            **vars(selection),
            "size": size,
            "tellable_at": tellable_at,
            "before": place and place.disclosed_at,
            "before_index": place and place.leaf_index,
            "rows": limit + 1,
        },
    ).all()
    shown = rows[:limit]
    goes_on = len(rows) > limit
    corrections = corrections_of(connection, [str(row.event_id) for row in shown])
    return {
        "items": [disclosure_view(row, corrections.get(str(row.event_id), [])) for row in shown],
        "checkpoint": size,
        "next_cursor": str(DisclosurePlace(size, shown[-1].disclosed_at, shown[-1].leaf_index)) if goes_on else None,
    }


def disclosure_view(row: Row[Any], corrections: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A disclosure as officers see it, with what was stated to be wrong with its record.

    What its person sees of it says the gateway's schema.
    """
    return {
        "record_id": str(row.event_id),
        "subject": str(row.subject),
        "recipient": {
            "recipient_id": str(row.recipient_id),
            "version": row.recipient_version,
            "kind": row.recipient_kind,
            "legal_name": row.legal_name,
            "role": row.role,
            "country": row.country,
            "transfer_mechanism": row.transfer_mechanism,
        },
        "categories": row.categories,
        "purpose": row.purpose,
        "legal_basis": row.legal_basis,
        "consent_record_id": row.consent_record_id and str(row.consent_record_id),
        "document_reference": row.document_reference,
        "designated_by": row.designated_by and str(row.designated_by),
        "disclosed_at": rfc3339(row.disclosed_at),
        "withheld_until": row.withheld_until and rfc3339(row.withheld_until),
        "withholding_reference": row.withholding_reference,
        "recorded_at": rfc3339(row.recorded_at),
        "corrections": corrections,
    }


def summary(connection: Connection, since: date | None, until: date | None) -> dict[str, Any]:
    """How many disclosures there were from one day to another, both counted in, by kind, country and mechanism.

    Read from the counts by day, which may be some moments ahead of the newest checkpoint.
    """
    rows = connection.execute(
        text("""
            SELECT recipient_kind, country, transfer_mechanism, CAST(sum(disclosures) AS bigint) AS disclosures
            FROM disclosure_days
            WHERE day BETWEEN coalesce(CAST(:since AS date), '-infinity') AND coalesce(CAST(:until AS date), 'infinity')
            GROUP BY recipient_kind, country, transfer_mechanism
            ORDER BY disclosures DESC, recipient_kind, country, transfer_mechanism
        """),
        {"since": since, "until": until},
    ).all()
    return {
        "disclosures": sum(row.disclosures for row in rows),
        "items": [row._asdict() for row in rows],
    }


def kinds_in_use(connection: Connection) -> dict[str, Any]:
    """Of which kinds recipients and disclosures are, by all that is stored, beside the kinds that the policy names."""
    rows = connection.execute(
        text("""
            SELECT kind, CAST(sum(recipients) AS bigint) AS recipients, CAST(sum(disclosures) AS bigint) AS disclosures
            FROM (
                SELECT kind, count(DISTINCT recipient_id) AS recipients, 0 AS disclosures
                FROM recipient_versions GROUP BY kind
                UNION ALL SELECT recipient_kind, 0, sum(disclosures) FROM disclosure_days GROUP BY recipient_kind
            ) AS uses GROUP BY kind ORDER BY kind
        """)
    ).all()
    return {"named_by_policy": list(RECIPIENT_KINDS), "in_use": [row._asdict() for row in rows]}


def recipients(connection: Connection, as_of: datetime, after: UUID | None, limit: int) -> dict[str, Any]:
    """A page of the recipients that had been entered for a moment, in the version that was the last to begin by then.

    Their ids are in the order in which they were entered.
    """
    size = published_size(connection)
    rows = connection.execute(
        text(f"""
            SELECT DISTINCT ON (v.recipient_id) {_VERSION_COLUMNS}, e.ended_at
            FROM recipient_versions v JOIN leaves l ON l.leaf_index = v.leaf_index
            LEFT JOIN recipient_endings e ON e.recipient_id = v.recipient_id AND e.leaf_index < :size
            WHERE v.valid_from <= :as_of AND v.leaf_index < :size
                AND v.recipient_id > coalesce(CAST(:after AS uuid), '00000000-0000-0000-0000-000000000000')
            ORDER BY v.recipient_id, v.recipient_version DESC LIMIT :rows
        """),  # noqa: S608 - columns from above
        {"as_of": as_of, "size": size, "after": after, "rows": limit + 1},
    ).all()
    shown = rows[:limit]
    return {
        "as_of": rfc3339(as_of),
        "checkpoint": size,
        "items": [{**_version_view(row), "state": _state_at(row, as_of)} for row in shown],
        "next_cursor": str(shown[-1].recipient_id) if len(rows) > limit else None,
    }


def recipient(connection: Connection, recipient_id: UUID) -> dict[str, Any]:
    """A recipient in all its versions, the first one first. Raises `Problem("not-found")`."""
    size = published_size(connection)
    rows = connection.execute(
        text(f"""
            SELECT {_VERSION_COLUMNS}, e.ended_at
            FROM recipient_versions v JOIN leaves l ON l.leaf_index = v.leaf_index
            LEFT JOIN recipient_endings e ON e.recipient_id = v.recipient_id AND e.leaf_index < :size
            WHERE v.recipient_id = :recipient_id AND v.leaf_index < :size
            ORDER BY v.recipient_version
        """),  # noqa: S608 - columns from above
        {"recipient_id": recipient_id, "size": size},
    ).all()
    if not rows:
        raise Problem("not-found")
    return {
        "recipient_id": str(recipient_id),
        "kind": rows[0].kind,
        "ended_at": rows[0].ended_at and rfc3339(rows[0].ended_at),
        "checkpoint": size,
        "versions": [_version_view(row) for row in rows],
    }


def unknown_subjects(connection: Connection, subjects: Sequence[UUID]) -> bool:
    """Whether the log holds no record at all about one of these persons."""
    numbers = {term_number("subject", str(subject)) for subject in subjects}
    known = connection.scalar(
        text("""
            SELECT count(*) FROM unnest(CAST(:numbers AS bigint[])) AS each (number)
            WHERE EXISTS (SELECT FROM leaf_terms WHERE term = each.number)
        """),
        {"numbers": sorted(numbers)},
    )
    return int(known or 0) != len(numbers)


def is_consent_in_force(connection: Connection, record_id: UUID, subject: UUID, moment: datetime) -> bool:
    """Whether a record shows the consent of a person that was in force at a moment, for any purpose."""
    found = connection.execute(
        text("""
            SELECT FROM leaves JOIN consents c USING (leaf_index)
            WHERE event_id = :record_id AND subject = :subject AND state = 'granted' AND effective_at <= :moment
                AND (expires_at IS NULL OR expires_at > :moment)
                AND NOT EXISTS (
                    SELECT FROM consents later
                    WHERE later.subject = c.subject AND later.purpose = c.purpose AND later.effective_at <= :moment
                        AND (later.effective_at, later.leaf_index) > (c.effective_at, c.leaf_index)
                )
        """),
        {"record_id": record_id, "subject": subject, "moment": moment},
    ).first()
    return found is not None


def _state_at(row: Row[Any], moment: datetime) -> str:
    if row.ended_at is not None and row.ended_at <= moment:
        return "ended"
    return "expired" if row.valid_until is not None and row.valid_until <= moment else "in_force"


def _version_view(row: Row[Any]) -> Mapping[str, Any]:
    return {
        "recipient_id": str(row.recipient_id),
        "version": row.recipient_version,
        "kind": row.kind,
        "legal_name": row.legal_name,
        "role": row.role,
        "country": row.country,
        "transfer_mechanism": row.transfer_mechanism,
        "document_reference": row.document_reference,
        "carries": row.carries,
        "valid_from": rfc3339(row.valid_from),
        "valid_until": row.valid_until and rfc3339(row.valid_until),
        "recorded_at": rfc3339(row.recorded_at),
        "record_id": str(row.event_id),
    }
