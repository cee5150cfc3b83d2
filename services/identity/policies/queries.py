"""Reads about policies: which versions there are, and what a person has acknowledged of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import PRIVACY_POLICY

_STATES = """
    SELECT policy, policy_version, effective_at,
        CASE
            WHEN effective_at > :now THEN 'coming'
            WHEN effective_at = max(effective_at) FILTER (WHERE effective_at <= :now) OVER (PARTITION BY policy)
                THEN 'in_force'
            ELSE 'replaced'
        END AS state
    FROM policy_versions
"""
_STATE = text(f"""
    SELECT state FROM ({_STATES}) AS versions WHERE policy = :policy AND policy_version = :policy_version
""")  # noqa: S608 - words from the lines above
_IN_FORCE = text(f"SELECT policy, policy_version FROM ({_STATES}) AS versions WHERE state = 'in_force'")  # noqa: S608
_UNACKNOWLEDGED = text(f"""
    SELECT policy, policy_version FROM ({_STATES}) AS versions
    WHERE state = 'in_force' AND NOT EXISTS (
        SELECT FROM policy_acknowledgements a
        WHERE a.account_id = :account_id AND (a.policy, a.policy_version) = (versions.policy, versions.policy_version)
    )
""")  # noqa: S608
_OF_ACCOUNT = text(f"""
    SELECT policy, policy_version, effective_at, state, how, acknowledged_at
    FROM ({_STATES}) AS versions
    LEFT JOIN (SELECT * FROM policy_acknowledgements WHERE account_id = :account_id) AS own
        USING (policy, policy_version)
    WHERE state <> 'replaced' OR acknowledged_at IS NOT NULL
    ORDER BY policy, effective_at
""")  # noqa: S608


def state_of(connection: Connection, policy: str, version: str, now: datetime) -> str | None:
    """Whether a version is `coming`, `in_force` or `replaced`; None if there is none, or it was withdrawn."""
    state: str | None = connection.scalar(_STATE, {"policy": policy, "policy_version": version, "now": now})
    return state


def privacy_policy_in_force(connection: Connection, now: datetime) -> str:
    """The version of the privacy policy that counts now."""
    in_force = {row.policy: str(row.policy_version) for row in connection.execute(_IN_FORCE, {"now": now})}
    return in_force[PRIVACY_POLICY]


def unacknowledged(connection: Connection, account_id: UUID, now: datetime) -> list[tuple[str, str]]:
    """The versions in force that a person has not acknowledged, by policy."""
    rows = connection.execute(_UNACKNOWLEDGED, {"account_id": account_id, "now": now})
    return [(row.policy, row.policy_version) for row in rows]


def policies_of(connection: Connection, account_id: UUID, now: datetime) -> list[dict[str, Any]]:
    """The versions that count for a person now, that are to come, and that they acknowledged before."""
    rows = connection.execute(_OF_ACCOUNT, {"account_id": account_id, "now": now})
    return [
        {
            "policy": row.policy,
            "policy_version": row.policy_version,
            "state": row.state,
            "effective_at": rfc3339(row.effective_at),
            "how": row.how,
            "acknowledged_at": row.acknowledged_at and rfc3339(row.acknowledged_at),
        }
        for row in rows
    ]
