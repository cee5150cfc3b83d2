"""A backlog of events through relay, RabbitMQ and audit, beside the two things that bound it from below.

The bounds: publishing the same bytes with pipelined confirms and nothing else, and inserting the same bytes in batches
and nothing else. The slower of the two is what a perfect pipeline could reach.
"""

from __future__ import annotations

import time

import amqp
import psycopg

from deploy.local.platform import Platform
from shared.bus.connection import open_connection
from shared.contracts.events import contract_of
from shared.contracts.identity import ConsentGranted
from shared.eventstore.recorded import Circumstances, Recorded, record
from shared.privacy.keyring import Keyring
from shared.runtime import clock
from shared.runtime.database import connect
from tests.bench.report import Report
from tests.making import consent_granted, eventually

EVENTS = 50_000
BATCH = 500


def measure(platform: Platform, report: Report) -> None:
    events = made_events(platform, EVENTS)
    publishing = EVENTS / _publish(platform, events)
    report.add("pipeline", "raw pipelined publishing", per_second=round(publishing))
    inserting = EVENTS / _insert(platform, events)
    report.add("pipeline", "raw batch insert", per_second=round(inserting))
    through = EVENTS / seconds_to_the_tree(platform, events)
    limit = min(publishing, inserting)
    report.add(
        "pipeline",
        f"{EVENTS:,} events, outbox to tree",
        per_second=round(through),
        ratio=round(through / limit, 2),
        aim=0.5,
    )


def made_events(platform: Platform, number: int) -> list[Recorded]:
    """Consents of as many people, as identity would have recorded them."""
    engine = connect(platform.database_url(platform.databases["keyring"].name), pool_size=1)
    keyring = Keyring(engine, b"m" * 32, new_id=clock.new_id)
    contract, events = contract_of(ConsentGranted), []
    for _ in range(number):
        account_id, now = clock.new_id(), clock.now()
        events.append(
            record(
                consent_granted(account_id=account_id, effective_at=now),
                contract,
                event_id=clock.new_id(),
                stream=f"account-{account_id}",
                version=1,
                now=now,
                circumstances=Circumstances(f"influencer:{account_id}", str(clock.new_id()), str(clock.new_id())),
                keyring=keyring,
            )
        )
    engine.dispose()
    return events


def _publish(platform: Platform, events: list[Recorded]) -> float:
    connection = open_connection(platform.description.amqp_url, name="bench")
    channel = connection.channel()
    channel.queue_declare("bench", durable=True, auto_delete=False)
    channel.confirm_select()
    confirmed = [0]

    def on_ack(tag: int, multiple: bool) -> None:
        confirmed[0] = tag if multiple else max(confirmed[0] + 1, tag)

    channel.events["basic_ack"].add(on_ack)
    begun = time.perf_counter()
    for start in range(0, EVENTS, BATCH):
        for event in events[start : start + BATCH]:
            channel.basic_publish(amqp.Message(event.body, delivery_mode=2), exchange="", routing_key="bench")
        while confirmed[0] < start + BATCH:
            connection.drain_events(timeout=10)
    taken = time.perf_counter() - begun
    channel.queue_delete("bench")
    connection.close()
    return taken


def _insert(platform: Platform, events: list[Recorded]) -> float:
    with psycopg.connect(platform.database_url(platform.databases["audit"].name, "postgres")) as connection:
        connection.execute("CREATE TABLE bench (id uuid PRIMARY KEY, body bytea NOT NULL)")
        connection.commit()
        begun = time.perf_counter()
        for start in range(0, EVENTS, BATCH):
            rows = [(event.event_id, event.body) for event in events[start : start + BATCH]]
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO bench (id, body) VALUES (%s, %s)", rows)
            connection.commit()
        taken = time.perf_counter() - begun
        connection.execute("DROP TABLE bench")
    return taken


def seconds_to_the_tree(platform: Platform, events: list[Recorded]) -> float:
    """Puts a backlog into identity's outbox while its courier is stopped, and times the way into the tree."""
    platform.supervisor.halt("courier identity")
    audit = platform.database_url(platform.databases["audit"].name, "postgres")

    def taken_in() -> int:
        with psycopg.connect(audit) as connection:
            counting = "SELECT coalesce(max(position), 0) FROM cursors WHERE publisher = 'identity'"
            (position,) = connection.execute(counting).fetchone() or (0,)
        return int(position)

    before = taken_in()
    with psycopg.connect(platform.database_url(platform.databases["identity"].name, "postgres")) as connection:
        columns = "COPY events (event_id, stream, version, type, schema_version, body) FROM STDIN"
        with connection.cursor().copy(columns) as copy:
            for event in events:
                copy.write_row(
                    (event.event_id, event.stream, event.version, event.type, event.schema_version, event.body)
                )
        with connection.cursor().copy("COPY outbox (event_id) FROM STDIN") as copy:
            for event in events:
                copy.write_row((event.event_id,))
        connection.commit()
        connection.execute("ANALYZE events")
    begun = time.perf_counter()
    platform.supervisor.resume("courier identity")
    eventually(lambda: taken_in() >= before + len(events), within=300)
    return time.perf_counter() - begun
