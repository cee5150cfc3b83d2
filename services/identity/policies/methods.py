"""Operations on what people acknowledge of the policies, which audit publishes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity.accounts.aggregate import Account
from services.identity.application import Identity
from services.identity.policies import queries as policy_queries
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import CONTINUED_USE, EXPLICIT
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.runtime.clock import now
from shared.service.wiring import command_of


class PolicyAcknowledgements:
    """Which policies count, and which of them a person knows."""

    app: Identity

    @operation
    def list_own_policies(self, call: Call) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            return {"items": policy_queries.policies_of(connection, UUID(call.actor.id), now())}

    @operation
    def acknowledge_policy(self, call: Call, policy: str, policy_version: str) -> Outcome:
        """Keeps that a person knows a version that counts or is to come; saying it again changes nothing."""

        def acknowledge(work: UnitOfWork) -> Outcome:
            state = policy_queries.state_of(work.connection, policy, policy_version, work.now)
            if state is None:
                raise Problem("not-found")
            if state == "replaced":
                raise Problem("policy-not-current")
            account = work.load(Account, UUID(call.actor.id))
            work.record(account, account.acknowledge(policy, policy_version, EXPLICIT, now=work.now))
            acknowledged = account.acknowledged[policy, policy_version]
            return {
                "policy": policy,
                "policy_version": policy_version,
                "how": acknowledged.how,
                "acknowledged_at": rfc3339(acknowledged.at),
                **position(account),
            }

        return self.app.store.perform(command_of(call), acknowledge)


def acknowledge_by_use(work: UnitOfWork, account_id: UUID) -> None:
    """Keeps that somebody goes on using the product under versions that took effect since (section 14 of the policy).

    It is asked when a session is opened or renewed, not at every request. It is never a consent.
    """
    for policy, version in policy_queries.unacknowledged(work.connection, account_id, work.now):
        account = work.load(Account, account_id)
        work.record(account, account.acknowledge(policy, version, CONTINUED_USE, now=work.now))
