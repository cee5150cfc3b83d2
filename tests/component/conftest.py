"""Databases of a test's own, on the servers of this run."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import Engine

from deploy.local import postgres
from deploy.local.interruption import Interruption
from deploy.local.platform import Platform
from services.identity.projections import projections
from shared.contracts.services import SERVICE_NAMES
from shared.eventstore.projections import OwnProjections
from shared.eventstore.work import EventStore
from shared.privacy.keyring import Keyring
from shared.privacy.secrets import ServiceSecret
from shared.runtime.clock import new_id
from shared.runtime.database import connect
from shared.runtime.migrations import migrate
from tests.making import Clock

_numbers = itertools.count(1)


@dataclass
class Databases:
    """Migrated databases of one test, each made when it is first used, and connections to them under any role."""

    platform: Platform
    templates: dict[str, postgres.Database]
    name: str = field(default_factory=lambda: f"service-{uuid4().hex[:8]}")
    """What a publisher or subscriber over these databases calls itself, so that no other test hears it."""
    _made: dict[str, str] = field(default_factory=dict)
    _engines: dict[object, Engine] = field(default_factory=dict)

    def url(self, database: str, role: str = "service") -> str:
        template = self.templates[database]
        if database not in self._made:
            self._made[database] = f"{template.name}_{next(_numbers)}"
            _administer(
                self.platform, f"CREATE DATABASE {self._made[database]} OWNER {template.owner} TEMPLATE {template.name}"
            )
        login = {"owner": template.owner, "superuser": "postgres"}.get(role) or template.roles[role]
        return self.platform.database_url(self._made[database], login)

    def engine(self, database: str, role: str = "service", **options: int) -> Engine:
        """A connection pool; asking again for the same one gives the same one."""
        wanted = (database, role, *options.items())
        if wanted not in self._engines:
            self._engines[wanted] = connect(self.url(database, role), **options)
        return self._engines[wanted]

    def name_of(self, database: str) -> str:
        """The name of a database on its server, once it was used."""
        return self._made[database]

    def rest(self) -> None:
        """Ends the connections, so that the databases can be copied; engines connect again when they are used."""
        for engine in self._engines.values():
            engine.dispose()

    def close(self) -> None:
        """Ends the connections. A private server takes the databases with it; from another one they are dropped."""
        for engine in self._engines.values():
            engine.dispose()
        if "OKACRM_POSTGRES_URL" in os.environ:
            for name in self._made.values():
                _administer(self.platform, f"DROP DATABASE {name} WITH (FORCE)")

    @property
    def amqp_url(self) -> str:
        return self.platform.description.amqp_url

    def keyring(self, **options: object) -> Keyring:
        return Keyring(self.engine("keyring"), b"m" * 32, new_id=new_id, **options)  # type: ignore[arg-type]

    def event_store(
        self, clock: Callable[[], object] | None = None, projections: OwnProjections = projections
    ) -> EventStore:
        return EventStore(
            self.engine("identity", autocommit=True),
            self.keyring(),
            ServiceSecret(b"s" * 32),
            projections,
            clock=clock or Clock(),  # type: ignore[arg-type]
            new_id=new_id,
        )


@pytest.fixture(scope="session")
def templates(servers: Platform) -> dict[str, postgres.Database]:
    """Migrated databases that nobody uses, to make others from."""
    plan = postgres.databases(f"t{os.getpid()}", SERVICE_NAMES)
    postgres.provision(servers.database_url("postgres", "postgres"), plan, servers.state.password, Interruption())
    for name, database in plan.items():
        migrate(name, servers.database_url(database.name, database.owner), database.roles)
    return plan


@pytest.fixture
def databases(servers: Platform, templates: dict[str, postgres.Database]) -> Iterator[Databases]:
    made = Databases(servers, templates)
    yield made
    made.close()


@pytest.fixture
def store(databases: Databases) -> EventStore:
    return databases.event_store()


def _administer(platform: Platform, statement: str) -> None:
    with psycopg.connect(platform.database_url("postgres", "postgres"), autocommit=True) as connection:
        connection.execute(statement)
