"""Making exports: part by part, each in a transaction of its own, by whichever courier is there.

A part is a list of leaves, of which its bytes follow; what is stored of it are their indexes and the hash. Killed at
any moment, the next courier goes on behind the last part. The hash over all parts so far lives in memory: whoever goes
on reads them once more.

A bundle is small. It is prepared, which puts on record in the log what it will hold; when the log has signed that, it
is made in one go, and kept as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID, uuid5

import structlog
from sqlalchemy import Connection, Row, text

from services.audit.exports.aggregate import Export
from services.audit.exports.bundles import make_bundle, readable_files
from services.audit.exports.forms import FORMS, measured
from services.audit.exports.queries import asked, part_bytes, part_of_leaves
from services.audit.log.queries import latest_checkpoint, log_keys
from services.audit.log.tiles import StoredTiles
from services.audit.search.language import Query, parse_plain
from services.audit.search.sweeping import leaves_at, sweep
from services.audit.tree.evidence import ConsistencyProof, RecordProof
from services.audit.tree.leaves import Leaf
from services.audit.tree.merkle import Prover, consistency_proof
from services.audit.tree.notes import Verifier
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading, writing
from shared.eventstore.work import EventStore, Outcome, UnitOfWork
from shared.runtime.faults import is_outage
from shared.service.wiring import service_command

log = structlog.get_logger()

PERIOD = 0.5
ATTEMPTS = 5
"""So often making an export may fail in a row before it is parked, for an operator to have it tried again."""
FIRST_PAUSE_SECONDS, PAUSE_GROWTH = 10, 4
"""Before an export that failed is tried again; meanwhile the others are made."""
PART_RECORDS = 1_000
PART_BYTES = 1_000_000
"""So long are the leaves of a part, which travels to its reader in one message."""
MOST_PROVEN = 10_000
"""Records in one bundle; each brings its proof along."""
MOST_PROVEN_BYTES = 32_000_000
"""So long are their leaves together. With the proofs it is half of what a verifier is ready to read."""

_OPEN_EXPORT = """
    SELECT export_id, record_id, requested_by, requested_at, form, query, e.size, workspaces, publishers, note,
        r.leaf_index AS request_index, prepared_id, s.leaf_index AS prepared_index
    FROM exports e JOIN checkpoints c ON c.size = e.size LEFT JOIN leaves r ON r.event_id = e.record_id
        LEFT JOIN leaves s ON s.event_id = e.prepared_id
        LEFT JOIN export_progress p USING (export_id)
    WHERE e.ended_at IS NULL AND parked_at IS NULL AND coalesce(try_at, '-infinity') <= now()
"""
# The one with the fewest records so far is next, so that a short one does not wait for a long one.
_NEXT_OF_LEAVES = text(f"""
    {_OPEN_EXPORT} AND form = ANY(:forms) ORDER BY coalesce(p.records, 0), export_id LIMIT 1 FOR UPDATE OF e SKIP LOCKED
""")
# A bundle holds the record of its own request, and that of what it holds, which a checkpoint has to cover.
_NEXT_BUNDLE = text(f"""
    {_OPEN_EXPORT} AND form = 'evidence' AND r.leaf_index < (SELECT max(size) FROM checkpoints)
        AND (prepared_id IS NULL OR s.leaf_index < (SELECT max(size) FROM checkpoints))
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
_COUNT_FAILURE = text("""
    UPDATE export_progress SET failures = failures + 1, last_error = :error,
        try_at = now() + :pause * :growth ^ failures,
        parked_at = CASE WHEN failures + 1 >= :attempts THEN now() END
    WHERE export_id = :export_id AND ended_at IS NULL
    RETURNING parked_at
""")
_RETRY = text("""
    UPDATE export_progress SET failures = 0, try_at = now(), parked_at = NULL
    WHERE parked_at IS NOT NULL AND ended_at IS NULL
        AND (CAST(:export_id AS uuid) IS NULL OR export_id = :export_id)
""")
_INDEXES_OF_PART = text("SELECT leaf_indexes FROM export_parts WHERE export_id = :export_id AND number = :number")


class _NotMade(Exception):
    """One export could not be made, by some fault of its own."""

    def __init__(self, export_id: UUID, error: Exception) -> None:
        self.export_id, self.error = export_id, error
        super().__init__(str(export_id))


class Hash(Protocol):
    """SHA-256 over what came so far."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class Exporter:
    """Makes the exports that were asked for. Several at the same time do no harm.

    An export that cannot be made is left alone for a while, and after some attempts until an operator wants it tried
    again: those behind it do not wait for it.
    """

    def __init__(self, store: EventStore, first_key: Verifier) -> None:
        """`first_key` is the key that the log began with; the log itself tells of later ones."""
        self._store = store
        self._first_key = first_key
        self._hashes: dict[UUID, tuple[int, Hash]] = {}
        """By export, of how many parts the hash is known, and the hash over them."""

    def advance(self) -> bool:
        """Makes a part of one export and a bundle, if there is one to make; False if there was nothing to do.

        Raises what says that the database is away, for which no export is to blame.
        """
        try:
            return any([self._make_part(), self._make_next_bundle()])
        except _NotMade as failed:
            self._count_failure(failed)
            return True

    @contextmanager
    def _answering_for(self, export_id: UUID) -> Iterator[None]:
        """Counts what goes wrong inside as a failure of this export."""
        try:
            yield
        except Exception as error:
            if is_outage(error) or (isinstance(error, Problem) and error.type.status >= 500):
                raise
            self._hashes.pop(export_id, None)
            raise _NotMade(export_id, error) from error

    def _count_failure(self, failed: _NotMade) -> None:
        with writing(self._store.engine) as connection:
            connection.execute(_BEGIN_PROGRESS, {"export_id": failed.export_id})
            parked_at = connection.scalar(
                _COUNT_FAILURE,
                {
                    "export_id": failed.export_id,
                    "error": type(failed.error).__name__,
                    "pause": timedelta(seconds=FIRST_PAUSE_SECONDS),
                    "growth": PAUSE_GROWTH,
                    "attempts": ATTEMPTS,
                },
            )
        facts = {"export": str(failed.export_id), "error": type(failed.error).__name__, "exc_info": failed.error}
        if parked_at is None:
            log.error("exporting_failed", **facts)
        else:
            log.error("export_parked", **facts)

    # --- records one after the other

    def _make_part(self) -> bool:
        with writing(self._store.engine) as connection:
            export = connection.execute(_NEXT_OF_LEAVES, {"forms": list(FORMS)}).first()
            if export is None:
                return False
            with self._answering_for(export.export_id):
                made, digest, is_last = self._add_next_part(connection, export)
        self._hashes[export.export_id] = (made, digest)
        if is_last:
            with self._answering_for(export.export_id):
                self._complete(export.export_id, digest.hexdigest())
            del self._hashes[export.export_id]
        return True

    def _add_next_part(self, connection: Connection, export: Row[Any]) -> tuple[int, Hash, bool]:
        """Adds a part, and says how many there are now, the hash over them, and whether that was the last."""
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
            text("UPDATE export_progress SET next_index = :next_index, failures = 0 WHERE export_id = :export_id"),
            {"next_index": next_index, "export_id": export.export_id},
        )
        return made, digest, is_last

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
            with self._answering_for(export.export_id):
                leaves = list(_all_leaves(connection, export, most=MOST_PROVEN + 1))
                fits = len(leaves) <= MOST_PROVEN and sum(len(leaf) for _, leaf in leaves) <= MOST_PROVEN_BYTES
                prepared, bundle = self._prepared_bundle(connection, export, leaves) if fits else ([], None)
        with self._answering_for(export.export_id):
            if not fits:
                self._fail(export.export_id, "too_many_records")
            elif bundle is None:
                self._prepare(export, len(leaves), prepared)
            else:
                self._keep_bundle(export.export_id, len(leaves), bundle)
        return True

    def _prepared_bundle(
        self, connection: Connection, export: Row[Any], leaves: list[tuple[int, bytes]]
    ) -> tuple[list[dict[str, Any]], bytes | None]:
        """Return what the bundle is to hold, and the bundle itself once the log has that on record."""
        files = readable_files(asked(export), leaves, log_keys(connection, self._first_key))
        prepared = [
            {"name": name, "bytes": length, "sha256": digest}
            for name, (length, digest) in sorted((name, measured(data)) for name, data in files.items())
        ]
        is_prepared = export.prepared_id is not None and prepared == _prepared(connection, export)
        return prepared, _bundle(connection, export, leaves, files) if is_prepared else None

    def _prepare(self, export: Row[Any], records: int, files: Sequence[Mapping[str, Any]]) -> None:
        """States what the bundle will hold, once, or once more where that changed since, as with a key of the log."""

        def prepare(work: UnitOfWork) -> Outcome:
            prepared = work.load(Export, export.export_id)
            work.record(prepared, prepared.prepare(records=records, files=files, now=work.now))
            return position(prepared)

        id = uuid5(export.export_id, f"prepare after {export.prepared_id}")
        command = service_command("audit", "audit prepares an export", id, str(export.export_id))
        self._store.perform(command, prepare)

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


def retry_parked(connection: Connection, export_id: UUID | None) -> int:
    """Has one parked export, or all, tried again; says how many were found."""
    return connection.execute(_RETRY, {"export_id": export_id}).rowcount


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


def _prepared(connection: Connection, export: Row[Any]) -> Any:
    """The files that the log states of a bundle."""
    ((_, leaf),) = leaves_at(connection, [export.prepared_index])
    return Leaf.from_bytes(leaf).data["files"]


def _bundle(
    connection: Connection, export: Row[Any], leaves: Sequence[tuple[int, bytes]], files: Mapping[str, bytes]
) -> bytes:
    size, note = latest_checkpoint(connection)
    tiles = StoredTiles(connection)
    prover = Prover(tiles, size)
    own = leaves_at(connection, [export.request_index, export.prepared_index])
    proofs = [RecordProof(leaf, index, prover.inclusion_proof(index)) for index, leaf in [*leaves, *own]]
    extends = ConsistencyProof(export.note, consistency_proof(tiles, export.size, size))
    return make_bundle(asked(export), note, extends, len(leaves), files, proofs)


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
