"""Operations on consents."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity.accounts.aggregate import Account
from services.identity.application import Identity
from services.identity.consents import queries as consent_queries
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.purposes import REGISTER
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.service.wiring import command_of


class Consents:
    """What people consented to."""

    app: Identity

    @operation
    def list_consents(self, call: Call) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            return {"items": consent_queries.consents(connection, UUID(call.actor.id))}

    @operation
    def grant_consent(self, call: Call, purpose: str, wording_version: str | None = None) -> Outcome:
        """Keeps a consent, in answer to the words that are shown now unless the caller says which they showed."""
        shown = wording_version or REGISTER[purpose].wording_in_force

        def grant(work: UnitOfWork) -> Outcome:
            account = work.load(Account, UUID(call.actor.id))
            work.record(account, account.grant_consent(purpose, shown, now=work.now))
            return {**consent_queries.consent_view(purpose, "granted", work.now), **position(account)}

        return self.app.store.perform(command_of(call), grant)

    @operation
    def withdraw_consent(self, call: Call, purpose: str) -> Outcome:
        def withdraw(work: UnitOfWork) -> Outcome:
            account = work.load(Account, UUID(call.actor.id))
            work.record(account, account.withdraw_consent(purpose, now=work.now))
            return {**consent_queries.consent_view(purpose, "withdrawn", work.now), **position(account)}

        return self.app.store.perform(command_of(call), withdraw)
