"""Operations on passwords: changing one that is known, and resetting one that is not."""

from __future__ import annotations

from uuid import UUID

from services.identity.access.attempts import proving
from services.identity.access.evenly import evenly
from services.identity.access.linking import request_reset
from services.identity.accounts import credentials, link_tokens
from services.identity.accounts import queries as account_queries
from services.identity.accounts.aggregate import Account
from services.identity.accounts.links import PASSWORD_RESET
from services.identity.application import Identity
from services.identity.lifecycle.ending import decide
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import BY_RESET
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.service.wiring import command_of


class PasswordChanges:
    """What people sign in with."""

    app: Identity

    @operation
    def change_password(self, call: Call, current_password: str, new_password: str) -> Outcome:
        """Changes a password, and ends what whoever knew the old one may have begun."""
        account_id = UUID(call.actor.id)
        with reading(self.app.store.engine) as connection:
            credential = credentials.credential_of(connection, account_id)
            words = account_queries.personal_words(connection, self.app.store.keyring, account_id)
        password_hash = self.app.passwords.hash(new_password, personal=words)

        def change(work: UnitOfWork) -> Outcome:
            credentials.keep_others_out(work.connection, account_id)
            if credential is None or not fits or not credentials.is_current(work.connection, credential):
                raise Problem("password-refused")
            return replace_password(work, account_id, password_hash, "changed", keeping=call.actor.session_id)

        with proving(self.app, call):
            fits = self.app.passwords.fits(credential, current_password)
            return self.app.store.perform(command_of(call), change)

    @operation
    def request_password_reset(self, call: Call, email: str) -> Outcome:
        """Asks for the message with which a password is reset; the answer is the same whoever has the address."""
        email_index = self.app.secret.mailbox_index(email)

        def request(work: UnitOfWork) -> Outcome:
            account_id = account_queries.account_by_email(work.connection, email_index)
            if account_id is not None:
                request_reset(self.app, work, work.load(Account, account_id), call.client)
            return {}

        with evenly():
            return self.app.store.perform(command_of(call), request)

    @operation
    def reset_password(self, call: Call, token: str, password: str) -> Outcome:
        """Gives another password to whoever followed a link, and ends all that the old one opened.

        The link shows that the mailbox is theirs as well.
        """
        with reading(self.app.store.engine) as connection:
            owner = link_tokens.owner(connection, PASSWORD_RESET, token)
            words = account_queries.personal_words(connection, self.app.store.keyring, owner) if owner else ()
        password_hash = self.app.passwords.hash(password, personal=words)

        def reset(work: UnitOfWork) -> Outcome:
            if owner:
                credentials.keep_others_out(work.connection, owner)
            link = link_tokens.redeem(work.connection, PASSWORD_RESET, token, now=work.now)
            account = work.load(Account, link.account_id)
            decide(work, account, account.verify(BY_RESET, now=work.now))
            return replace_password(work, link.account_id, password_hash, "reset", keeping="")

        return self.app.store.perform(command_of(call), reset)


def replace_password(work: UnitOfWork, account_id: UUID, password_hash: str, how: str, *, keeping: str) -> Outcome:
    """Puts another password in place of the old one, and ends what whoever knew that one may have begun.

    The session with the id `keeping` stays where the person changed what they knew.
    """
    account = work.load(Account, account_id)
    decide(work, account, account.change_password(how, now=work.now), keeping=keeping)
    credentials.keep_password(work.connection, account_id, password_hash)
    return position(account)
