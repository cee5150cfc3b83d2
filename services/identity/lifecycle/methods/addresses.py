"""Operations on e-mail addresses: showing that one is one's own, and changing it."""

from __future__ import annotations

from uuid import UUID

from services.identity.access.linking import keep_link, may_be_mailed, request_verification
from services.identity.access.recognising import must_be_stepped_up
from services.identity.accounts import credentials, link_tokens
from services.identity.accounts.aggregate import Account
from services.identity.accounts.links import EMAIL_CHANGE, VERIFICATION
from services.identity.application import Identity
from services.identity.lifecycle.ending import decide
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import BY_LINK
from shared.eventstore.aggregates import position
from shared.eventstore.work import Outcome, UnitOfWork
from shared.service.wiring import command_of


class Addresses:
    """Where people are written to."""

    app: Identity

    @operation
    def request_email_verification(self, call: Call) -> Outcome:
        def request(work: UnitOfWork) -> Outcome:
            request_verification(self.app, work, work.load(Account, UUID(call.actor.id)), call.client)
            return {}

        return self.app.store.perform(command_of(call), request)

    @operation
    def verify_email(self, call: Call, token: str) -> Outcome:
        """Shows that the address is the person's own: the link shows the mailbox, and the session the account.

        The link alone would let whoever registered somebody else's address have it by a thoughtless click of theirs.
        """
        account_id = UUID(call.actor.id)

        def verify(work: UnitOfWork) -> Outcome:
            credentials.keep_others_out(work.connection, account_id)
            link_tokens.redeem(work.connection, VERIFICATION, token, of=account_id, now=work.now)
            account = work.load(Account, account_id)
            decide(work, account, account.verify(BY_LINK, now=work.now), keeping=call.actor.session_id)
            return position(account)

        return self.app.store.perform(command_of(call), verify)

    @operation
    def request_email_change(self, call: Call, new_email: str) -> Outcome:
        """Asks for a message to the new address. Whether that is somebody else's is not told to whoever asks."""

        def request(work: UnitOfWork) -> Outcome:
            must_be_stepped_up(work, call)
            account = work.load(Account, UUID(call.actor.id))
            request_id = work.new_id()
            work.record(account, account.request_email_change(request_id, new_email, now=work.now))
            if not may_be_mailed(self.app, work, new_email, call.client):
                raise Problem("asked-too-soon")
            link_tokens.withdraw(work.connection, account.id, EMAIL_CHANGE)
            keep_link(self.app, work, account, EMAIL_CHANGE, account.email_change, request_id)
            return {}

        return self.app.store.perform(command_of(call), request)

    @operation
    def confirm_email_change(self, call: Call, token: str) -> Outcome:
        """Moves the person's account to its new address. What was sent to the old one counts no more."""
        account_id = UUID(call.actor.id)

        def confirm(work: UnitOfWork) -> Outcome:
            link = link_tokens.redeem(work.connection, EMAIL_CHANGE, token, of=account_id, now=work.now)
            account = work.load(Account, account_id)
            decide(work, account, account.change_email(link.request_id, now=work.now), keeping=call.actor.session_id)
            email_index = self.app.secret.mailbox_index(str(account.email))
            credentials.claim_email(work.connection, email_index, account.id)
            return position(account)

        return self.app.store.perform(command_of(call), confirm)
