"""Operations on e-mail addresses: showing that one is one's own, and changing it."""

from __future__ import annotations

from uuid import UUID

from services.identity import credentials, link_tokens
from services.identity.accounts import Account
from services.identity.links import EMAIL_CHANGE, PASSWORD_RESET, VERIFICATION
from services.identity.service.application import Identity
from services.identity.service.linking import keep_link, may_be_mailed, request_verification
from services.identity.service.recognising import must_be_stepped_up
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import position
from shared.eventstore.work import Outcome, UnitOfWork
from shared.runtime.wiring import command_of


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
        def verify(work: UnitOfWork) -> Outcome:
            link = link_tokens.redeem(work.connection, VERIFICATION, token, now=work.now)
            account = work.load(Account, link.account_id)
            work.record(account, account.verify(now=work.now))
            link_tokens.withdraw(work.connection, account.id, VERIFICATION)
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
        """Moves an account to its new address. What was sent to the old one counts no more."""

        def confirm(work: UnitOfWork) -> Outcome:
            link = link_tokens.redeem(work.connection, EMAIL_CHANGE, token, now=work.now)
            account = work.load(Account, link.account_id)
            work.record(account, account.change_email(link.request_id, now=work.now))
            email_index = self.app.secret.mailbox_index(str(account.email))
            credentials.claim_email(work.connection, email_index, account.id)
            link_tokens.withdraw(work.connection, account.id, VERIFICATION, PASSWORD_RESET)
            return position(account)

        return self.app.store.perform(command_of(call), confirm)
