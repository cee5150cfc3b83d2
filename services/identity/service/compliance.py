"""Operations of compliance and of operators on the data of a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.identity import credentials, devices, invitees, queries
from services.identity.accounts import Account
from services.identity.lookups import Lookup
from services.identity.service.application import Identity, position
from services.identity.service.organisations import forget_invitee, lose_person
from services.identity.service.sessions import end_sessions
from services.identity.service.tokens import end_tokens
from shared.bus.actors import OPERATOR, Call
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.privacy.categories import Category
from shared.runtime.wiring import command_of


class Compliance:
    """Whose data is held, and whose was destroyed."""

    app: Identity

    @operation
    def look_up_subject(self, call: Call, email: str | None = None, username: str | None = None) -> Outcome:
        """Finds a person by exact e-mail address or, if none is given, by exact username."""

        def look_up(work: UnitOfWork) -> Outcome:
            lookup = Lookup(work.new_id())
            if email is not None:
                found = queries.account_by_email(work.connection, self.app.secret.blind_index("email", email))
            else:
                index = self.app.secret.blind_index("username", username or "")
                found = queries.account_by_username(work.connection, index)
            work.record(lookup, lookup.look_up(found, now=work.now))
            return {"lookup_id": str(lookup.id), "found": found is not None, "subject": found and str(found)}

        return self.app.store.perform(command_of(call), look_up)

    @operation(principals=[OPERATOR])
    def find_account(self, call: Call, account_id: str) -> dict[str, Any]:
        """Says under which other subject ids a person was invited. Raises `Problem("account-not-found")`."""
        if self.app.store.load(Account, UUID(account_id)).version == 0:
            raise Problem("account-not-found")
        with reading(self.app.store.engine) as connection:
            invited = invitees.of_person(connection, UUID(account_id))
        return {"account_id": account_id, "invitee_ids": [str(each.invitee_id) for each in invited]}

    @operation(principals=[OPERATOR])
    def erase_category(self, call: Call, account_id: str, category: str, invitee_ids: Sequence[str] = ()) -> Outcome:
        """Records that the keys of one category of a person's data were destroyed.

        With the category `identity` these are also the keys of the subjects under which the person was invited.
        """

        def erase(work: UnitOfWork) -> Outcome:
            account = work.load(Account, UUID(account_id))
            work.record(account, account.erase_category(category, now=work.now))
            if category == Category.TECHNICAL:
                devices.forget(work.connection, account.id)
            if category == Category.IDENTITY:
                forget_invitee(work, account.id, invitee_ids)
            return position(account)

        return self.app.store.perform(command_of(call), erase)

    @operation(principals=[OPERATOR])
    def erase_account(self, call: Call, account_id: str, invitee_ids: Sequence[str] = ()) -> Outcome:
        """Records that a person's keys were destroyed, also those of the subjects under which they were invited.

        Ends their sessions, takes them out of their organisations and forgets how to recognise them.
        """

        def erase(work: UnitOfWork) -> Outcome:
            account = work.load(Account, UUID(account_id))
            end_sessions(work, account.id, "erased")
            end_tokens(work, account.id, "erased")
            work.record(account, account.erase(now=work.now))
            lose_person(work, account.id, invitee_ids)
            credentials.forget_person(work.connection, account.id)
            return position(account)

        return self.app.store.perform(command_of(call), erase)
