"""The one place that makes people, workspaces, events and clocks for tests."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from marshmallow import fields
from marshmallow.validate import Length, OneOf

from services.identity.accounts.aggregate import Registration
from shared.bus.loops import Loop, Reports, keep_running
from shared.contracts.events import Contract
from shared.contracts.identity import ConsentGranted
from shared.contracts.purposes import CONSENT_WORDINGS
from shared.contracts.times import Moment
from shared.contracts.vocabulary import FIRST_POLICY_VERSION
from shared.eventstore.aggregates import Aggregate
from shared.eventstore.recorded import Circumstances, Recorded
from shared.eventstore.work import Command, EventStore, UnitOfWork

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
WORDING = CONSENT_WORDINGS[-1]
PASSWORD = "correct horse battery staple"
CIRCUMSTANCES = Circumstances(actor="influencer:test", correlation_id="test")

_numbers = itertools.count(1)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self, start: datetime = NOON) -> None:
        self.time = start

    def __call__(self) -> datetime:
        return self.time

    def pass_time(self, span: timedelta) -> None:
        self.time += span


def email() -> str:
    """An address that no other test has."""
    return f"person-{next(_numbers)}-{uuid4().hex[:8]}@example.com"


def registration(**changes: Any) -> Registration:
    values: dict[str, Any] = {
        "email": email(),
        "name": "Ada Lovelace",
        "time_zone": "Europe/Paris",
        "country": "FR",
        "age_stated": True,
        "policy_version": FIRST_POLICY_VERSION,
    }
    return Registration(**values | changes)


def registration_body(**changes: Any) -> dict[str, Any]:
    """What somebody sends to register."""
    return {
        "email": email(),
        "name": "Ada Lovelace",
        "time_zone": "Europe/Paris",
        "country": "FR",
        "age_statement": True,
        "accepted_policy_version": FIRST_POLICY_VERSION,
        "password": PASSWORD,
    } | changes


def consent_granted(**changes: Any) -> ConsentGranted:
    values = {
        "account_id": uuid4(),
        "purpose": "product_news",
        "wording_version": WORDING,
        "legal_basis": "consent",
        "effective_at": NOON,
    }
    return ConsentGranted(**values | changes)


def command(name: str = "test.command", id: UUID | None = None, **arguments: Any) -> Command:
    return Command(id or uuid4(), name, arguments, CIRCUMSTANCES)


@dataclass
class Occurrence(Aggregate, stream="occurrence"):
    """A stream of its own for one event, whatever it is about."""

    id: UUID

    def apply(self, event: Any) -> None:
        self.version += 1


def append_event(store: EventStore, event: Any) -> Recorded:
    """Appends an event without the command that would decide it."""

    def append(work: UnitOfWork) -> dict[str, Any]:
        work.record(Occurrence(uuid4()), iter([event]))
        recorded.append(work.staged[0][1])
        return {}

    recorded: list[Recorded] = []
    store.perform(command(), append)
    return recorded[-1]


def example_of(contract: Contract) -> Any:
    """An event that satisfies its contract, with every optional field filled."""
    return contract.event_class(**{name: _value(spec.wire) for name, spec in contract.fields.items()})


def _value(wire: fields.Field[Any]) -> Any:
    if "example" in wire.metadata:
        return wire.metadata["example"]
    choices = [validator.choices for validator in wire.validators if isinstance(validator, OneOf)]
    if choices:
        return next(iter(choices[0]))
    if isinstance(wire, fields.UUID):
        return uuid4()
    if isinstance(wire, Moment):
        return NOON
    if isinstance(wire, fields.Integer):
        return 7
    if isinstance(wire, fields.Boolean):
        return True
    if isinstance(wire, fields.Email):
        return email()
    if isinstance(wire, fields.Nested):
        return {name: _value(field) for name, field in wire.schema.fields.items()}
    if isinstance(wire, fields.List):
        return [_value(wire.inner)]
    lengths = [validator.equal for validator in wire.validators if isinstance(validator, Length)]
    return "x" * (lengths[0] if lengths and lengths[0] else 7)


def eventually(condition: Callable[[], Any], *, within: float = 30.0) -> Any:
    """Waits until `condition` holds and returns what it returned; the bound only ends a test that has failed."""
    deadline = time.monotonic() + within
    while not (held := condition()):
        if time.monotonic() >= deadline:
            raise AssertionError("what was waited for did not come")
        time.sleep(0.02)
    return held


@contextmanager
def running(reports: Reports | None = None) -> Iterator[tuple[Callable[[Loop], None], threading.Event]]:
    """How to run loops as a courier does, and what tells them to stop, which comes with the end of the block."""
    stopping = threading.Event()
    threads: list[threading.Thread] = []

    def run(loop: Loop) -> None:
        threads.append(threading.Thread(target=keep_running, args=(loop, stopping, reports), name=loop.name))
        threads[-1].start()

    try:
        yield run, stopping
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
