"""The registers of recipients and disclosures, derived from leaves in the transaction that appends them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from services.audit.disclosures.disclosing_events import DISCLOSING_EVENTS, RECIPIENT_CHANGES, Carriers
from services.audit.tree.leaves import Leaf
from shared.contracts.audit import DisclosureRecorded, RecipientEnded, RecipientEntered, RecipientRevised
from shared.contracts.events import contract_of
from shared.eventstore.transaction import copy_rows

RECORDED = contract_of(DisclosureRecorded).type
VERSIONS = frozenset(contract_of(each).type for each in (RecipientEntered, RecipientRevised))
ENDED = contract_of(RecipientEnded).type
TYPES = RECIPIENT_CHANGES | {RECORDED} | set(DISCLOSING_EVENTS)
"""The types of leaf of which anything here follows."""

Placed = tuple[int, Leaf]
"""A leaf and its position in the log."""


@dataclass(frozen=True)
class VersionRow:
    """One version of a recipient; the fields are the columns of `recipient_versions`."""

    recipient_id: UUID
    recipient_version: int
    kind: str
    legal_name: str
    role: str
    country: str
    transfer_mechanism: str
    document_reference: str
    carries: list[str]
    valid_from: datetime
    valid_until: datetime | None
    recorded_at: datetime
    leaf_index: int


@dataclass(frozen=True)
class EndingRow:
    """The end of a recipient; the fields are the columns of `recipient_endings`."""

    recipient_id: UUID
    ended_at: datetime
    leaf_index: int


@dataclass(frozen=True)
class DisclosureRow:
    """One disclosure about one person; the fields are the columns of `disclosures`."""

    leaf_index: int
    subject: UUID
    recipient_id: UUID
    recipient_version: int | None
    recipient_kind: str
    country: str | None
    transfer_mechanism: str | None
    categories: list[str]
    purpose: str
    legal_basis: str
    consent_record_id: UUID | None
    document_reference: str | None
    designated_by: UUID | None
    disclosed_at: datetime
    withheld_until: datetime | None
    withholding_reference: str | None
    recorded_at: datetime

    @property
    def counted_under(self) -> tuple[date, str, str | None, str | None]:
        """The day (UTC) and what else it is counted by."""
        return self.disclosed_at.date(), self.recipient_kind, self.country, self.transfer_mechanism


def project(connection: Connection, leaves: Iterable[Placed]) -> None:
    """Brings both registers up to date with leaves that come into the log, in their order."""
    relevant = [(index, leaf) for index, leaf in leaves if leaf.type in TYPES]
    if not relevant:
        return
    disclosures = _disclosures(relevant, _carriers_before(connection, relevant))
    _insert(connection, "recipient_versions", VersionRow, [version_row(*placed) for placed in relevant])
    _insert(connection, "recipient_endings", EndingRow, [ending_row(*placed) for placed in relevant])
    _insert(connection, "disclosures", DisclosureRow, disclosures)
    _count(connection, [row for row in disclosures if row is not None])


def version_row(index: int, leaf: Leaf) -> VersionRow | None:
    """The version of a recipient that a leaf tells of."""
    if leaf.type not in VERSIONS:
        return None
    data = leaf.data
    return VersionRow(
        recipient_id=UUID(data["recipient_id"]),
        recipient_version=data["recipient_version"],
        kind=data["kind"],
        legal_name=data["legal_name"],
        role=data["role"],
        country=data["country"],
        transfer_mechanism=data["transfer_mechanism"],
        document_reference=data["document_reference"],
        carries=data["carries"],
        valid_from=datetime.fromisoformat(data["valid_from"]),
        valid_until=_time(data, "valid_until"),
        recorded_at=datetime.fromisoformat(leaf.received_at),
        leaf_index=index,
    )


def ending_row(index: int, leaf: Leaf) -> EndingRow | None:
    """The end of a recipient that a leaf tells of."""
    if leaf.type != ENDED:
        return None
    return EndingRow(UUID(leaf.data["recipient_id"]), datetime.fromisoformat(leaf.data["ended_at"]), index)


def disclosure_row(index: int, leaf: Leaf, carriers: Carriers) -> DisclosureRow | None:
    """The disclosure that a leaf tells of, if it is one; `carriers` are those that the leaves before it tell of."""
    if leaf.type == RECORDED:
        return _recorded_disclosure(index, leaf)
    if leaf.type in DISCLOSING_EVENTS:
        return _disclosure_by_event(index, leaf, carriers)
    return None


def _recorded_disclosure(index: int, leaf: Leaf) -> DisclosureRow:
    data = leaf.data
    return DisclosureRow(
        leaf_index=index,
        subject=UUID(data["subject_id"]),
        recipient_id=UUID(data["recipient_id"]),
        recipient_version=data["recipient_version"],
        recipient_kind=data["recipient_kind"],
        country=data["country"],
        transfer_mechanism=data["transfer_mechanism"],
        categories=data["categories"],
        purpose=data["purpose"],
        legal_basis=data["legal_basis"],
        consent_record_id=UUID(data["consent_record_id"]) if "consent_record_id" in data else None,
        document_reference=data["document_reference"],
        designated_by=UUID(data["designated_by"]),
        disclosed_at=datetime.fromisoformat(data["disclosed_at"]),
        withheld_until=_time(data, "withheld_until"),
        withholding_reference=data.get("withholding_reference"),
        recorded_at=datetime.fromisoformat(leaf.received_at),
    )


def _disclosure_by_event(index: int, leaf: Leaf, carriers: Carriers) -> DisclosureRow | None:
    declared = DISCLOSING_EVENTS[leaf.type]
    disclosed_at = datetime.fromisoformat(leaf.data[declared.at])
    reached = declared.recipient(leaf.data, disclosed_at, carriers)
    if reached is None:
        return None
    return DisclosureRow(
        leaf_index=index,
        subject=UUID(leaf.data[declared.subject]),
        recipient_id=reached.recipient_id,
        recipient_version=reached.version,
        recipient_kind=reached.kind,
        country=reached.particulars.country if reached.particulars else None,
        transfer_mechanism=reached.particulars.transfer_mechanism if reached.particulars else None,
        categories=[category.value for category in declared.categories],
        purpose=declared.purpose,
        legal_basis=declared.legal_basis(leaf.data),
        consent_record_id=None,
        document_reference=None,
        designated_by=None,
        disclosed_at=disclosed_at,
        withheld_until=None,
        withholding_reference=None,
        recorded_at=datetime.fromisoformat(leaf.received_at),
    )


def _carriers_before(connection: Connection, leaves: Sequence[Placed]) -> Carriers:
    """Who carries what before these leaves, if any of them asks for it: told again by the few leaves that say so.

    A recipient that one of these leaves is about may come to carry something by it, and is told as well.
    """
    carriers = Carriers()
    if any(leaf.type in DISCLOSING_EVENTS for _, leaf in leaves):
        changed = [leaf.data["recipient_id"] for _, leaf in leaves if leaf.type in RECIPIENT_CHANGES]
        rows = connection.execute(
            text("""
                SELECT leaf FROM leaves JOIN (
                    SELECT recipient_id, leaf_index FROM recipient_versions
                    UNION ALL SELECT recipient_id, leaf_index FROM recipient_endings
                ) AS changes USING (leaf_index)
                WHERE recipient_id IN (SELECT recipient_id FROM recipient_versions WHERE carries <> '{}')
                    OR recipient_id = ANY(CAST(:changed AS uuid[]))
                ORDER BY leaf_index
            """),
            {"changed": changed},
        )
        for row in rows:
            carriers.learn(Leaf.from_bytes(bytes(row.leaf)))
    return carriers


def _disclosures(leaves: Sequence[Placed], carriers: Carriers) -> list[DisclosureRow | None]:
    rows = []
    for index, leaf in leaves:
        carriers.learn(leaf)
        rows.append(disclosure_row(index, leaf, carriers))
    return rows


def _insert(connection: Connection, table: str, kind: type[Any], rows: Sequence[Any]) -> None:
    columns = ", ".join(field.name for field in fields(kind))
    copy_rows(connection, f"{table} ({columns})", [astuple(row) for row in rows if row is not None])


def _count(connection: Connection, rows: Sequence[DisclosureRow]) -> None:
    counted = Counter(row.counted_under for row in rows)
    if counted:
        connection.execute(
            text("""
                INSERT INTO disclosure_days AS d (day, recipient_kind, country, transfer_mechanism, disclosures)
                VALUES (:day, :kind, :country, :mechanism, :disclosures)
                ON CONFLICT (day, recipient_kind, country, transfer_mechanism)
                DO UPDATE SET disclosures = d.disclosures + :disclosures
            """),
            [
                {"day": day, "kind": kind, "country": country, "mechanism": mechanism, "disclosures": number}
                for (day, kind, country, mechanism), number in counted.items()
            ],
        )


def _time(data: Mapping[str, Any], name: str) -> datetime | None:
    return datetime.fromisoformat(data[name]) if name in data else None
