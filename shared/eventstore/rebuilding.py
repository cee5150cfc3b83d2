"""Rebuilding a read model beside a running platform: into twins of its tables, from what it is made of, then swapped.

The same handlers that keep the live tables fill the twins, from the beginning and in the order of the source. Each
batch commits together with how far it came, so a rebuild that was killed goes on behind its last batch. The swap is
one transaction: it stops what would change the read model, takes in what is left, and lets the twins be the tables.
It never waits long for a lock, so that nobody waits long behind it, but gives way and tries again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from shared.eventstore import twins
from shared.eventstore.projections import OwnProjection, OwnProjections
from shared.eventstore.pruning import Prune
from shared.eventstore.recorded import Recorded
from shared.eventstore.transaction import driver_of
from shared.eventstore.twins import SEES_LIVE, SEES_TWINS, TWINS, CannotRebuild
from shared.runtime.database import take_lead

WINDOW = 500
"""So many places of a source are taken in one transaction."""
MOST_WAITING = 5_000
"""So many events may wait for their numbers when tables are swapped: they are taken in while others wait."""
LOCK_MILLISECONDS = 300
"""Shorter than the second after which PostgreSQL looks for deadlocks: so it is never another who has to give up."""
PAUSE_SECONDS = 1.0
ATTEMPTS = 600
TELL_SECONDS = 1.0

_GIVEN_WAY = {"55P03", "40P01"}
"""What PostgreSQL says when a lock was not to be had: `lock_not_available`, `deadlock_detected`."""

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """What a source tells next, the place to go on behind, and how many places that is from the beginning."""

    told: Sequence[Any]
    place: str
    done: int


class Source(Protocol):
    """What a read model is made of, in the order in which it was made. A place is a word that only the source reads."""

    @property
    def start(self) -> str:
        """The place before everything."""

    def end(self, connection: Connection, /) -> int:
        """How many places there are now."""

    def read(self, connection: Connection, place: str, /) -> Step:
        """What follows a place, up to some bound."""

    def hold(self, connection: Connection, place: str, /) -> Step:
        """Stop everything that changes the read model until the transaction ends, and tell all that is left.

        Raise `NotYet` if that is too much, or cannot be had now.
        """


class NotYet(Exception):
    """The tables cannot be swapped at this moment; the message says what is waited for."""


@dataclass(frozen=True)
class ReadModel:
    """Tables whose rows follow from a source, and how.

    `apply` writes what a source tells, by plain names of tables. `begin` writes the rows that were there before the
    first event. `prunes` say which rows are not kept.
    """

    name: str
    tables: tuple[str, ...]
    source: Source
    apply: Callable[[Connection, Sequence[Any]], None]
    begin: Callable[[Connection], None] = lambda connection: None
    prunes: tuple[Prune, ...] = ()


@dataclass(frozen=True)
class OwnEvents:
    """The events of these types in the database at hand, in the order of the feed; those without a number come last."""

    types: frozenset[str]
    start: str = "0"

    def end(self, connection: Connection) -> int:
        return int(connection.scalar(text("SELECT position FROM feed_head")) or 0)

    def read(self, connection: Connection, place: str) -> Step:
        until = min(int(place) + WINDOW, self.end(connection))
        rows = connection.scalars(
            text("""
                SELECT body FROM feed JOIN events USING (event_id)
                WHERE position > :place AND position <= :until AND type = ANY(:types) ORDER BY position
            """),
            {"place": int(place), "until": until, "types": sorted(self.types)},
        )
        return Step([Recorded(bytes(body)) for body in rows], str(until), until)

    def hold(self, connection: Connection, place: str) -> Step:
        waiting = connection.scalar(
            text("SELECT count(*) FROM (SELECT FROM outbox LIMIT :most) AS waiting"), {"most": MOST_WAITING}
        )
        if waiting == MOST_WAITING:
            raise NotYet("many events have no number yet: is the courier running?")
        # Whoever appends an event does it before anything of a projection, and so waits here.
        connection.execute(text("LOCK TABLE events IN SHARE MODE"))
        # In one statement, since the relay moves rows from the outbox to the feed meanwhile.
        rows = connection.scalars(
            text("""
                SELECT body FROM (
                    SELECT false AS waits, position AS place, event_id FROM feed WHERE position > :place
                    UNION ALL SELECT true, id, event_id FROM outbox
                ) AS rest JOIN events USING (event_id)
                WHERE type = ANY(:types) ORDER BY waits, rest.place
            """),
            {"place": int(place), "types": sorted(self.types)},
        )
        return Step([Recorded(bytes(body)) for body in rows], place, int(place))


def own_read_models(projections: OwnProjections, prunes: Sequence[Prune] = ()) -> tuple[ReadModel, ...]:
    """Return the read models of a service that follow from its own events."""
    return tuple(
        ReadModel(
            part.name,
            part.tables,
            OwnEvents(part.types),
            partial(_replay, part),
            prunes=tuple(prune for prune in prunes if prune.table in part.tables),
        )
        for part in projections.parts
    )


def _replay(projection: OwnProjection, connection: Connection, events: Sequence[Recorded]) -> None:
    with driver_of(connection).pipeline():
        for recorded in events:
            projection.project(connection, recorded.unopened(), recorded)


@dataclass(frozen=True)
class Rebuilt:
    """What came of a rebuild.

    `places` are all that its source has; `rate` is how many a second this run took in, and `swap_seconds` how long it
    kept others waiting at the end.
    """

    places: int
    seconds: float
    rate: float
    swap_seconds: float


class Rebuilder:
    """Rebuilds read models in one database, which `engine` reaches as its owner; one at a time."""

    def __init__(
        self, engine: Engine, tell: Callable[[str], None], pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._engine = engine
        self._tell = tell
        self._pause = pause
        self._told_at = 0.0

    def rebuild(self, model: ReadModel, *, anew: bool = False) -> Rebuilt:
        """Rebuild one read model, from where a former run was stopped unless it is to begin `anew`.

        Raise `CannotRebuild` if it cannot be done; then the live tables are as they were.
        """
        started = time.monotonic()
        with self._engine.connect() as connection:
            if not take_lead(connection, "okacrm.rebuilding"):
                raise CannotRebuild("another rebuild works on this database: wait for its end")
            connection.commit()
            resumed = self._patiently(connection, lambda: _begin(connection, model, anew=anew))
            if resumed:
                self._tell(f"{model.name}: goes on behind {resumed:,}")
            self._catch_up(connection, model)
            with connection.begin():
                connection.execute(SEES_TWINS)
                _prune(connection, model)
                for table in model.tables:
                    connection.execute(text(f"ANALYZE {TWINS}.{table}"))
            places, swap_seconds = self._patiently(
                connection, lambda: _swap(connection, model), before=lambda: self._catch_up(connection, model)
            )
        seconds = time.monotonic() - started
        return Rebuilt(places, seconds, (places - resumed) / max(seconds, 1e-9), swap_seconds)

    def _catch_up(self, connection: Connection, model: ReadModel) -> None:
        """Take in what the source tells, until it had nothing more a moment ago."""
        began, first = time.monotonic(), None
        more = True
        while more:
            with connection.begin():
                # What is lost by a power cut is done again.
                connection.execute(text("SET LOCAL synchronous_commit = off"))
                connection.execute(SEES_TWINS)
                row = _progress(connection, model)
                first = row.done if first is None else first
                end = model.source.end(connection)
                step = model.source.read(connection, row.place)
                _take(connection, model, step)
            more = step.done < end
            self._tell_progress(model, step.done, end, (step.done - first) / max(time.monotonic() - began, 1e-9))

    def _tell_progress(self, model: ReadModel, done: int, end: int, rate: float) -> None:
        now = time.monotonic()
        if now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            self._tell(f"{model.name}: {done:,} of {end:,} ({rate:,.0f}/s)")

    def _patiently(self, connection: Connection, step: Callable[[], T], before: Callable[[], None] = lambda: None) -> T:
        """Do something in one transaction that needs locks, and give way to whoever has them, until it is done."""
        for attempt in range(ATTEMPTS):
            before()
            try:
                with connection.begin():
                    connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}"))
                    return step()
            except NotYet as reason:
                waits_for = str(reason)
            except (DBAPIError, psycopg.Error) as error:
                if getattr(getattr(error, "orig", error), "sqlstate", None) not in _GIVEN_WAY:
                    raise
                waits_for = "somebody holds a table"
            if attempt % 10 == 9:
                self._tell(f"waits: {waits_for}")
            self._pause(PAUSE_SECONDS)
        raise CannotRebuild(f"{waits_for}: run it again later, and it goes on where it is")


def unfinished(connection: Connection) -> dict[str, int]:
    """Return how far rebuilds have come that were begun in this database and have not ended, by name."""
    if connection.scalar(text(f"SELECT to_regclass('{TWINS}.rebuilds')")) is None:
        return {}
    rows = connection.execute(text(f"SELECT name, done FROM {TWINS}.rebuilds"))  # noqa: S608 - a name of the code
    return {row.name: row.done for row in rows}


def _begin(connection: Connection, model: ReadModel, *, anew: bool) -> int:
    """Make the twins, unless they are there and are still like the live tables; say how far they have come."""
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {TWINS}"))
    connection.execute(
        text(f"""
            CREATE TABLE IF NOT EXISTS {TWINS}.rebuilds (
                name text PRIMARY KEY, place text NOT NULL, done bigint NOT NULL
            )
        """)
    )
    row = _progress(connection, model)
    if row is not None and not anew and twins.exist(connection, model.tables):
        return int(row.done)
    twins.create(connection, model.tables)
    connection.execute(SEES_TWINS)
    model.begin(connection)
    connection.execute(
        text(f"""
            INSERT INTO {TWINS}.rebuilds (name, place, done) VALUES (:name, :place, 0)
            ON CONFLICT (name) DO UPDATE SET place = :place, done = 0
        """),  # noqa: S608 - a name of the code
        {"name": model.name, "place": model.source.start},
    )
    return 0


def _progress(connection: Connection, model: ReadModel) -> Any:
    return connection.execute(
        text(f"SELECT place, done FROM {TWINS}.rebuilds WHERE name = :name"),  # noqa: S608 - a name of the code
        {"name": model.name},
    ).first()


def _take(connection: Connection, model: ReadModel, step: Step) -> None:
    """Write what a source told into the twins, and how far it came.

    Raise `CannotRebuild` if that writes another table: whatever it is, it would be done a second time.
    """
    model.apply(connection, step.told)
    connection.execute(
        text(f"UPDATE {TWINS}.rebuilds SET place = :place, done = :done WHERE name = :name"),  # noqa: S608
        {"name": model.name, "place": step.place, "done": step.done},
    )
    if elsewhere := twins.written_elsewhere(connection):
        raise CannotRebuild(f"{model.name} writes {', '.join(elsewhere)}, which it does not declare to be its own")


def _prune(connection: Connection, model: ReadModel) -> None:
    """Drop what is not kept that long, before anybody could see it again."""
    for prune in model.prunes:
        connection.execute(
            text(f"DELETE FROM {TWINS}.{prune.table} WHERE {prune.since} <= now() - :kept"),  # noqa: S608 - names
            {"kept": prune.kept},
        )


def _swap(connection: Connection, model: ReadModel) -> tuple[int, float]:
    """Take in what is left while nobody adds to it, and let the twins be the tables."""
    held_since = time.monotonic()
    connection.execute(SEES_TWINS)
    rest = model.source.hold(connection, _progress(connection, model).place)
    _take(connection, model, rest)
    twins.take_their_places(connection, model.tables)
    connection.execute(SEES_LIVE)
    connection.execute(
        text(f"DELETE FROM {TWINS}.rebuilds WHERE name = :name"),  # noqa: S608 - a name of the code
        {"name": model.name},
    )
    return rest.done, time.monotonic() - held_since
