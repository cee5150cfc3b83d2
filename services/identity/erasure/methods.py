"""Operations of compliance and of operators on the data of a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.identity.access import devices, throttles
from services.identity.access.recognising import must_have_second_factor
from services.identity.accounts import credentials
from services.identity.accounts import queries as account_queries
from services.identity.accounts.aggregate import Account
from services.identity.application import Identity
from services.identity.cookies.aggregate import CookieChoices
from services.identity.erasure import forgetting
from services.identity.erasure.aggregate import Lookup
from services.identity.inquiries import queries as inquiry_queries
from services.identity.inquiries.methods.inquiries import erase_person_in_inquiries
from services.identity.lifecycle.ending import decide
from services.identity.notices.mail.forgetting import forget_mails
from services.identity.organisations import invitees
from services.identity.organisations.methods.organisations import forget_invitee, lose_person
from shared.bus.actors import OPERATOR, Call
from shared.bus.operations import operation
from shared.contracts.categories import Category
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.service.wiring import command_of


class Compliance:
    """Whose data is held, and whose was destroyed."""

    app: Identity

    @operation
    def look_up_subject(self, call: Call, email: str | None = None, username: str | None = None) -> Outcome:
        """Finds a person by exact e-mail address or, if none is given, by exact username."""

        def look_up(work: UnitOfWork) -> Outcome:
            must_have_second_factor(work.connection, call)
            lookup = Lookup(work.new_id())
            if email is not None:
                found = account_queries.account_by_email(work.connection, self.app.secret.mailbox_index(email))
            else:
                index = self.app.secret.blind_index("username", username or "")
                found = account_queries.account_by_username(work.connection, index)
            work.record(lookup, lookup.look_up(found, now=work.now))
            return {"lookup_id": str(lookup.id), "found": found is not None, "subject": found and str(found)}

        return self.app.store.perform(command_of(call), look_up)

    @operation(principals=[OPERATOR])
    def find_account(self, call: Call, account_id: str) -> dict[str, Any]:
        """Says under which other subject ids a person was invited.

        Raises `Problem("account-not-found")` for whoever has neither an account nor written in as a visitor.
        """
        subject_id = UUID(account_id)
        with reading(self.app.store.engine) as connection:
            invited = invitees.of_person(connection, subject_id)
            wrote_in = bool(inquiry_queries.inquiries_of(connection, subject_id))
        if not wrote_in and self.app.store.load(Account, subject_id).version == 0:
            raise Problem("account-not-found")
        return {"account_id": account_id, "invitee_ids": [str(each.invitee_id) for each in invited]}

    @operation(principals=[OPERATOR])
    def erase_category(self, call: Call, account_id: str, category: str, invitee_ids: Sequence[str] = ()) -> Outcome:
        """Records that the keys of one category of a person's data were destroyed.

        With the category `identity` these are also the keys of the subjects under which the person was invited.
        """

        def erase(work: UnitOfWork) -> Outcome:
            account = work.load(Account, UUID(account_id))
            if account.version == 0:
                return _erase_visitor(work, account.id, category)
            if category == Category.COMMUNICATIONS:
                erase_person_in_inquiries(work, account.id, category)
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

        Ends their sessions, takes them out of their organisations and forgets how to recognise them. What they wrote
        in about stays a case, without their words.
        """

        def erase(work: UnitOfWork) -> Outcome:
            account = work.load(Account, UUID(account_id))
            if account.version == 0:
                return _erase_visitor(work, account.id, None)
            erase_person_in_inquiries(work, account.id, None)
            credentials.keep_others_out(work.connection, account.id)
            choices = work.load(CookieChoices, account.id)
            work.record(choices, choices.end(now=work.now))
            decide(work, account, account.erase(now=work.now))
            lose_person(work, account.id, invitee_ids)
            forgetting.forget_person(work.connection, account.id)
            forget_mails(work.connection, account.id)
            return position(account)

        return self.app.store.perform(command_of(call), erase)


def _erase_visitor(work: UnitOfWork, person_id: UUID, category: str | None) -> Outcome:
    """Raises `Problem("account-not-found")` if nobody with this subject id ever wrote in."""
    inquiry = erase_person_in_inquiries(work, person_id, category)
    if inquiry is None:
        raise Problem("account-not-found")
    if category is None:
        # By the mails, which are therefore forgotten behind it.
        throttles.forget_correspondent(work.connection, person_id)
        forget_mails(work.connection, person_id)
    return position(inquiry)
