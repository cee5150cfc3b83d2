"""Who acknowledged which version of a policy, and who was told of one, from the leaves that say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from services.audit.leaves import Leaf
from shared.contracts.events import contract_of
from shared.contracts.identity import AccountRegistered, NoticeSent, PolicyAcknowledged
from shared.contracts.vocabulary import POLICY_LETTER, PRIVACY_POLICY, REGISTRATION
from shared.eventstore.transaction import copy_rows

_REGISTERED = contract_of(AccountRegistered).type
_ACKNOWLEDGED = contract_of(PolicyAcknowledged).type
_NOTICE_SENT = contract_of(NoticeSent).type


def acknowledgement(leaf: Leaf) -> dict[str, Any] | None:
    """What a leaf says of a policy that its person acknowledged: whoever registers does that for the privacy policy."""
    if leaf.type == _REGISTERED:
        policy, how, at = PRIVACY_POLICY, REGISTRATION, leaf.data["registered_at"]
    elif leaf.type == _ACKNOWLEDGED:
        policy, how, at = leaf.data["policy"], leaf.data["how"], leaf.data["acknowledged_at"]
    else:
        return None
    return {
        "subject": leaf.subjects[0],
        "policy": policy,
        "policy_version": leaf.data["policy_version"],
        "how": how,
        "acknowledged_at": datetime.fromisoformat(at),
        "recorded_at": datetime.fromisoformat(leaf.received_at),
    }


def policy_notice(leaf: Leaf) -> dict[str, Any] | None:
    """What a leaf says of a person who was told of a version of a policy, by the event that published it."""
    if leaf.type != _NOTICE_SENT or leaf.data["letter"] != POLICY_LETTER:
        return None
    return {
        "subject": leaf.subjects[0],
        "about": leaf.data["about"],
        "told_at": datetime.fromisoformat(leaf.data["sent_at"]),
    }


POLICY_ROWS: Mapping[str, Callable[[Leaf], dict[str, Any] | None]] = {
    "policy_acknowledgements": acknowledgement,
    "policy_notices": policy_notice,
}
"""By table, the row that follows from a leaf."""


def insert_policy_rows(connection: Connection, leaves: Sequence[tuple[int, Leaf]]) -> None:
    """Keeps what leaves at their positions say of people and policies."""
    for table, derive in POLICY_ROWS.items():
        rows = [{**row, "leaf_index": index} for index, leaf in leaves if (row := derive(leaf))]
        if rows:
            copy_rows(connection, f"{table} ({', '.join(rows[0])})", [tuple(row.values()) for row in rows])
