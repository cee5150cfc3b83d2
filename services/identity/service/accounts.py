"""Operations on accounts: registering, and a person's own profile."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity import credentials, queries
from services.identity.accounts import Account, Registration
from services.identity.service.application import Identity, position
from shared.bus.actors import OPERATOR, Call
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import STAFF_GUARDS
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.runtime.wiring import command_of

REGISTERING_GUARD = "influencer"


class Accounts:
    """Who people are."""

    app: Identity

    @operation
    def register_account(
        self,
        call: Call,
        email: str,
        name: str,
        time_zone: str,
        country: str,
        age_statement: bool,
        accepted_policy_version: str,
        password: str,
        referral: str | None = None,
    ) -> Outcome:
        registration = Registration(email, name, time_zone, country, age_statement, accepted_policy_version, referral)
        return register(self.app, call, REGISTERING_GUARD, registration, password)

    @operation(principals=[OPERATOR])
    def create_staff(self, call: Call, registration: dict[str, Any], guard: str, password: str) -> Outcome:
        if guard not in STAFF_GUARDS:
            raise Problem("validation-failed")
        return register(self.app, call, guard, Registration(**registration), password)

    @operation
    def read_profile(self, call: Call) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            return queries.profile(connection, self.app.store.keyring, UUID(call.actor.id))

    @operation
    def change_profile(self, call: Call, **changes: str) -> Outcome:
        def change(work: UnitOfWork) -> Outcome:
            account = work.load(Account, UUID(call.actor.id))
            work.record(account, account.change_profile(changes, now=work.now))
            return position(account)

        changed = self.app.store.perform(command_of(call), change)
        account = self.app.store.load(Account, UUID(call.actor.id), up_to=changed["version"])
        return {**queries.account_view(account), **changed}


def register(app: Identity, call: Call, guard: str, registration: Registration, password: str) -> Outcome:
    password_hash = app.passwords.hash(password, personal=(registration.email, registration.name))
    email_index = app.secret.blind_index("email", registration.email)

    def register(work: UnitOfWork) -> Outcome:
        account = Account(work.new_id())
        credentials.claim_email(work.connection, email_index, account.id)
        work.record(account, account.register(guard, registration, now=work.now))
        credentials.keep_password(work.connection, account.id, password_hash)
        return {"account_id": str(account.id), **position(account)}

    return app.store.perform(command_of(call), register)
