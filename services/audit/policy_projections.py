"""Who acknowledged which version of a policy, and who was told of one, from the leaves that say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from services.audit.leaves import Leaf
from shared.contracts.events import contract_of
from shared.contracts.identity import AccountRegistered, NoticeSent, PolicyAcknowledged
from shared.contracts.vocabulary import POLICY_LETTER, PRIVACY_POLICY, REGISTRATION
from shared.eventstore.transaction import copy_rows

if TYPE_CHECKING:
    from services.audit.projections import Entry

_REGISTERED = contract_of(AccountRegistered).type
_ACKNOWLEDGED = contract_of(PolicyAcknowledged).type
_NOTICE_SENT = contract_of(NoticeSent).type


@dataclass(frozen=True)
class Acknowledgement:
    """What a leaf says of a policy that its first subject acknowledged."""

    policy: str
    policy_version: str
    how: str
    acknowledged_at: str


def acknowledgement_of(leaf: Leaf) -> Acknowledgement | None:
    """The acknowledgement that a leaf tells of. Whoever registers acknowledges the privacy policy by that."""
    if leaf.type == _ACKNOWLEDGED:
        data = leaf.data
        return Acknowledgement(data["policy"], data["policy_version"], data["how"], data["acknowledged_at"])
    if leaf.type == _REGISTERED:
        return Acknowledgement(PRIVACY_POLICY, leaf.data["policy_version"], REGISTRATION, leaf.data["registered_at"])
    return None


def told_of_policy(leaf: Leaf) -> bool:
    """Whether a leaf says that its first subject was told of a version of a policy."""
    return leaf.type == _NOTICE_SENT and leaf.data["letter"] == POLICY_LETTER


def insert_policy_leaves(connection: Connection, entries: Sequence[Entry]) -> None:
    """Keeps what leaves say of policies and people."""
    acknowledged = [(entry, found) for entry in entries if (found := acknowledgement_of(entry.leaf))]
    copy_rows(
        connection,
        "policy_acknowledgements (subject, policy, policy_version, how, acknowledged_at, recorded_at, leaf_index)",
        [
            (
                entry.leaf.subjects[0],
                found.policy,
                found.policy_version,
                found.how,
                found.acknowledged_at,
                entry.leaf.received_at,
                entry.index,
            )
            for entry, found in acknowledged
        ],
    )
    copy_rows(
        connection,
        "policy_notices (subject, about, told_at, leaf_index)",
        [
            (entry.leaf.subjects[0], entry.leaf.data["about"], entry.leaf.data["sent_at"], entry.index)
            for entry in entries
            if told_of_policy(entry.leaf)
        ],
    )
