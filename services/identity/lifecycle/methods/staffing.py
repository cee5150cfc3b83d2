"""Operations of staff, and of operators, on the accounts of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

from services.identity.access.recognising import must_be_of_the_house
from services.identity.accounts.aggregate import Account
from services.identity.application import Identity
from services.identity.lifecycle.ending import decide
from services.identity.lifecycle.methods.accounts import deactivate_account, reactivate_account
from services.identity.lifecycle.methods.second_factor import disable_second_factor
from shared.bus.actors import GATEWAY, OPERATOR, Call
from shared.bus.operations import operation
from shared.contracts.events import Event
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import STAFF_GUARDS
from shared.eventstore.aggregates import position
from shared.eventstore.work import Outcome, UnitOfWork
from shared.service.wiring import command_of

AUTHORISED = (GATEWAY, OPERATOR)


class Staffing:
    """What is decided about an account by somebody else than its person."""

    app: Identity

    @operation(principals=AUTHORISED)
    def deactivate_account(self, call: Call, account_id: str) -> Outcome:
        return self._decide(call, account_id, lambda work, account: deactivate_account(work, account, "by_staff"))

    @operation(principals=AUTHORISED)
    def reactivate_account(self, call: Call, account_id: str) -> Outcome:
        return self._decide(call, account_id, reactivate_account)

    @operation(principals=AUTHORISED)
    def restrict_account(self, call: Call, account_id: str) -> Outcome:
        """Lets a person's data only be kept, as they asked or while it is disputed."""
        return self._decide(call, account_id, _recording(Account.restrict), guards=STAFF_GUARDS)

    @operation(principals=AUTHORISED)
    def lift_restriction(self, call: Call, account_id: str) -> Outcome:
        return self._decide(call, account_id, _recording(Account.lift_restriction), guards=STAFF_GUARDS)

    @operation(principals=AUTHORISED)
    def disable_second_factor(self, call: Call, account_id: str) -> Outcome:
        """For a person who has lost both their authenticator and their recovery codes, and has shown who they are."""

        def disable(work: UnitOfWork, account: Account) -> Outcome:
            return disable_second_factor(work, account, "by_staff", keeping="")

        return self._decide(call, account_id, disable)

    def _decide(
        self,
        call: Call,
        account_id: str,
        what: Callable[[UnitOfWork, Account], Outcome],
        guards: Sequence[str] = ("staff",),
    ) -> Outcome:
        """Lets an operator, or somebody of the house who stepped up, decide about an account that is not their own."""

        def perform(work: UnitOfWork) -> Outcome:
            return what(work, account_of_another(work, call, account_id, guards))

        return self.app.store.perform(command_of(call), perform)


def account_of_another(work: UnitOfWork, call: Call, account_id: str, guards: Sequence[str]) -> Account:
    """The account that an operator decides about, or somebody of the house who stepped up.

    Raises `Problem("own-account")` for their own, and `not-found`.
    """
    must_be_of_the_house(work, call, guards)
    if call.actor.id == account_id:
        raise Problem("own-account")
    account = work.load(Account, UUID(account_id))
    if account.version == 0:
        raise Problem("not-found")
    return account


def _recording(command: Callable[..., Iterator[Event]]) -> Callable[[UnitOfWork, Account], Outcome]:
    """Records what a command of the aggregate decides that needs to know nothing but the time."""

    def perform(work: UnitOfWork, account: Account) -> Outcome:
        decide(work, account, command(account, now=work.now))
        return position(account)

    return perform
