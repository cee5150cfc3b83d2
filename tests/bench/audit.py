"""The audit service at a million records: reads and proofs, at a cost of their answer and not of the log."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Engine, text

from deploy.local.platform import Platform
from services.audit import consent_queries, merkle, queries
from services.audit.leaves import Leaf
from services.audit.merkle import leaf_hash
from services.audit.projections import Entry, append_entries
from services.audit.queries import Place
from services.audit.search import parse
from services.audit.tiles import StoredTiles
from shared.contracts.times import rfc3339
from shared.runtime import clock
from shared.runtime.database import connect
from shared.runtime.migrations import migrate
from tests.bench.load import summary
from tests.bench.report import Report

RECORDS = 1_000_000
PEOPLE = 50_000
BATCH = 5_000
SAMPLES = 300


def measure(platform: Platform, report: Report) -> None:
    engine, subjects = _filled_log(platform, report)
    random.seed(1)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        now = clock.now()

        def page() -> None:
            queries.records(connection, parse(f"subject:{random.choice(subjects)}"), None, 50)

        def as_of() -> None:
            moment = now - timedelta(seconds=random.randrange(RECORDS))
            consent_queries.consents(connection, random.choice(subjects), moment, None, Place(RECORDS, 0), 200)

        def inclusion() -> None:
            merkle.inclusion_proof(StoredTiles(connection), random.randrange(RECORDS), RECORDS)

        def consistency() -> None:
            merkle.consistency_proof(StoredTiles(connection), random.randrange(1, RECORDS), RECORDS)

        def complete() -> None:
            queries.completeness(connection, ["identity"])

        for what, step, aim in (
            ("page of records by subject", page, 20),
            ("consents as of", as_of, 10),
            ("inclusion proof", inclusion, 5),
            ("consistency proof", consistency, 5),
            ("completeness", complete, None),
        ):
            latencies = []
            for _ in range(SAMPLES):
                begun = time.perf_counter()
                step()
                latencies.append(time.perf_counter() - begun)
            shown = summary(latencies, 1)
            report.add("audit", f"{what}, {RECORDS:,} records", p50=shown.p50, p95=shown.p95, aim=aim)


def _filled_log(platform: Platform, report: Report) -> tuple[Engine, list[UUID]]:
    """A log of its own with a million consents of fifty thousand people, one a second."""
    from deploy.local import postgres

    plan = postgres.databases("bench_log", ("audit",))
    postgres.provision(platform.database_url("postgres", "postgres"), plan, platform.state.password)
    audit = plan["audit"]
    migrate("audit", platform.database_url(audit.name, audit.owner), audit.roles)
    engine = connect(platform.database_url(audit.name), pool_size=2, statement_timeout_ms=0)
    subjects = [clock.new_id() for _ in range(PEOPLE)]
    started, begun = clock.now() - timedelta(seconds=RECORDS), time.perf_counter()
    for first in range(0, RECORDS, BATCH):
        entries = []
        for index in range(first, first + BATCH):
            subject = subjects[index * 7919 % PEOPLE]
            leaf = _leaf(index, str(subject), rfc3339(started + timedelta(seconds=index)))
            data = leaf.to_bytes()
            entries.append(Entry(index, leaf, data, leaf_hash(data), {}))
        with engine.begin() as connection:
            append_entries(connection, entries)
    report.add("audit", "filling the log", per_second=round(RECORDS / (time.perf_counter() - begun)))
    with connect(platform.database_url(audit.name, audit.owner), autocommit=True).connect() as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return engine, subjects


def _leaf(index: int, subject: str, moment: str) -> Leaf:
    granted = index // PEOPLE % 2 == 0
    return Leaf(
        event_id=str(clock.new_id()),
        publisher="identity",
        epoch=1,
        position=index + 1,
        workspace=None,
        workspace_counter=None,
        stream=f"account-{subject}",
        stream_version=index // PEOPLE + 1,
        type=f"okacrm.identity.consent_{'granted' if granted else 'withdrawn'}",
        schema_version=1,
        actor=f"influencer:{subject}",
        subjects=[subject],
        correlation=str(clock.new_id()),
        causation=None,
        occurred_at=moment,
        received_at=moment,
        data={"account_id": subject, "purpose": "product_news", "effective_at": moment},
        sealed=[],
    )
