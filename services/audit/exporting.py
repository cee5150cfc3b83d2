"""Making exports: part by part, each in a transaction of its own, by whichever courier is there.

A part is a list of leaves, of which its bytes follow; what is stored of it are their indexes and the hash. Killed at
any moment, the next courier goes on behind the last part. The hash over all parts so far lives in memory: whoever goes
on reads them once more. A bundle is made in one go, since it is small, and kept as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID, uuid5

import structlog
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from services.audit.bundles import make_bundle
from services.audit.evidence import ConsistencyProof, RecordProof
from services.audit.export_forms import FORMS
from services.audit.export_queries import asked, part_bytes, part_of_leaves
from services.audit.exports import Export
from services.audit.merkle import Prover, consistency_proof
from services.audit.notes import Verifier
from services.audit.queries import latest_checkpoint, log_keys
from services.audit.search import Query, parse_plain
from services.audit.sweeping import leaves_at, sweep
from services.audit.tiles import StoredTiles
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading, writing
from shared.eventstore.work import EventStore, Outcome, UnitOfWork
from shared.runtime.wiring import service_command

log = structlog.get_logger()

PERIOD = 0.5
FAILED_PERIOD = 10.0
PART_RECORDS = 1_000
PART_BYTES = 1_000_000
"""So long are the leaves of a part, which travels to its reader in one message."""
MOST_PROVEN = 10_000
"""Records in one bundle; each brings its proof along."""

_OPEN_EXPORT = """
    SELECT export_id, record_id, requested_by, requested_at, form, query, e.size, workspaces, publishers, note,
        leaf_index AS request_index
    FROM exports e JOIN checkpoints c ON c.size = e.size LEFT JOIN leaves l ON l.event_id = e.record_id
    LEFT JOIN export_progress p USING (export_id)
    WHERE e.ended_at IS NULL
"""
# The one with the fewest records so far is next, so that a short one does not wait for a long one.
_NEXT_OF_LEAVES = text(f"""
    {_OPEN_EXPORT} AND form = ANY(:forms) ORDER BY coalesce(p.records, 0), export_id LIMIT 1 FOR UPDATE OF e SKIP LOCKED
""")
# A bundle holds the record of its own request, which a checkpoint has to cover.
_NEXT_BUNDLE = text(f"""
    {_OPEN_EXPORT} AND form = 'evidence' AND leaf_index < (SELECT max(size) FROM checkpoints)
    ORDER BY export_id LIMIT 1
""")  # noqa: S608 - the statement above
_BEGIN_PROGRESS = text("INSERT INTO export_progress (export_id) VALUES (:export_id) ON CONFLICT DO NOTHING")
_PROGRESS = text("SELECT next_index, parts FROM export_progress WHERE export_id = :export_id FOR UPDATE")
_END_PROGRESS = text("""
    INSERT INTO export_progress AS p (export_id, ended_at) VALUES (:export_id, :now)
    ON CONFLICT (export_id) DO UPDATE SET ended_at = coalesce(p.ended_at, :now)
""")
_ADD_PART = text("""
    INSERT INTO export_parts (export_id, number, leaf_indexes, content, sha256)
    VALUES (:export_id, :number, :leaf_indexes, :content, :sha256)
""")
_INDEXES_OF_PART = text("SELECT leaf_indexes FROM export_parts WHERE export_id = :export_id AND number = :number")


class Hash(Protocol):
    """SHA-256 over what came so far."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class Exporter:
    """Makes the exports that were asked for, until `stopping` is set. Several at the same time do no harm."""

    def __init__(self, store: EventStore, first_key: Verifier, stopping: threading.Event) -> None:
        """`first_key` is the key that the log began with; the log itself tells of later ones."""
        self._store = store
        self._first_key = first_key
        self._stopping = stopping
        self._hashes: dict[UUID, tuple[int, Hash]] = {}
        """By export, of how many parts the hash is known, and the hash over them."""

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self.advance():
                    continue
            except (DBAPIError, Problem) as error:
                log.warning("exporting_interrupted", error=type(error).__name__)
            except Exception as error:
                # Whatever is wrong with an export, the log goes on.
                log.error("exporting_failed", error=type(error).__name__, exc_info=error)
                self._stopping.wait(FAILED_PERIOD)
            self._stopping.wait(PERIOD)

    def advance(self) -> bool:
        """Makes a part of one export and a bundle, if there is one to make; False if there was nothing to do."""
        return any([self._make_part(), self._make_next_bundle()])

    # --- records one after the other

    def _make_part(self) -> bool:
        with writing(self._store.engine) as connection:
            export = connection.execute(_NEXT_OF_LEAVES, {"forms": list(FORMS)}).first()
            if export is None:
                return False
            connection.execute(_BEGIN_PROGRESS, {"export_id": export.export_id})
            progress = connection.execute(_PROGRESS, {"export_id": export.export_id}).one()
            leaves, next_index = _next_leaves(connection, export, progress.next_index)
            is_last = next_index >= export.size
            made = progress.parts
            digest = self._hash_of(connection, export, made)
            # An export without records has one part as well, with the header.
            if leaves or (is_last and not made):
                made += 1
                data = part_bytes(export.form, made, leaves)
                digest.update(data)
                _add_part(connection, export.export_id, made, data, leaf_indexes=[index for index, _ in leaves])
                _count(connection, export.export_id, len(leaves), len(data))
            connection.execute(
                text("UPDATE export_progress SET next_index = :next_index WHERE export_id = :export_id"),
                {"next_index": next_index, "export_id": export.export_id},
            )
        self._hashes[export.export_id] = (made, digest)
        if is_last:
            self._complete(export.export_id, digest.hexdigest())
            del self._hashes[export.export_id]
        return True

    def _hash_of(self, connection: Connection, export: Row[Any], made: int) -> Hash:
        """The hash over the parts that were made, which are read again if another process made them."""
        parts, digest = self._hashes.pop(export.export_id, (0, sha256()))
        if parts > made:
            parts, digest = 0, sha256()
        for number in range(parts + 1, made + 1):
            indexes = connection.scalar(_INDEXES_OF_PART, {"export_id": export.export_id, "number": number})
            digest.update(part_of_leaves(connection, export.form, number, indexes))
        return digest

    def _complete(self, export_id: UUID, digest: str) -> None:
        def complete(work: UnitOfWork) -> Outcome:
            export = work.load(Export, export_id)
            counted = work.connection.execute(
                text("SELECT records, length FROM export_progress WHERE export_id = :export_id"),
                {"export_id": export_id},
            ).one()
            work.record(
                export, export.complete(records=counted.records, length=counted.length, sha256=digest, now=work.now)
            )
            return position(export)

        self._end(export_id, complete)

    # --- bundles

    def _make_next_bundle(self) -> bool:
        with reading(self._store.engine) as connection:
            export = connection.execute(_NEXT_BUNDLE).first()
            if export is None:
                return False
            leaves = list(_all_leaves(connection, export, most=MOST_PROVEN + 1))
            if len(leaves) > MOST_PROVEN:
                self._fail(export.export_id, "too_many_records")
                return True
            size, note = latest_checkpoint(connection)
            tiles = StoredTiles(connection)
            prover = Prover(tiles, size)
            request = leaves_at(connection, [export.request_index])
            proofs = [RecordProof(leaf, index, prover.inclusion_proof(index)) for index, leaf in leaves + request]
            extends = ConsistencyProof(export.note, consistency_proof(tiles, export.size, size))
            keys = log_keys(connection, self._first_key)
        bundle = make_bundle(asked(export), note, extends, leaves, proofs, keys)
        self._keep_bundle(export.export_id, len(leaves), bundle)
        return True

    def _keep_bundle(self, export_id: UUID, records: int, bundle: bytes) -> None:
        def keep(work: UnitOfWork) -> Outcome:
            export = work.load(Export, export_id)
            if export.ended:
                return position(export)
            work.record(
                export,
                export.complete(records=records, length=len(bundle), sha256=sha256(bundle).hexdigest(), now=work.now),
            )
            work.connection.execute(_BEGIN_PROGRESS, {"export_id": export_id})
            for number, start in enumerate(range(0, len(bundle), PART_BYTES), start=1):
                content = bundle[start : start + PART_BYTES]
                _add_part(work.connection, export_id, number, content, content=content)
                _count(work.connection, export_id, 0, len(content))
            return position(export)

        self._end(export_id, keep)

    def _fail(self, export_id: UUID, reason: str) -> None:
        def fail(work: UnitOfWork) -> Outcome:
            export = work.load(Export, export_id)
            work.record(export, export.fail(reason, now=work.now))
            return position(export)

        self._end(export_id, fail)

    def _end(self, export_id: UUID, how: Callable[[UnitOfWork], Outcome]) -> None:
        """Ends an export once, whichever process comes to its end."""

        def end(work: UnitOfWork) -> Outcome:
            outcome = how(work)
            work.connection.execute(_END_PROGRESS, {"export_id": export_id, "now": work.now})
            return outcome

        id = uuid5(export_id, "end")
        self._store.perform(service_command("audit", "audit ends an export", id, str(export_id)), end)


def _next_leaves(connection: Connection, export: Row[Any], first: int) -> tuple[Sequence[tuple[int, bytes]], int]:
    """The leaves of the part that begins at index `first`, as many as fit into it, and the index behind them."""
    swept = sweep(connection, parse_plain(export.query), first, export.size, PART_RECORDS)
    length = 0
    for number, (index, leaf) in enumerate(swept.leaves):
        length += len(leaf)
        if length > PART_BYTES and number > 0:
            return swept.leaves[:number], index
    return swept.leaves, swept.next_index


def _all_leaves(connection: Connection, export: Row[Any], most: int) -> Iterator[tuple[int, bytes]]:
    query: Query = parse_plain(export.query)
    index = found = 0
    while index < export.size and found < most:
        swept = sweep(connection, query, index, export.size, most - found)
        yield from swept.leaves
        index, found = swept.next_index, found + len(swept.leaves)


def _add_part(
    connection: Connection,
    export_id: UUID,
    number: int,
    data: bytes,
    *,
    leaf_indexes: Sequence[int] | None = None,
    content: bytes | None = None,
) -> None:
    connection.execute(
        _ADD_PART,
        {
            "export_id": export_id,
            "number": number,
            "leaf_indexes": leaf_indexes,
            "content": content,
            "sha256": sha256(data).hexdigest(),
        },
    )


def _count(connection: Connection, export_id: UUID, records: int, length: int) -> None:
    connection.execute(
        text("""
            UPDATE export_progress SET parts = parts + 1, records = records + :records, length = length + :length
            WHERE export_id = :export_id
        """),
        {"export_id": export_id, "records": records, "length": length},
    )
