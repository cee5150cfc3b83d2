"""Appending to the event store, beside the library `eventsourcing` on the same PostgreSQL."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate as LibraryAggregate
from eventsourcing.domain import event as library_event
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from deploy.local import postgres
from deploy.local.interruption import Interruption
from deploy.local.platform import Platform
from services.identity.accounts.aggregate import Account
from services.identity.projections import projections
from shared.contracts.events import contract_of
from shared.contracts.identity import ConsentGranted
from shared.eventstore import store
from shared.eventstore.recorded import Circumstances, record
from shared.eventstore.store import CommandRecord
from shared.eventstore.transaction import Transaction, driver_of
from shared.eventstore.work import Command, EventStore, UnitOfWork
from shared.privacy.keyring import Keyring
from shared.privacy.secrets import ServiceSecret
from shared.runtime import clock
from shared.runtime.database import connect
from shared.runtime.migrations import migrate
from tests.bench.report import Report
from tests.making import consent_granted, registration

SECONDS = 4.0
CLIENTS = (1, 8)


def measure(platform: Platform, report: Report) -> None:
    with scratch_store(platform) as ours, library(platform) as (recorder, application):
        levels: list[tuple[str, Callable[[], Callable[[], None]], Callable[[], Callable[[], None]]]] = [
            ("append one event", lambda: _append(ours), lambda: _library_append(recorder)),
            ("load, decide, append", lambda: _command(ours), lambda: _library_command(application)),
        ]
        for what, mine, theirs in levels:
            for clients in CLIENTS:
                beside = rate(clients, theirs)
                measured = rate(clients, mine)
                report.add("append", f"{what}, {clients} clients, eventsourcing", per_second=beside)
                report.add(
                    "append",
                    f"{what}, {clients} clients",
                    per_second=measured,
                    ratio=round(measured / beside, 2),
                    aim=1.5,
                )


def rate(clients: int, make_step: Callable[[], Callable[[], None]]) -> float:
    """How often a second `clients` threads together do their step."""
    counts, start = [0] * clients, threading.Barrier(clients + 1)
    ending = threading.Event()

    def run(client: int) -> None:
        step = make_step()
        step()
        start.wait()
        while not ending.is_set():
            step()
            counts[client] += 1

    threads = [threading.Thread(target=run, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    start.wait()
    begun = time.perf_counter()
    time.sleep(SECONDS)
    ending.set()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - begun)


@contextmanager
def scratch_store(platform: Platform) -> Iterator[EventStore]:
    """An event store of identity's schema in databases of its own."""
    plan = postgres.databases(f"bench_{uuid.uuid4().hex[:6]}", ("identity",))
    postgres.provision(platform.database_url("postgres", "postgres"), plan, platform.state.password, Interruption())
    for name, database in plan.items():
        migrate(name, platform.database_url(database.name, database.owner), database.roles)
    engine = connect(platform.database_url(plan["identity"].name), pool_size=10, autocommit=True)
    keys = connect(platform.database_url(plan["keyring"].name), pool_size=4)
    yield EventStore(
        engine,
        Keyring(keys, b"m" * 32, new_id=clock.new_id),
        ServiceSecret(b"s" * 32),
        projections,
        clock=clock.now,
        new_id=clock.new_id,
    )
    engine.dispose()
    keys.dispose()


def _append(ours: EventStore) -> Callable[[], None]:
    contract = contract_of(ConsentGranted)

    def step() -> None:
        account_id, now = clock.new_id(), clock.now()
        recorded = record(
            consent_granted(account_id=account_id, effective_at=now),
            contract,
            event_id=clock.new_id(),
            stream=f"account-{account_id}",
            version=1,
            now=now,
            circumstances=Circumstances("influencer:bench", "bench"),
            keyring=ours.keyring,
        )
        with Transaction(ours.engine) as transaction, transaction.commit():
            store.append(driver_of(transaction.connection), [recorded], CommandRecord(clock.new_id(), b"f" * 32, b"{}"))

    return step


def _command(ours: EventStore) -> Callable[[], None]:
    def perform(handler: Callable[[UnitOfWork], dict[str, Any]]) -> dict[str, Any]:
        command = Command(clock.new_id(), "bench", {}, Circumstances("influencer:bench", "bench"))
        return ours.perform(command, handler)

    def register(work: UnitOfWork) -> dict[str, Any]:
        account = Account(work.new_id())
        work.record(account, account.register("influencer", registration(), now=work.now))
        return {"id": str(account.id)}

    state: dict[str, Any] = {"id": None, "steps": 0}

    def step() -> None:
        if state["steps"] % 10 == 0:
            state["id"] = UUID(perform(register)["id"])
        grant = state["steps"] % 2 == 0
        state["steps"] += 1

        def decide(work: UnitOfWork) -> dict[str, Any]:
            account = work.load(Account, state["id"])
            decision = account.grant_consent if grant else account.withdraw_consent
            work.record(account, decision("product_news", now=work.now))
            return {"version": account.version}

        perform(decide)

    return step


class Toggle(LibraryAggregate):
    """The library's aggregate for the same decisions."""

    @library_event("Registered")
    def __init__(self, email: str, name: str, time_zone: str, country: str) -> None:
        self.consents: dict[str, str] = {}

    @library_event("Granted")
    def grant(self, purpose: str) -> None:
        self.consents[purpose] = "granted"

    @library_event("Withdrawn")
    def withdraw(self, purpose: str) -> None:
        del self.consents[purpose]


@contextmanager
def library(platform: Platform) -> Iterator[tuple[PostgresApplicationRecorder, Application[UUID]]]:
    database = f"library_{uuid.uuid4().hex[:6]}"
    with psycopg.connect(platform.database_url("postgres", "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}")
    info = psycopg.conninfo.conninfo_to_dict(platform.database_url(database, "postgres"))
    settings = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(info["dbname"]),
        "POSTGRES_HOST": str(info["host"]),
        "POSTGRES_PORT": str(info["port"]),
        "POSTGRES_USER": str(info["user"]),
        "POSTGRES_PASSWORD": str(info["password"]),
        "POSTGRES_POOL_SIZE": "10",
        "POSTGRES_MAX_OVERFLOW": "0",
    }
    datastore = PostgresDatastore(
        dbname=settings["POSTGRES_DBNAME"],
        host=settings["POSTGRES_HOST"],
        port=settings["POSTGRES_PORT"],
        user=settings["POSTGRES_USER"],
        password=settings["POSTGRES_PASSWORD"],
        pool_size=10,
    )
    recorder = PostgresApplicationRecorder(datastore, events_table_name="recorded")
    recorder.create_table()
    application: Application[UUID] = Application(env=settings)
    try:
        yield recorder, application
    finally:
        application.close()
        datastore.close()


def _library_append(recorder: PostgresApplicationRecorder) -> Callable[[], None]:
    def step() -> None:
        body = b'{"account_id":"%s","purpose":"product_news"}' % str(uuid.uuid4()).encode()
        recorder.insert_events([StoredEvent(uuid.uuid4(), 1, "ConsentGranted", body)])

    return step


def _library_command(application: Application[UUID]) -> Callable[[], None]:
    def new() -> UUID:
        told = registration()
        toggle = Toggle(told.email, told.name, told.time_zone, told.country)
        application.save(toggle)
        return toggle.id

    state: dict[str, Any] = {"id": None, "steps": 0}

    def step() -> None:
        if state["steps"] % 10 == 0:
            state["id"] = new()
        grant = state["steps"] % 2 == 0
        state["steps"] += 1
        toggle: Toggle = application.repository.get(state["id"])
        (toggle.grant if grant else toggle.withdraw)("product_news")
        application.save(toggle)

    return step
