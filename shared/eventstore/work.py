"""The unit of work: one command, one transaction, one effect.

    idempotency record, events, own projections and outbox

commit together or not at all. A command that comes again, in parallel or after a crash, gets the answer it got first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

import psycopg
from psycopg.errors import UniqueViolation
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from shared.contracts.events import Event, InvalidEvent, contract_of
from shared.contracts.problems import Problem
from shared.eventstore import store
from shared.eventstore.aggregates import Aggregate
from shared.eventstore.canonical import canonical_json
from shared.eventstore.projections import OwnProjections
from shared.eventstore.recent import RecentAggregates
from shared.eventstore.recorded import Circumstances, Recorded, record
from shared.eventstore.store import CommandRecord
from shared.eventstore.transaction import Transaction, driver_of, reading
from shared.privacy.keyring import Keyring
from shared.privacy.secrets import ServiceSecret
from shared.runtime.faults import Fault, fault_of

ATTEMPTS = 5


class Concurrent(Exception):
    """Another transaction came first: to the same stream, with the same command, or to locks of both."""


Outcome = dict[str, Any]
A = TypeVar("A", bound=Aggregate)


@dataclass(frozen=True)
class Command:
    """What is asked, by whom, and under which id it may be asked again."""

    id: UUID
    name: str
    arguments: dict[str, Any]
    circumstances: Circumstances


class UnitOfWork:
    """What a command handler works with, inside its transaction."""

    def __init__(
        self,
        transaction: Transaction,
        command: Command,
        now: datetime,
        new_id: Callable[[], UUID],
        keyring: Keyring,
        recent: RecentAggregates,
    ) -> None:
        self._transaction = transaction
        self.now = now
        self.new_id = new_id
        self._command = command
        self._keyring = keyring
        self._recent = recent
        self._loaded: dict[str, tuple[float, Aggregate]] = {}
        self._staged: list[tuple[Event, Recorded]] = []

    @property
    def connection(self) -> Connection:
        """For rows beside the events, such as credentials: in the transaction, which begins here if it has not yet."""
        self._transaction.begin()
        return self._transaction.connection

    def load(self, kind: type[A], id: UUID) -> A:
        """The aggregate as its events tell it; one without events has version 0.

        Asking again gives the same one, with what was recorded of it meanwhile.
        """
        stream = kind.stream_of(id)
        if stream not in self._loaded:
            opened_at, aggregate = self._recent.take(stream) or (self._recent.now(), _new(kind, id))
            _catch_up(self._transaction.connection, self._keyring, aggregate)
            self._loaded[stream] = (opened_at, aggregate)
        return cast(A, self._loaded[stream][1])

    def keep_loaded(self) -> None:
        """After the commit, leaves what was loaded to the next command."""
        for opened_at, aggregate in self._loaded.values():
            self._recent.keep(opened_at, aggregate)

    def record(self, aggregate: Aggregate, events: Iterator[Event]) -> None:
        """Runs a command of an aggregate and keeps the events it yields for the commit.

        Raises `Problem("validation-failed")` for an event that its contract does not admit.
        """
        for event in events:
            aggregate.apply(event)
            self._staged.append((event, self._recorded(aggregate, event)))

    def _recorded(self, aggregate: Aggregate, event: Event) -> Recorded:
        try:
            return record(
                event,
                contract_of(type(event)),
                event_id=self.new_id(),
                stream=aggregate.stream,
                version=aggregate.version,
                now=self.now,
                circumstances=self._command.circumstances,
                keyring=self._keyring,
                workspace=aggregate.workspace,
            )
        except InvalidEvent as invalid:
            errors = [{"pointer": f"/{name}", "message": "Not admitted."} for name in invalid.fields]
            raise Problem("validation-failed", errors=errors) from None

    @property
    def staged(self) -> list[tuple[Event, Recorded]]:
        """The events that the commit will append, typed and recorded, in order."""
        return self._staged


class EventStore:
    """The event store of one service: runs its commands and rebuilds its aggregates."""

    def __init__(
        self,
        engine: Engine,
        keyring: Keyring,
        secret: ServiceSecret,
        projections: OwnProjections,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        self._recent = RecentAggregates()
        self.engine = engine
        self.keyring = keyring
        self._secret = secret
        self._projections = projections
        self._clock = clock
        self._new_id = new_id

    def perform(self, command: Command, handler: Callable[[UnitOfWork], Outcome]) -> Outcome:
        """Runs `handler` with one effect for this command id and returns its outcome, or what it returned before.

        Nothing is looked up first: the record of the command, written with its events, is what a repetition runs into,
        and then the work of the repetition is undone and the first answer given. Commands are seldom repeated.

        An outcome holds references (ids, versions, times, words of closed vocabularies), because it is kept. Raises the
        `Problem` of a refusal, which is kept as well; `Problem("idempotency-key-reused")` if the id was used to ask for
        something else; `service-unavailable` if nothing was done, `outcome-unknown` if the commit got no answer.
        """
        fingerprint = self._fingerprint(command)
        for _ in range(ATTEMPTS):
            try:
                outcome = self._attempt(command, fingerprint, handler)
            except Concurrent:
                known = self._known_outcome(command, fingerprint)
                if known is None:
                    continue
                outcome = known
            except Problem as refusal:
                outcome = self._refuse(command, fingerprint, refusal)
            return _answer(outcome)
        raise Problem("conflict")

    def load(self, kind: type[A], id: UUID, *, up_to: int | None = None) -> A:
        """An aggregate as it stands, or as it stood at version `up_to`."""
        aggregate = _new(kind, id)
        with reading(self.engine) as connection:
            _catch_up(connection, self.keyring, aggregate, up_to=up_to)
        return aggregate

    def _attempt(self, command: Command, fingerprint: bytes, handler: Callable[[UnitOfWork], Outcome]) -> Outcome:
        with Transaction(self.engine) as transaction, _conflicts():
            work = UnitOfWork(transaction, command, self._clock(), self._new_id, self.keyring, self._recent)
            outcome = handler(work)
            with transaction.commit():
                events = [recorded for _, recorded in work.staged]
                record = CommandRecord(command.id, fingerprint, canonical_json(outcome))
                store.append(driver_of(transaction.connection), events, record)
                for event, recorded in work.staged:
                    self._projections.project(transaction.connection, event, recorded)
            work.keep_loaded()
            return outcome

    def _refuse(self, command: Command, fingerprint: bytes, refusal: Problem) -> Outcome:
        """Keeps a refusal, unless the same command was answered meanwhile: then that answer stands."""
        if refusal.type.status >= 500:
            raise refusal
        refused = {"refused": refusal.to_json()}
        try:
            with Transaction(self.engine) as transaction, _conflicts(), transaction.commit():
                record = CommandRecord(command.id, fingerprint, canonical_json(refused))
                store.append(driver_of(transaction.connection), [], record)
        except Concurrent:
            return self._known_outcome(command, fingerprint) or refused
        return refused

    def _known_outcome(self, command: Command, fingerprint: bytes) -> Outcome | None:
        """What came of this command id before. Raises `Problem("idempotency-key-reused")` if it was for another."""
        with reading(self.engine) as connection:
            row = connection.execute(
                text("SELECT fingerprint, outcome FROM commands WHERE command_id = :command_id"),
                {"command_id": command.id},
            ).first()
        if row is None:
            return None
        if bytes(row.fingerprint) != fingerprint:
            raise Problem("idempotency-key-reused")
        return cast(Outcome, json.loads(bytes(row.outcome)))

    def _fingerprint(self, command: Command) -> bytes:
        asked = {"name": command.name, "arguments": command.arguments, "actor": command.circumstances.actor}
        return self._secret.keyed_hash("idempotency", canonical_json(asked))


def _new(kind: type[A], id: UUID) -> A:
    return kind(id=id)  # type: ignore[call-arg]


def _catch_up(connection: Connection, keyring: Keyring, aggregate: Aggregate, *, up_to: int | None = None) -> None:
    """Applies what its stream holds beyond an aggregate's version, all of it or up to version `up_to`."""
    for recorded in store.load(connection, aggregate.stream, after=aggregate.version, up_to=up_to):
        aggregate.apply(recorded.open(keyring))


@contextmanager
def _conflicts() -> Iterator[None]:
    """What another transaction did first, as `Concurrent`: a version or a command that is there, or a deadlock."""
    try:
        yield
    except (DBAPIError, psycopg.Error) as error:
        violation = error.orig if isinstance(error, DBAPIError) else error
        is_there = isinstance(violation, UniqueViolation) and violation.diag.table_name in ("events", "commands")
        if is_there or fault_of(error) is Fault.CONFLICT:
            raise Concurrent from None
        raise


def _answer(outcome: Outcome) -> Outcome:
    """What a kept outcome says to whoever asked."""
    if "refused" in outcome:
        raise Problem.from_json(outcome["refused"])
    return outcome
