"""Operations on sessions: signing in and out, what a token is worth, and where else one is signed in."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from services.identity.access import devices
from services.identity.access import queries as access_queries
from services.identity.access import tokens as access_tokens
from services.identity.access.aggregate.sessions import Session, idle_limit
from services.identity.access.attempts import attempted
from services.identity.access.methods.signals import report_misused_token
from services.identity.access.recognising import recognise
from services.identity.accounts import credentials
from services.identity.accounts.aggregate import Account
from services.identity.accounts.credentials import USE_NOTED_EVERY, Credential
from services.identity.application import Identity
from services.identity.cookies.methods import hear_signal_of_person
from services.identity.policies.methods import acknowledge_by_use
from services.identity.teams.methods import team_of_token
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import Transaction, reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.runtime.clock import new_id, now
from shared.service.wiring import command_of, own_command


class Sessions:
    """Who is signed in, and as what."""

    app: Identity

    @operation
    def open_session(
        self, call: Call, email: str, password: str, guard: str, one_time_code: str | None = None
    ) -> Outcome:
        email_index = self.app.secret.mailbox_index(email)
        with reading(self.app.store.engine) as connection:
            stored = credentials.find(connection, email_index)
        command = command_of(call)

        def open_one(work: UnitOfWork) -> Outcome:
            credentials.hold(work.connection, credential)
            account = work.load(Account, credential.account_id)
            second_factor = recognise(self.app, work, account, one_time_code)
            if guard not in account.guards:
                raise Problem("guard-not-held")
            replace_session(work, call, guard)
            device = devices.device_index(self.app.secret, account.id, call.client)
            session = Session(work.new_id())
            opening = session.open(
                account.id,
                guard,
                devices.origin_of(call.client),
                second_factor=second_factor,
                new_device=devices.remember(work.connection, account.id, device, work.now),
                now=work.now,
            )
            work.record(session, opening)
            assert session.expires_at is not None
            access_tokens.keep_session(
                work.connection,
                session_id=session.id,
                account_id=account.id,
                guard=guard,
                token=access_tokens.session_token(self.app.secret, command.id, session.id),
                second_factor=second_factor,
                expires_at=session.expires_at,
                now=work.now,
            )
            hear_signal_of_person(work, call, account.id)
            acknowledge_by_use(work, account.id)
            return {
                "session_id": str(session.id),
                "account_id": str(account.id),
                "guard": guard,
                "expires_at": rfc3339(session.expires_at),
                **position(session),
            }

        with attempted(self.app, call, email_index, stored.account_id if stored else None):
            credential = self.app.passwords.check(stored, password)
            opened = self.app.store.perform(command, open_one)
        renew_hash(self.app, credential, password)
        token = access_tokens.session_token(self.app.secret, command.id, UUID(opened["session_id"]))
        return {**opened, "access_token": token}

    @operation
    def resolve_session(self, call: Call, token_hash: str) -> dict[str, Any]:
        """Who acts with a token. Raises `Problem("not-signed-in")` for one that is worth nothing, or nothing more."""
        hashed, moment = bytes.fromhex(token_hash), now()
        with reading(self.app.store.engine) as connection:
            session = access_queries.session(connection, hashed, moment)
            program = None if session else access_queries.api_token(connection, hashed, moment)
        if session:
            self._note_use(call, session, moment)
            return access_queries.session_view(session)
        program = program or team_of_token(self.app, hashed, moment)
        if program:
            return program
        report_misused_token(self.app, call, hashed, moment)
        raise Problem("not-signed-in")

    @operation
    def close_session(self, call: Call) -> Outcome:
        def close(work: UnitOfWork) -> Outcome:
            session = end_session(work, UUID(call.actor.session_id), "signed_out")
            return {"session_id": str(session.id), **position(session)}

        return self.app.store.perform(command_of(call), close)

    @operation
    def renew_session(self, call: Call) -> Outcome:
        def renew(work: UnitOfWork) -> Outcome:
            renew_token(self.app, work, call)
            acknowledge_by_use(work, UUID(call.actor.id))
            return {}

        renewed = self.app.store.perform(command_of(call), renew)
        return {**renewed, "access_token": renewed_token(self.app, call)}

    @operation
    def list_sessions(self, call: Call) -> dict[str, Any]:
        """Where the person is signed in under the same guard."""
        with reading(self.app.store.engine) as connection:
            return {"items": access_queries.sessions(connection, self.app.store.keyring, call.actor, now())}

    @operation
    def revoke_session(self, call: Call, session_id: str) -> Outcome:
        def revoke(work: UnitOfWork) -> Outcome:
            session = work.load(Session, UUID(session_id))
            work.record(session, session.revoke(UUID(call.actor.id), call.actor.kind, now=work.now))
            access_tokens.drop_session(work.connection, session.id, work.now)
            return {"session_id": session_id, **position(session)}

        return self.app.store.perform(command_of(call), revoke)

    @operation
    def revoke_other_sessions(self, call: Call) -> Outcome:
        def revoke(work: UnitOfWork) -> Outcome:
            held = access_tokens.sessions_of(work.connection, UUID(call.actor.id), guard=call.actor.kind)
            others = [session_id for session_id in held if str(session_id) != call.actor.session_id]
            for session_id in others:
                end_session(work, session_id, "revoked")
            return {"ended": len(others)}

        return self.app.store.perform(command_of(call), revoke)

    def _note_use(self, call: Call, session: Row[Any], moment: datetime) -> None:
        """Raises `Problem("not-signed-in")` for a session that was not used for too long, which ends it."""
        if moment >= session.last_used_at + idle_limit(session.guard):
            self._end_idle(call, session.session_id)
            raise Problem("not-signed-in")
        if moment >= session.last_used_at + USE_NOTED_EVERY:
            with reading(self.app.store.engine) as connection:
                access_tokens.note_use(connection, session.session_id, since=moment - USE_NOTED_EVERY, now=moment)

    def _end_idle(self, call: Call, session_id: UUID) -> None:
        def end(work: UnitOfWork) -> Outcome:
            return position(end_session(work, session_id, "idle"))

        self.app.store.perform(own_command(call, new_id()), end)


def renew_token(app: Identity, work: UnitOfWork, call: Call) -> None:
    """Gives the session of a call another token, as is due whenever what the session may do changes.

    Raises `Problem("not-signed-in")` for a session that has ended.
    """
    access_tokens.change_token(work.connection, UUID(call.actor.session_id), renewed_token(app, call), work.now)


def renewed_token(app: Identity, call: Call) -> str:
    """The token that a call gives to its session: made again when the call is repeated."""
    return access_tokens.session_token(app.secret, UUID(call.command_id), UUID(call.actor.session_id))


def renew_hash(app: Identity, credential: Credential, password: str) -> None:
    """Hashes a password anew that was just given, if passwords are hashed in another way by now."""
    password_hash = app.passwords.hashed_anew(credential, password)
    if password_hash is not None:
        with Transaction(app.store.engine) as transaction, transaction.commit():
            credentials.replace_hash(transaction.connection, credential, password_hash)


def end_sessions(work: UnitOfWork, account_id: UUID, ending: str, *, but: str = "") -> None:
    """Ends what a person is signed in with, but for the session with the id `but`, and lets none begin meanwhile."""
    credentials.keep_others_out(work.connection, account_id)
    for session_id in access_tokens.sessions_of(work.connection, account_id):
        if str(session_id) != but:
            end_session(work, session_id, ending)


def end_session(work: UnitOfWork, session_id: UUID, ending: str) -> Session:
    """Ends a session; one that has ended already stays as it is."""
    session = work.load(Session, session_id)
    work.record(session, session.end(ending, now=work.now))
    access_tokens.drop_session(work.connection, session.id, work.now)
    return session


def replace_session(work: UnitOfWork, call: Call, guard: str) -> None:
    """Ends the session whose token a browser is about to overwrite, whoever's it is: nobody could sign out of it."""
    held = call.client.held_token if call.client else ""
    replaced = access_tokens.session_held(work.connection, bytes.fromhex(held), guard) if held else None
    if replaced is not None:
        end_session(work, replaced, "replaced")
