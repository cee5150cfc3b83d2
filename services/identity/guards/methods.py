"""Operations on guards of the house: asked for by one person, approved by another, and taken away."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity.access.recognising import must_be_of_the_house, must_have_second_factor
from services.identity.accounts.aggregate import Account
from services.identity.application import Identity
from services.identity.guards import queries as guard_request_queries
from services.identity.guards.aggregate import GuardRequest
from services.identity.lifecycle.ending import decide
from services.identity.lifecycle.methods.staffing import AUTHORISED, account_of_another
from shared.bus.actors import OPERATOR, Call
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import STAFF_GUARDS
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.runtime.clock import now
from shared.service.wiring import command_of


class Guards:
    """Who may act for the house."""

    app: Identity

    @operation(principals=AUTHORISED)
    def request_guard(self, call: Call, account_id: str, guard: str) -> Outcome:
        """Asks that somebody may act for the house, which somebody else has to approve."""
        if guard not in STAFF_GUARDS:
            raise Problem("validation-failed")

        def ask(work: UnitOfWork) -> Outcome:
            account = account_of_another(work, call, account_id, ("staff",))
            request = GuardRequest(work.new_id())
            asking = request.ask(account, guard, decider(call), now=work.now)
            if guard_request_queries.is_waiting(work.connection, account.id, guard, work.now):
                raise Problem("guard-already-requested")
            work.record(request, asking)
            assert request.expires_at is not None
            return {"request_id": str(request.id), "expires_at": rfc3339(request.expires_at), **position(request)}

        return self.app.store.perform(command_of(call), ask)

    @operation(principals=AUTHORISED)
    def list_guard_requests(self, call: Call) -> dict[str, Any]:
        """The requests that wait to be decided."""
        with reading(self.app.store.engine) as connection:
            must_have_second_factor(connection, call)
            return {"items": guard_request_queries.waiting(connection, now())}

    @operation(principals=AUTHORISED)
    def approve_guard(self, call: Call, request_id: str) -> Outcome:
        """Lets a person act for the house, as a second person beside whoever asked for it."""

        def approve(work: UnitOfWork) -> Outcome:
            must_be_of_the_house(work, call, STAFF_GUARDS)
            request = work.load(GuardRequest, UUID(request_id))
            if request.account_id is None:
                raise Problem("not-found")
            account = work.load(Account, request.account_id)
            work.record(request, request.approve(account, decider(call), now=work.now))
            decide(work, account, account.add_guard(request.guard, request.id, now=work.now))
            return position(account)

        return self.app.store.perform(command_of(call), approve)

    @operation(principals=AUTHORISED)
    def refuse_guard(self, call: Call, request_id: str) -> Outcome:
        def refuse(work: UnitOfWork) -> Outcome:
            must_be_of_the_house(work, call, STAFF_GUARDS)
            request = work.load(GuardRequest, UUID(request_id))
            work.record(request, request.refuse(decider(call), now=work.now))
            return position(request)

        return self.app.store.perform(command_of(call), refuse)

    @operation(principals=AUTHORISED)
    def revoke_guard(self, call: Call, account_id: str, guard: str) -> Outcome:
        """Takes a guard of the house away. One person is enough for that: it must be possible at once."""
        if guard not in STAFF_GUARDS:
            raise Problem("validation-failed")

        def revoke(work: UnitOfWork) -> Outcome:
            account = account_of_another(work, call, account_id, ("staff",))
            decide(work, account, account.revoke_guard(guard, now=work.now))
            return {"guards": list(account.guards), **position(account)}

        return self.app.store.perform(command_of(call), revoke)


def decider(call: Call) -> UUID | None:
    """The account of whoever decides; None for an operator."""
    return None if call.actor.kind == OPERATOR else UUID(call.actor.id)
