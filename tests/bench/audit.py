"""The audit service at a million records and more: reads and proofs, at a cost of their answer and not of the log.

OKACRM_BENCH_RECORDS says at how many records to measure, ascending and separated by commas, such as `1000000,10000000`.
Beside the reads of rows stands what PostgreSQL takes for the very same rows, asked for by their place and not decoded.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from deploy.local import postgres
from deploy.local.interruption import Interruption
from deploy.local.platform import Platform
from services.audit.consents import queries as consent_queries
from services.audit.disclosures import queries as disclosure_queries
from services.audit.disclosures.queries import Selection
from services.audit.intake.sequencing import append_entries
from services.audit.log import queries
from services.audit.log.entries import MOST_ENTRIES, entries
from services.audit.log.queries import Place
from services.audit.log.tiles import StoredTiles
from services.audit.search.language import parse
from services.audit.tree import merkle
from shared.runtime import clock
from shared.runtime.database import connect
from shared.runtime.migrations import migrate
from tests.bench.exporting import measure_exports
from tests.bench.load import Measured, summary
from tests.bench.records import World, batches
from tests.bench.report import Report

SIZES = [int(size) for size in os.environ.get("OKACRM_BENCH_RECORDS", "1000000").split(",")]
BATCH = 5_000
PAGE = 50
SAMPLES = 300
AIM = 25
"""Milliseconds within which 95 of 100 reads are to be answered, whatever the log holds."""

_SAME_ROWS = text("SELECT leaf FROM leaves WHERE leaf_index = ANY(:indexes)")


def measure(platform: Platform, report: Report) -> None:
    engine, owner = _empty_log(platform)
    world = World(clock.now() - timedelta(seconds=SIZES[-1]))
    held = 0
    for size in SIZES:
        _fill(engine, world, held, size, report)
        with owner.connect() as connection:
            connection.execute(text("VACUUM ANALYZE"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            _measure_reads(connection, world, size, report)
        measure_exports(engine.url.render_as_string(hide_password=False), size, report)
        held = size
    engine.dispose()
    owner.dispose()


def _empty_log(platform: Platform) -> tuple[Engine, Engine]:
    """A log of its own, as audit sees it and as its owner does."""
    plan = postgres.databases("bench_log", ("audit",))
    postgres.provision(platform.database_url("postgres", "postgres"), plan, platform.state.password, Interruption())
    audit = plan["audit"]
    migrate("audit", platform.database_url(audit.name, audit.owner), audit.roles)
    engine = connect(platform.database_url(audit.name), pool_size=2, statement_timeout_ms=0)
    owner = connect(
        platform.database_url(audit.name, audit.owner), pool_size=1, statement_timeout_ms=0, autocommit=True
    )
    return engine, owner


def _fill(engine: Engine, world: World, held: int, size: int, report: Report) -> None:
    """Appends records as audit does, and a checkpoint over all of them, whose note nobody reads here."""
    begun = time.perf_counter()
    for batch in batches(world, held, size, BATCH):
        with engine.begin() as connection:
            append_entries(connection, batch)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO checkpoints (size, note, signed_at) VALUES (:size, 'unsigned', now())"), {"size": size}
        )
    rate = round((size - held) / (time.perf_counter() - begun))
    report.add("audit", f"filling the log, {held:,} to {size:,} records", per_second=rate)


def _measure_reads(connection: Connection, world: World, size: int, report: Report) -> None:
    for what, read in _reads(connection, world, size):
        report.add("audit", f"{what}, {size:,} records", **_percentiles(read), aim=AIM)
    for what, query in _searches(world, size):
        indexes: list[list[int]] = []

        def search(query: Callable[[], str] = query, found: list[list[int]] = indexes) -> None:
            page = queries.records(connection, parse(query()), None, PAGE)
            found.append([item["position"] for item in page["items"]])

        here = _percentiles(search)
        again = iter(indexes)
        bare = _percentiles(lambda again=again: connection.execute(_SAME_ROWS, {"indexes": next(again)}).all())
        times_bare = round(here["p50"] / bare["p50"], 1)
        report.add("audit", f"search {what}, {size:,} records", **here, times_the_same_rows=times_bare, aim=AIM)


def _reads(connection: Connection, world: World, size: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What is read but for searches."""
    tiles = StoredTiles(connection)

    def subject() -> str:
        return str(random.choice(world.people))

    def as_of() -> Any:
        moment = world.moment(random.randrange(size))
        return consent_queries.consents(connection, random.choice(world.people), moment, None, Place(size, 0), 200)

    def disclosures(selection: Selection) -> Any:
        return disclosure_queries.disclosures(connection, selection, None, PAGE)

    yield "timeline of a subject", lambda: queries.records(connection, parse(f"subject:{subject()}"), None, PAGE)
    yield "consents as of", as_of
    yield "disclosures of a subject", lambda: disclosures(Selection(subject=random.choice(world.people)))
    yield "disclosures to a recipient", lambda: disclosures(Selection(recipient=random.choice(world.recipients)))
    yield "disclosures by sort", lambda: disclosure_queries.summary(connection, None, None)
    yield "facets of everything", lambda: queries.facets(connection, parse(""))
    yield "facets by type", lambda: queries.facets(connection, parse("type:identity.consent_granted"))
    yield "facets of a subject", lambda: queries.facets(connection, parse(f"subject:{subject()}"))
    yield "inclusion proof", lambda: merkle.inclusion_proof(tiles, random.randrange(size), size)
    yield "consistency proof", lambda: merkle.consistency_proof(tiles, random.randrange(1, size), size)
    yield "completeness", lambda: queries.completeness(connection, ["identity", "portal"])
    yield (
        f"{MOST_ENTRIES} entries",
        lambda: entries(connection, start := random.randrange(size - MOST_ENTRIES), start + MOST_ENTRIES - 1),
    )


def _searches(world: World, size: int) -> Iterator[tuple[str, Callable[[], str]]]:
    """A query of each kind: by every qualifier, by some of them together, and two that are hard."""

    def person() -> str:
        return str(random.choice(world.people))

    def day() -> str:
        return world.moment(random.randrange(size)).date().isoformat()

    yield "actor:person", lambda: f"actor:influencer:{person()}"
    yield "actor:kind", lambda: "actor:influencer"
    yield "subject:", lambda: f"subject:{person()}"
    yield "type:", lambda: "type:identity.session_opened"
    yield "publisher:", lambda: "publisher:portal"
    yield "workspace:", lambda: f"workspace:{random.choice(world.workspaces)}"
    yield "category:", lambda: "category:technical"
    yield "recipient:", lambda: f"recipient:{random.choice(world.recipients)}"
    yield "occurred: a day", lambda: f"occurred:{day()}"
    yield "-type:", lambda: "-type:identity.consent_granted"
    yield "subject: and type:", lambda: f"subject:{person()} type:identity.consent_withdrawn"
    yield (
        "workspace: and recipient:",
        lambda: f"workspace:{random.choice(world.workspaces)} recipient:{random.choice(world.recipients)}",
    )
    yield "type: of a day", lambda: f"type:portal.record_disclosed occurred:{day()}"
    yield "two that exclude each other", lambda: "type:identity.session_opened publisher:portal"
    yield "nobody's", lambda: f"subject:{clock.new_id()}"


def _percentiles(read: Callable[[], Any]) -> dict[str, float]:
    random.seed(1)
    latencies = []
    for _ in range(SAMPLES):
        begun = time.perf_counter()
        read()
        latencies.append(time.perf_counter() - begun)
    measured: Measured = summary(latencies, 1)
    return {"p50": measured.p50, "p95": measured.p95}
