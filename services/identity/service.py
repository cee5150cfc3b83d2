"""The identity service: accounts, sessions, consents and look-ups, over RPC; and its feed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.identity import credentials, queries
from services.identity.accounts import Account, Registration
from services.identity.credentials import Passwords
from services.identity.destructions import await_destructions
from services.identity.feeds import FEED_ID, Feed, Loss
from services.identity.lookups import Lookup
from services.identity.projections import projections
from services.identity.sessions import Session
from shared.bus.actors import OPERATOR, Call
from shared.bus.feeds import answer_events, answer_feed_page, answer_places
from shared.bus.operations import Application, off_the_hub, operation
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import STAFF_GUARDS
from shared.eventstore.aggregates import Aggregate
from shared.eventstore.store import begin_epoch
from shared.eventstore.transaction import reading
from shared.eventstore.work import EventStore, Outcome, UnitOfWork
from shared.privacy.secrets import ServiceSecret
from shared.runtime.clock import now
from shared.runtime.config import Settings
from shared.runtime.wiring import command_of, event_store

REGISTERING_GUARD = "influencer"


@dataclass(frozen=True)
class Identity:
    """What the service works with."""

    store: EventStore
    secret: ServiceSecret
    passwords: Passwords


def prepare(settings: Settings) -> None:
    """What must hold before anything is served: the keyring still knows every destruction."""
    store = event_store("identity", settings, projections)
    await_destructions(store.engine, store.keyring)
    store.engine.dispose()


def build(settings: Settings) -> Identity:
    return Identity(
        store=event_store("identity", settings, projections),
        secret=ServiceSecret(settings.service_secret),
        passwords=Passwords(run=off_the_hub),
    )


class IdentityService:
    """Who people are, what they may enter, and what they consented to."""

    name = "identity"
    app: Identity = Application(build)

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
    ) -> Outcome:
        registration = Registration(email, name, time_zone, country, age_statement, accepted_policy_version)
        return _register(self.app, call, REGISTERING_GUARD, registration, password)

    @operation(principals=[OPERATOR])
    def create_staff(self, call: Call, registration: dict[str, Any], guard: str, password: str) -> Outcome:
        if guard not in STAFF_GUARDS:
            raise Problem("validation-failed")
        return _register(self.app, call, guard, Registration(**registration), password)

    @operation
    def open_session(self, call: Call, email: str, password: str, guard: str) -> Outcome:
        with reading(self.app.store.engine) as connection:
            stored = credentials.find(connection, self.app.secret.blind_index("email", email))
        credential = self.app.passwords.check(stored, password)
        command = command_of(call)

        def open_one(work: UnitOfWork) -> Outcome:
            credentials.hold(work.connection, credential)
            account = work.load(Account, credential.account_id)
            if guard not in account.guards:
                raise Problem("guard-not-held")
            session = Session(work.new_id())
            work.record(session, session.open(account.id, guard, now=work.now))
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
                **_position(session),
            }

        opened = self.app.store.perform(command, open_one)
        token = credentials.session_token(self.app.secret, command.id, UUID(opened["session_id"]))
        return {**opened, "access_token": token}

    @operation
    def resolve_session(self, call: Call, token_hash: str) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            return queries.session(connection, bytes.fromhex(token_hash), now())

    @operation
    def close_session(self, call: Call) -> Outcome:
        def close(work: UnitOfWork) -> Outcome:
            session = _end_session(work, UUID(call.actor.session_id), "signed_out")
            return {"session_id": str(session.id), **_position(session)}

        return self.app.store.perform(command_of(call), close)

    @operation
    def read_profile(self, call: Call) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            return queries.profile(connection, self.app.store.keyring, UUID(call.actor.id))

    @operation
    def change_profile(self, call: Call, **changes: str) -> Outcome:
        def change(work: UnitOfWork) -> Outcome:
            account = work.load(Account, UUID(call.actor.id))
            work.record(account, account.change_profile(changes, now=work.now))
            return _position(account)

        changed = self.app.store.perform(command_of(call), change)
        account = self.app.store.load(Account, UUID(call.actor.id), up_to=changed["version"])
        return {**queries.account_view(account), **changed}

    @operation
    def list_consents(self, call: Call) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            return {"items": queries.consents(connection, UUID(call.actor.id))}

    @operation
    def grant_consent(self, call: Call, purpose: str) -> Outcome:
        def grant(work: UnitOfWork) -> Outcome:
            account = work.load(Account, UUID(call.actor.id))
            work.record(account, account.grant_consent(purpose, now=work.now))
            return {**queries.consent_view(purpose, "granted", work.now), **_position(account)}

        return self.app.store.perform(command_of(call), grant)

    @operation
    def withdraw_consent(self, call: Call, purpose: str) -> Outcome:
        def withdraw(work: UnitOfWork) -> Outcome:
            account = work.load(Account, UUID(call.actor.id))
            work.record(account, account.withdraw_consent(purpose, now=work.now))
            return {**queries.consent_view(purpose, "withdrawn", work.now), **_position(account)}

        return self.app.store.perform(command_of(call), withdraw)

    @operation
    def look_up_subject(self, call: Call, email: str) -> Outcome:
        email_index = self.app.secret.blind_index("email", email)

        def look_up(work: UnitOfWork) -> Outcome:
            lookup = Lookup(work.new_id())
            found = queries.account_by_email(work.connection, email_index)
            work.record(lookup, lookup.look_up(found, now=work.now))
            return {"lookup_id": str(lookup.id), "found": found is not None, "subject": found and str(found)}

        return self.app.store.perform(command_of(call), look_up)

    @operation(principals=[OPERATOR])
    def find_account(self, call: Call, account_id: str) -> dict[str, Any]:
        """Says that there is such an account. Raises `Problem("account-not-found")` otherwise."""
        if self.app.store.load(Account, UUID(account_id)).version == 0:
            raise Problem("account-not-found")
        return {"account_id": account_id}

    @operation(principals=[OPERATOR])
    def erase_category(self, call: Call, account_id: str, category: str) -> Outcome:
        """Records that the keys of one category of a person's data were destroyed."""

        def erase(work: UnitOfWork) -> Outcome:
            account = work.load(Account, UUID(account_id))
            work.record(account, account.erase_category(category, now=work.now))
            return _position(account)

        return self.app.store.perform(command_of(call), erase)

    @operation(principals=[OPERATOR])
    def erase_account(self, call: Call, account_id: str) -> Outcome:
        """Records that a person's keys were destroyed, ends their sessions and forgets how to recognise them."""

        def erase(work: UnitOfWork) -> Outcome:
            account = work.load(Account, UUID(account_id))
            for session_id in credentials.sessions_of(work.connection, account.id):
                _end_session(work, session_id, "erased")
            work.record(account, account.erase(now=work.now))
            credentials.forget_person(work.connection, account.id)
            return _position(account)

        return self.app.store.perform(command_of(call), erase)

    @operation(principals=["audit"])
    def read_feed(self, call: Call, epoch: int, position: int, event_id: str | None, limit: int) -> dict[str, Any]:
        return answer_feed_page(self.app.store.engine, epoch, position, event_id, limit)

    @operation(principals=["audit"])
    def read_events(self, call: Call, event_ids: list[str]) -> dict[str, Any]:
        return answer_events(self.app.store.engine, event_ids)

    @operation(principals=[OPERATOR])
    def locate_events(self, call: Call, event_ids: list[str]) -> dict[str, Any]:
        return answer_places(self.app.store.engine, event_ids)

    @operation(principals=[OPERATOR])
    def begin_feed_epoch(
        self,
        call: Call,
        epoch: int,
        last_common_position: int,
        last_common_event: str | None,
        lost_events: int,
        repeated_events: int,
    ) -> Outcome:
        """Goes on under a new epoch after a restore, and says in the feed itself what was lost."""
        after = UUID(last_common_event) if last_common_event else None
        loss = Loss(last_common_position, after, lost_events, repeated_events)

        def begin(work: UnitOfWork) -> Outcome:
            feed = work.load(Feed, FEED_ID)
            begin_epoch(work.connection, epoch, last_common_position, after)
            work.record(feed, feed.begin_epoch(epoch, loss, now=work.now))
            return {"epoch": epoch, **_position(feed)}

        return self.app.store.perform(command_of(call), begin)


def _register(app: Identity, call: Call, guard: str, registration: Registration, password: str) -> Outcome:
    password_hash = app.passwords.hash(password, personal=(registration.email, registration.name))
    email_index = app.secret.blind_index("email", registration.email)

    def register(work: UnitOfWork) -> Outcome:
        account = Account(work.new_id())
        credentials.claim_email(work.connection, email_index, account.id)
        work.record(account, account.register(guard, registration, now=work.now))
        credentials.keep_password(work.connection, account.id, password_hash)
        return {"account_id": str(account.id), **_position(account)}

    return app.store.perform(command_of(call), register)


def _end_session(work: UnitOfWork, session_id: UUID, ending: str) -> Session:
    session = work.load(Session, session_id)
    work.record(session, session.close(ending, now=work.now))
    credentials.drop_session(work.connection, session.id)
    return session


def _position(aggregate: Aggregate) -> dict[str, Any]:
    """Where a command left its stream, for readers that wait until they can see it."""
    return {"stream": aggregate.stream, "version": aggregate.version}
