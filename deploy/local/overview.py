"""How a running platform stands: its processes, how far each feed and each subscription has come, and the log.

Everything is asked from outside, as the roles of the services; nothing is kept and nothing is changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from psycopg.rows import namedtuple_row

from deploy.local import rabbitmq
from deploy.local.platform import Platform
from deploy.local.state import PlatformError
from shared.contracts.services import SERVICE_NAMES

if TYPE_CHECKING:
    from services.audit.tree.notes import Verifier

FAILS_AGAIN = 3
"""Attempts of a job after which its failing is no longer passing."""
LONG = 60.0
"""Seconds after which waiting is no longer passing."""


@dataclass(frozen=True)
class Process:
    """A server or a process of ours."""

    name: str
    pid: int | None
    ready: bool


@dataclass(frozen=True)
class Feed:
    """How far a publisher has come. `waiting_seconds` is the age of the oldest event not published yet, if any."""

    service: str
    epoch: int
    outbox: int
    head: int
    published: int
    waiting_seconds: float | None


@dataclass(frozen=True)
class Cursor:
    """How far a subscription has come in one feed, and since when the next event waits for it, if one does."""

    service: str
    subscription: str
    publisher: str
    epoch: int
    position: int
    lag: int
    waiting_seconds: float | None
    heard_seconds_ago: float | None
    halted: str | None


@dataclass(frozen=True)
class Parked:
    """A stream that a reaction parked: how many of its events wait, which of them failed, and with what error.

    It is `wanted` while an operator's wish to try it again is not fulfilled.
    """

    service: str
    subscription: str
    publisher: str
    stream: str
    events: int
    event_type: str
    reason: str
    parked_seconds_ago: float | None
    wanted: bool


@dataclass(frozen=True)
class Mails:
    """The mails of a service that are not sent yet. `overdue_seconds` is since when the first of them should be."""

    service: str
    waiting: int
    overdue_seconds: float | None


@dataclass(frozen=True)
class Export:
    """An export that failed when it was tried last; it is tried again, unless it is parked."""

    export_id: str
    form: str
    records: int
    failures: int
    error: str
    parked_seconds_ago: float | None


@dataclass(frozen=True)
class Job:
    """Scheduled work that failed when it was tried last; it is tried again, unless it is parked."""

    service: str
    kind: str
    key: str
    attempts: int
    reason: str | None
    parked_seconds_ago: float | None


@dataclass(frozen=True)
class Loop:
    """A loop of a courier whose last turn failed: how often in a row, why, since when, and when last."""

    service: str
    name: str
    failures: int
    reason: str
    failing_seconds: float
    failed_seconds_ago: float


@dataclass(frozen=True)
class Log:
    """The audit log: its records, its latest checkpoint and what lies outside the database.

    `archived` is None and `archive` says why where the archive cannot be read. `signer` says how the guard stands to
    the latest checkpoint, to the log and to the keys.
    """

    records: int
    checkpoint: int
    checkpoint_seconds_ago: float | None
    waiting_seconds: float | None
    archived: int | None
    archive: str
    signer: str


@dataclass(frozen=True)
class Comparison:
    """How far something that is stored was compared with what was recorded of it, and what was found.

    `position` of `entries` in the round that is under way; `ended_seconds_ago` is when the last one came to its end.
    """

    store: str
    position: int
    entries: int
    ended_seconds_ago: float | None
    findings: int
    first: str


@dataclass(frozen=True)
class Queue:
    """A queue of the broker; None if there is none of this name."""

    name: str
    messages: int | None
    consumers: int | None


@dataclass(frozen=True)
class Progress:
    """How far a part has come, and how far there is to go for now."""

    at: int
    due: int


@dataclass
class Overview:
    """All of it, and what of it needs somebody to look."""

    url: str
    metrics: str
    pid: int
    state: str
    processes: list[Process]
    feeds: list[Feed] = field(default_factory=list)
    cursors: list[Cursor] = field(default_factory=list)
    log: Log | None = None
    queues: list[Queue] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    mails: list[Mails] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    exports: list[Export] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    mail_page: str | None = None
    """Where the caught mails are read; None if a mail server sends them."""

    @property
    def well(self) -> bool:
        return not self.troubles

    def progress(self) -> dict[str, Progress]:
        """Of each feed, subscription and log how far it has come, and how far it would be without any delay."""
        parts = {f"feed {feed.service}": Progress(feed.published, feed.head + feed.outbox) for feed in self.feeds}
        for cursor in self.cursors:
            name = f"{cursor.service}.{cursor.subscription} of {cursor.publisher}"
            parts[name] = Progress(cursor.position, cursor.position + cursor.lag)
        if self.log is not None:
            parts["log"] = Progress(self.log.checkpoint, self.log.records)
        return parts

    def as_document(self) -> dict[str, Any]:
        return {"well": self.well, **asdict(self)}


def wait_until_well(
    look: Callable[[], Overview], patience: float, *, clock: Callable[[], float], pause: Callable[[], None]
) -> Overview:
    """Look until all is well, or for so long that nothing of what was due at the first look comes any nearer.

    On a busy machine a backlog may need longer than anybody said. What is added to it meanwhile is waited for no longer
    than that. Raises `PlatformError` if no platform is found for so long.
    """
    deadline = clock() + patience
    due: dict[str, Progress] = {}
    while True:
        began = clock()
        try:
            overview = look()
        except PlatformError:
            if began >= deadline:
                raise
        else:
            now_at = overview.progress()
            if _comes_nearer(due, now_at):
                deadline = clock() + patience
            if overview.well or began >= deadline:
                return overview
            due = {name: Progress(part.at, due.get(name, part).due) for name, part in now_at.items()}
        pause()


def _comes_nearer(before: dict[str, Progress], now: dict[str, Progress]) -> bool:
    """Whether a part moved that had not reached what was due of it."""
    return any(name in now and part.at < min(now[name].at, part.due) for name, part in before.items())


def look_at(platform: Platform) -> Overview:
    """The platform as it stands now. A part that cannot be asked is a trouble, not an error."""
    readiness, pids = platform.readiness(), platform.pids()
    overview = Overview(
        url=platform.base_url,
        metrics=platform.metrics_url,
        pid=platform.description.pid,
        state=str(platform.state.root),
        mail_page=platform.description.mail_page,
        processes=[Process(name, pids.get(name), ready) for name, ready in readiness.items()],
    )
    overview.troubles += [f"{process.name} is not ready" for process in overview.processes if not process.ready]
    # Before the log, which then has all that was signed; what is signed later may be ahead of it.
    signed = _signed_size(platform)
    for service in SERVICE_NAMES:
        try:
            with _database(platform, service) as connection:
                _look_into(overview, platform, service, connection, signed)
        except psycopg.Error as error:
            overview.troubles.append(f"the database of {service} cannot be read ({error.sqlstate or 'no connection'})")
    overview.cursors = [_beside_feed(platform, cursor, overview) for cursor in overview.cursors]
    overview.queues = _queues(platform, overview.cursors)
    overview.troubles += [*troubles(overview)]
    return overview


@contextmanager
def _database(platform: Platform, service: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that sees one moment of a service's database and cannot change it."""
    url = platform.database_url(platform.databases[service].name)
    with psycopg.connect(
        url, row_factory=namedtuple_row, connect_timeout=3, options="-c statement_timeout=5000"
    ) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield connection


def _look_into(
    overview: Overview, platform: Platform, service: str, connection: psycopg.Connection[Any], signed: int
) -> None:
    if _has(connection, "feed_head"):
        overview.feeds.append(_feed(connection, service))
    if _has(connection, "cursors"):
        rows = connection.execute("SELECT *, event_id::text AS event FROM cursors ORDER BY subscription, publisher")
        overview.cursors += [
            Cursor(
                service,
                row.subscription,
                row.publisher,
                row.epoch,
                row.position,
                lag=max(row.head - row.position, 0),
                waiting_seconds=None,
                heard_seconds_ago=_seconds_since(row.head_stated_at),
                halted=row.halted,
            )
            for row in rows
        ]
    if _has(connection, "parked_streams"):
        overview.parked += _parked(connection, service)
    if _has(connection, "mails"):
        overview.mails.append(_mails(connection, service))
    if _has(connection, "loops"):
        overview.loops += _loops(connection, service)
    if _has(connection, "jobs"):
        overview.jobs += _jobs(connection, service)
    if _has(connection, "exports"):
        overview.exports += _exports(connection)
    if _has(connection, "log_head"):
        overview.log = _log(platform, connection, signed)
    if _has(connection, "comparisons"):
        overview.comparisons = _comparisons(connection)


def _has(connection: psycopg.Connection[Any], table: str) -> bool:
    return bool(connection.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchall()[0][0])


def _feed(connection: psycopg.Connection[Any], service: str) -> Feed:
    (head,) = connection.execute("SELECT epoch, position, published FROM feed_head").fetchall()
    (outbox,) = connection.execute("SELECT count(*) AS length FROM outbox").fetchall()
    waiting = connection.execute(
        """
        (SELECT event_id FROM feed WHERE position > %s ORDER BY position LIMIT 1)
        UNION ALL (SELECT event_id FROM outbox ORDER BY id LIMIT 1)
        """,
        [head.published],
    ).fetchall()
    ages = [age for row in waiting if (age := _age_of_event(row.event_id)) is not None]
    return Feed(service, head.epoch, outbox.length, head.position, head.published, max(ages, default=None))


def _parked(connection: psycopg.Connection[Any], service: str) -> Iterator[Parked]:
    rows = connection.execute("""
        SELECT s.*, e.events, e.message FROM parked_streams s JOIN LATERAL (
            SELECT count(*) AS events, (array_agg(message ORDER BY epoch, position))[1] AS message FROM parked_events e
            WHERE (e.subscription, e.publisher, e.stream) = (s.subscription, s.publisher, s.stream)
        ) AS e ON events > 0
        ORDER BY parked_at
    """)
    for row in rows:
        yield Parked(
            service,
            row.subscription,
            row.publisher,
            row.stream,
            events=row.events,
            event_type=json.loads(row.message)["type"],
            reason=row.reason,
            parked_seconds_ago=_seconds_since(row.parked_at),
            wanted=row.wanted,
        )


def _mails(connection: psycopg.Connection[Any], service: str) -> Mails:
    (row,) = connection.execute("""
        SELECT count(*) AS waiting, min(due_at) FILTER (WHERE due_at <= now()) AS due FROM mails
        WHERE state = 'waiting'
    """).fetchall()
    return Mails(service, row.waiting, _seconds_since(row.due))


def _loops(connection: psycopg.Connection[Any], service: str) -> Iterator[Loop]:
    for row in connection.execute("SELECT * FROM loops ORDER BY name"):
        yield Loop(
            service,
            row.name,
            row.failures,
            row.reason,
            failing_seconds=_seconds_since(row.failing_since) or 0.0,
            failed_seconds_ago=_seconds_since(row.failed_at) or 0.0,
        )


def _jobs(connection: psycopg.Connection[Any], service: str) -> Iterator[Job]:
    rows = connection.execute("""
        SELECT kind, key, attempts, reason, parked_at FROM jobs
        WHERE attempts > 0 AND leased_until IS NULL ORDER BY kind, key
    """)
    for row in rows:
        yield Job(service, row.kind, row.key, row.attempts, row.reason, _seconds_since(row.parked_at))


def _exports(connection: psycopg.Connection[Any]) -> Iterator[Export]:
    rows = connection.execute("""
        SELECT export_id::text, form, p.records, failures, last_error, parked_at
        FROM exports e JOIN export_progress p USING (export_id)
        WHERE failures > 0 AND e.ended_at IS NULL ORDER BY export_id
    """)
    for row in rows:
        yield Export(row.export_id, row.form, row.records, row.failures, row.last_error, _seconds_since(row.parked_at))


def _beside_feed(platform: Platform, cursor: Cursor, overview: Overview) -> Cursor:
    """The cursor measured by the publisher's own feed, if it can be asked; else by the head it last stated."""
    feed = next((feed for feed in overview.feeds if feed.service == cursor.publisher), None)
    if feed is None:
        return cursor
    lag = max(feed.head - cursor.position, 0)
    waiting = None
    if lag:
        try:
            with _database(platform, cursor.publisher) as connection:
                row = connection.execute(
                    "SELECT event_id FROM feed WHERE position = %s", [cursor.position + 1]
                ).fetchone()
                waiting = _age_of_event(row.event_id) if row else None
        except psycopg.Error:
            pass
    return Cursor(**asdict(cursor) | {"lag": lag, "waiting_seconds": waiting})


def _comparisons(connection: psycopg.Connection[Any]) -> list[Comparison]:
    rows = connection.execute("""
        SELECT c.*, count(f.position) AS findings,
               coalesce((array_agg(f.what || ' ' || f.place ORDER BY f.position))[1], '') AS first
        FROM comparisons c LEFT JOIN comparison_findings f ON f.store = c.store GROUP BY c.store ORDER BY c.store
    """)
    return [
        Comparison(row.store, row.position, row.entries, _seconds_since(row.ended_at), row.findings, row.first)
        for row in rows
    ]


def _log(platform: Platform, connection: psycopg.Connection[Any], signed: int) -> Log:
    """The log, in the order in which it grows backwards: checkpoint, archive, records.

    Leaves are recorded, then archived, then signed. Whatever is added between two of these looks, what was written
    earlier is seen later, and so is never missing.
    """
    newest = connection.execute("SELECT size, note, signed_at FROM checkpoints ORDER BY size DESC LIMIT 1").fetchone()
    covered = newest.size if newest else 0
    waiting = connection.execute(
        "SELECT convert_from(leaf, 'UTF8')::json ->> 'received_at' AS received_at FROM leaves WHERE leaf_index = %s",
        [covered],
    ).fetchone()
    archived, archive = _archive(platform)
    connection.commit()
    (head,) = connection.execute("SELECT size FROM log_head").fetchall()
    return Log(
        records=head.size,
        checkpoint=covered,
        checkpoint_seconds_ago=_seconds_since(newest.signed_at) if newest else None,
        waiting_seconds=_seconds_since(datetime.fromisoformat(waiting.received_at)) if waiting else None,
        archived=archived,
        archive=archive,
        signer=(
            "guard-ahead-of-the-log"
            if signed > head.size
            else _signer(platform, newest.note if newest else None, covered)
        ),
    )


def _archive(platform: Platform) -> tuple[int | None, str]:
    from services.audit.log.archive import Archive, ArchiveDamaged, archive_directory

    try:
        return Archive(archive_directory(platform.state.audit_log)).size(), "whole"
    except (OSError, ArchiveDamaged) as error:
        return None, str(error)


def _signer(platform: Platform, newest: str | None, covered: int) -> str:
    """How the guard, the checkpoint signed last, stands to the one stored last; ahead of it for a moment is normal."""
    from services.audit.log.signer import GuardUnusable, guard_file, listed_keys
    from services.audit.tree.notes import NoteInvalid, Verifier, verify_checkpoint

    state, origin = platform.state, platform.description.log_origin
    try:
        first = Verifier.from_pem(origin, state.log_public_key.read_bytes())
        guard = guard_file(state.audit_log).read_bytes().decode()
        keys = listed_keys(state.audit_log) or [first]
        signed = verify_checkpoint(guard, keys).size
        if keys[-1] != first:
            return "keys-differ: the log did not begin with the public key beside it"
        if not _holds_private_key(state.secrets / "log.pem", keys[0]):
            return "private-key-differs: its file does not hold the key that signs"
    except FileNotFoundError:
        return "guard-missing" if covered else "nothing-signed-yet"
    except (OSError, ValueError, GuardUnusable) as error:
        told = isinstance(error, NoteInvalid | GuardUnusable)
        return f"guard-unusable: {error if told else type(error).__name__}"
    if guard == newest or (signed == covered == 0):
        return "in-step"
    return "guard-ahead" if signed > covered else "guard-contradicts"


def _signed_size(platform: Platform) -> int:
    """The size that the guard tells; what is wrong with it is said elsewhere."""
    from services.audit.log.signer import guard_file

    try:
        return int(guard_file(platform.state.audit_log).read_text().split("\n")[1])
    except (OSError, LookupError, ValueError):
        return 0


def _holds_private_key(path: Path, key: Verifier) -> bool:
    from services.audit.tree.notes import NoteSigner, holds_key

    try:
        return holds_key(NoteSigner.all_from_pem(key.name, path.read_bytes()), key)
    except (OSError, ValueError):
        return False


def _queues(platform: Platform, cursors: list[Cursor]) -> list[Queue]:
    names = [f"rpc-{service}" for service in SERVICE_NAMES]
    names += [f"{cursor.service}.{cursor.subscription}.{cursor.publisher}" for cursor in cursors]
    lengths = rabbitmq.queue_lengths(platform.description.amqp_url, names)
    return [Queue(name, *lengths.get(name, (None, None))) for name in names]


def troubles(overview: Overview) -> Iterator[str]:
    """What of the feeds, the subscriptions and the log needs somebody to look."""
    for feed in overview.feeds:
        if (feed.waiting_seconds or 0) > LONG:
            yield f"{feed.service}: events wait to be published, the oldest for {spell(feed.waiting_seconds)}"
    for cursor in overview.cursors:
        name = f"{cursor.service}.{cursor.subscription}"
        if cursor.halted:
            yield f"{name} is halted: {cursor.halted}"
        elif (cursor.waiting_seconds or 0) > LONG:
            waits = spell(cursor.waiting_seconds)
            yield f"{name} is {cursor.lag} behind {cursor.publisher}, the next event waits for {waits}"
        elif (cursor.heard_seconds_ago or 0) > LONG:
            yield f"{name} has not heard of {cursor.publisher} for {spell(cursor.heard_seconds_ago)}"
    for parked in overview.parked:
        name = f"{parked.service}.{parked.subscription}"
        yield f"{name} has parked {parked.stream} ({parked.reason}); events that wait: {parked.events}"
    for export in overview.exports:
        if export.parked_seconds_ago is not None:
            yield f"the export {export.export_id} is parked after {export.failures} failures ({export.error})"
    for job in overview.jobs:
        if job.parked_seconds_ago is not None:
            yield f"{job.service}: the job {job.kind} {job.key} is parked after {job.attempts} attempts ({job.reason})"
        elif job.attempts >= FAILS_AGAIN:
            yield f"{job.service}: the job {job.kind} {job.key} has failed {job.attempts} times"
    for loop in overview.loops:
        # A loop that follows something and goes on says so by failing no more.
        if loop.failing_seconds > LONG and loop.failed_seconds_ago < LONG:
            failing = spell(loop.failing_seconds)
            yield f"{loop.service}: the loop {loop.name!r} has been failing for {failing} ({loop.reason})"
    for mails in overview.mails:
        if (mails.overdue_seconds or 0) > LONG:
            yield f"{mails.service}: mails are not sent, the first should have gone {spell(mails.overdue_seconds)} ago"
    for each in overview.comparisons:
        if each.findings:
            yield f"{each.store}: what is stored differs from what was recorded, {each.findings} findings: {each.first}"
    log = overview.log
    if log is None:
        return
    if (log.waiting_seconds or 0) > LONG:
        yield f"the log has records without a checkpoint for {spell(log.waiting_seconds)}"
    if log.checkpoint > log.records:
        yield f"the log has {log.records} records and was signed at {log.checkpoint}: it is of an older copy"
    if log.archived is None:
        yield f"the archive is damaged: {log.archive}"
    elif log.archived < log.checkpoint:
        yield f"the archive has {log.archived} leaves and {log.checkpoint} are signed"
    elif log.archived > log.records:
        yield f"the archive has {log.archived} leaves and the log {log.records} records: it is of an older copy"
    if log.signer not in ("in-step", "guard-ahead", "nothing-signed-yet"):
        yield f"the signer cannot go on: {log.signer}"


def spell(seconds: float | None) -> str:
    """A span of time in the unit that fits."""
    if seconds is None:
        return "-"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _age_of_event(event_id: UUID) -> float | None:
    """How long ago the id of an event was made, which a UUIDv7 says (RFC 9562, section 5.7)."""
    if event_id.version != 7:
        return None
    return max(datetime.now(UTC).timestamp() - (event_id.int >> 80) / 1000, 0.0)


def _seconds_since(moment: datetime | None) -> float | None:
    return None if moment is None else max((datetime.now(UTC) - moment).total_seconds(), 0.0)
