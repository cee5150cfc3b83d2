"""Reads about policies: which versions there are, and what of them reached one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from services.audit.policies.aggregate import FIRST_EFFECTIVE_AT
from services.audit.search.postings import term_number
from services.audit.tree.leaves import Leaf
from shared.contracts.audit import PolicyPublished, PolicyWithdrawn
from shared.contracts.events import contract_of
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import FIRST_POLICY_VERSION, POLICIES, PRIVACY_POLICY

_PUBLISHED, _WITHDRAWN = contract_of(PolicyPublished).type, contract_of(PolicyWithdrawn).type

_DECISIONS = text("""
    SELECT leaf_index, leaf FROM leaf_terms JOIN leaves USING (leaf_index)
    WHERE term = ANY(:terms) AND type = ANY(:types) AND leaf_index < :size
    ORDER BY leaf_index
""")
_ACKNOWLEDGED = text("""
    SELECT policy, policy_version, how, acknowledged_at, recorded_at, event_id
    FROM policy_acknowledgements JOIN leaves USING (leaf_index)
    WHERE subject = :subject AND acknowledged_at <= :at AND leaf_index < :size
    ORDER BY acknowledged_at, leaf_index
""")
_TOLD = text("""
    SELECT told_at, event_id FROM policy_notices JOIN leaves USING (leaf_index)
    WHERE subject = :subject AND about = :about AND told_at <= :at AND leaf_index < :size
    ORDER BY leaf_index LIMIT 1
""")


@dataclass(frozen=True)
class Version:
    """A version of a policy and the record of its publication, which the first has none of."""

    policy: str
    name: str
    effective_at: datetime
    published: Leaf | None = None
    withdrawn: Leaf | None = None

    def state_at(self, moment: datetime, in_force: Version | None) -> str:
        """How it stands at a moment at which that one counts."""
        if self.withdrawn:
            return "withdrawn"
        if self.effective_at > moment:
            return "coming"
        return "in_force" if self == in_force else "replaced"


FIRST = Version(PRIVACY_POLICY, FIRST_POLICY_VERSION, FIRST_EFFECTIVE_AT)


def versions(connection: Connection, size: int) -> list[Version]:
    """Every version that the first `size` records tell of, by policy and the day on which it takes effect.

    There are as many records to be read as there were decisions about policies.
    """
    known = {(FIRST.policy, FIRST.name): FIRST}
    types = [_PUBLISHED, _WITHDRAWN]
    terms = [term_number("type", each) for each in types]
    for row in connection.execute(_DECISIONS, {"terms": terms, "types": types, "size": size}):
        leaf = Leaf.from_bytes(bytes(row.leaf))
        key = leaf.data["policy"], leaf.data["policy_version"]
        if leaf.type == _PUBLISHED:
            known[key] = Version(*key, datetime.fromisoformat(leaf.data["effective_at"]), published=leaf)
        else:
            told = known[key]
            known[key] = Version(*key, told.effective_at, published=told.published, withdrawn=leaf)
    return sorted(known.values(), key=lambda version: (POLICIES.index(version.policy), version.effective_at))


def in_force(known: Sequence[Version], policy: str, moment: datetime) -> Version | None:
    """The version of a policy that counted at a moment, for everybody; None before there was one."""
    effective = [each for each in known if each.policy == policy and not each.withdrawn and each.effective_at <= moment]
    return effective[-1] if effective else None


def version_view(version: Version, known: Sequence[Version], moment: datetime) -> dict[str, Any]:
    """A version as everybody may see it, with how it stands at a moment."""
    data = version.published.data if version.published else {}
    return {
        "policy": version.policy,
        "policy_version": version.name,
        "state": version.state_at(moment, in_force(known, version.policy, moment)),
        "effective_at": rfc3339(version.effective_at),
        "published_at": data.get("published_at"),
        "material": data.get("material"),
        "notice_days": data.get("notice_days"),
        "summaries": [
            {"language": each["language"], "subject": each["subject_line"], "text": each["text"]}
            for each in data.get("summaries", [])
        ],
        "document_url": data.get("document_url"),
        "document_sha256": data.get("document_sha256"),
    }


def records_of(version: Version) -> dict[str, Any]:
    """By whose decisions a version came to be as it is, and the records of them."""
    published, withdrawn = version.published, version.withdrawn
    return {
        "published_by": published and published.actor,
        "record_id": published and published.event_id,
        "withdrawn_at": withdrawn and withdrawn.data["withdrawn_at"],
        "withdrawn_by": withdrawn and withdrawn.actor,
        "withdrawal_record_id": withdrawn and withdrawn.event_id,
    }


def in_force_for(connection: Connection, subject: UUID, moment: datetime, size: int) -> list[dict[str, Any]]:
    """Of each policy: what counted at a moment, whether this person had been told of it, and what they acknowledged."""
    known = versions(connection, size)
    effective = [version for policy in POLICIES if (version := in_force(known, policy, moment))]
    acknowledged = [
        (row.policy, _acknowledgement_view(row))
        for row in connection.execute(_ACKNOWLEDGED, {"subject": subject, "at": moment, "size": size})
    ]
    found = []
    for version in effective:
        of_policy = [each for policy, each in acknowledged if policy == version.policy]
        of_version = [each for each in of_policy if each["policy_version"] == version.name]
        found.append(
            {
                "policy": version.policy,
                "policy_version": version.name,
                "effective_at": rfc3339(version.effective_at),
                "record_id": version.published and version.published.event_id,
                "told": _told(connection, subject, version, moment, size),
                "acknowledgement": next(iter(of_version), None),
                "last_acknowledgement": next(reversed(of_policy), None),
            }
        )
    return found


def _told(
    connection: Connection, subject: UUID, version: Version, moment: datetime, size: int
) -> dict[str, Any] | None:
    if version.published is None:
        return None
    about = UUID(version.published.event_id)
    row = connection.execute(_TOLD, {"subject": subject, "about": about, "at": moment, "size": size}).first()
    return None if row is None else {"told_at": rfc3339(row.told_at), "record_id": str(row.event_id)}


def _acknowledgement_view(row: Row[Any]) -> dict[str, Any]:
    return {
        "policy_version": row.policy_version,
        "how": row.how,
        "acknowledged_at": rfc3339(row.acknowledged_at),
        "recorded_at": rfc3339(row.recorded_at),
        "record_id": str(row.event_id),
    }
