"""What identity knows of policies: the versions that audit publishes, and who acknowledged which."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from shared.bus.subscriptions import Delivery
from shared.contracts.audit import PolicyPublished, PolicyWithdrawn
from shared.contracts.events import contract_of
from shared.contracts.identity import AccountErased, AccountRegistered, PolicyAcknowledged
from shared.contracts.vocabulary import FIRST_POLICY_VERSION, PRIVACY_POLICY, REGISTRATION
from shared.eventstore.projections import OwnProjection
from shared.eventstore.recorded import Recorded

policy_acknowledgements = OwnProjection("policy_acknowledgements", "policy_acknowledgements")

_PUBLISHED, _WITHDRAWN = contract_of(PolicyPublished).type, contract_of(PolicyWithdrawn).type

_ADD_VERSION = text("""
    INSERT INTO policy_versions (policy, policy_version, effective_at)
    VALUES (:policy, :policy_version, :effective_at) ON CONFLICT DO NOTHING
""")
_REMOVE_VERSION = text("DELETE FROM policy_versions WHERE policy = :policy AND policy_version = :policy_version")
_KEEP = text("""
    INSERT INTO policy_acknowledgements (account_id, policy, policy_version, how, acknowledged_at)
    VALUES (:account_id, :policy, :policy_version, :how, :acknowledged_at)
""")


def begin_with_first_version(connection: Connection) -> None:
    """Keeps the version with which the product began, as the migration did that made the table: nobody published it."""
    first = {"policy": PRIVACY_POLICY, "policy_version": FIRST_POLICY_VERSION, "effective_at": FIRST_POLICY_VERSION}
    connection.execute(_ADD_VERSION, first)


def follow_policies(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    """Keeps which versions of policies there are, from what audit tells."""
    for delivery in deliveries:
        data = delivery.recorded.data
        if delivery.recorded.type == _PUBLISHED:
            connection.execute(_ADD_VERSION, data)
        elif delivery.recorded.type == _WITHDRAWN:
            connection.execute(_REMOVE_VERSION, data)


@policy_acknowledgements.on(AccountRegistered)
def keep_registration(connection: Connection, event: AccountRegistered, recorded: Recorded) -> None:
    _keep(connection, event.account_id, PRIVACY_POLICY, event.policy_version, REGISTRATION, event.registered_at)


@policy_acknowledgements.on(PolicyAcknowledged)
def keep_acknowledgement(connection: Connection, event: PolicyAcknowledged, recorded: Recorded) -> None:
    _keep(connection, event.account_id, event.policy, event.policy_version, event.how, event.acknowledged_at)


@policy_acknowledgements.on(AccountErased)
def remove_acknowledgements(connection: Connection, event: AccountErased, recorded: Recorded) -> None:
    connection.execute(
        text("DELETE FROM policy_acknowledgements WHERE account_id = :account_id"), {"account_id": event.account_id}
    )


def _keep(
    connection: Connection, account_id: UUID, policy: str, version: str, how: str, acknowledged_at: datetime
) -> None:
    connection.execute(
        _KEEP,
        {
            "account_id": account_id,
            "policy": policy,
            "policy_version": version,
            "how": how,
            "acknowledged_at": acknowledged_at,
        },
    )
