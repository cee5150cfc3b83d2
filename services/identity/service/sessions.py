"""Operations on sessions: signing in and out, and what a token is worth."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity import credentials, queries
from services.identity.accounts import Account
from services.identity.credentials import Credential
from services.identity.service.application import Identity, position
from services.identity.service.recognising import recognise
from services.identity.sessions import Session
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.eventstore.transaction import Transaction, reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.runtime.clock import now
from shared.runtime.wiring import command_of


class Sessions:
    """Who is signed in, and as what."""

    app: Identity

    @operation
    def open_session(
        self, call: Call, email: str, password: str, guard: str, one_time_code: str | None = None
    ) -> Outcome:
        with reading(self.app.store.engine) as connection:
            stored = credentials.find(connection, self.app.secret.blind_index("email", email))
        credential = self.app.passwords.check(stored, password)
        command = command_of(call)

        def open_one(work: UnitOfWork) -> Outcome:
            credentials.hold(work.connection, credential)
            account = work.load(Account, credential.account_id)
            second_factor = recognise(self.app, work, account, one_time_code)
            if guard not in account.guards:
                raise Problem("guard-not-held")
            session = Session(work.new_id())
            work.record(session, session.open(account.id, guard, second_factor=second_factor, now=work.now))
            assert session.expires_at is not None
            credentials.keep_session(
                work.connection,
                session_id=session.id,
                account_id=account.id,
                guard=guard,
                token=credentials.session_token(self.app.secret, command.id, session.id),
                expires_at=session.expires_at,
            )
            return {
                "session_id": str(session.id),
                "account_id": str(account.id),
                "guard": guard,
                "expires_at": rfc3339(session.expires_at),
                **position(session),
            }

        opened = self.app.store.perform(command, open_one)
        renew_hash(self.app, credential, password)
        token = credentials.session_token(self.app.secret, command.id, UUID(opened["session_id"]))
        return {**opened, "access_token": token}

    @operation
    def resolve_session(self, call: Call, token_hash: str) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            return queries.session(connection, bytes.fromhex(token_hash), now())

    @operation
    def close_session(self, call: Call) -> Outcome:
        def close(work: UnitOfWork) -> Outcome:
            session = end_session(work, UUID(call.actor.session_id), "signed_out")
            return {"session_id": str(session.id), **position(session)}

        return self.app.store.perform(command_of(call), close)


def renew_hash(app: Identity, credential: Credential, password: str) -> None:
    """Hashes a password anew that was just given, if the parameters of Argon2 have changed since it was hashed."""
    password_hash = app.passwords.hashed_anew(credential, password)
    if password_hash is not None:
        with Transaction(app.store.engine) as transaction, transaction.commit():
            credentials.replace_hash(transaction.connection, credential, password_hash)


def end_sessions(work: UnitOfWork, account_id: UUID, ending: str, *, but: str = "") -> None:
    """Ends what a person is signed in with, but for the session with the id `but`, and lets none begin meanwhile."""
    credentials.keep_others_out(work.connection, account_id)
    for session_id in credentials.sessions_of(work.connection, account_id):
        if str(session_id) != but:
            end_session(work, session_id, ending)


def end_session(work: UnitOfWork, session_id: UUID, ending: str) -> Session:
    session = work.load(Session, session_id)
    work.record(session, session.close(ending, now=work.now))
    credentials.drop_session(work.connection, session.id)
    return session
