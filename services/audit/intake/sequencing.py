"""The log as a projection of every feed: events in, leaves, tiles and the consent register out, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, text

from services.audit.disclosures import projections as disclosure_projections
from services.audit.intake.registers import REGISTERS
from services.audit.log.erasures import erased_by
from services.audit.log.tiles import StoredTiles
from services.audit.search.postings import numbers_of
from services.audit.tree.leaves import Leaf, SealedField
from services.audit.tree.merkle import Tile, TileBuilder, leaf_hash
from shared.bus.subscriptions import Delivery, Halted
from shared.contracts.events import contract_of
from shared.contracts.identity import FeedEpochBegun
from shared.contracts.times import rfc3339
from shared.eventstore.recorded import Recorded
from shared.eventstore.transaction import copy_rows, driver_of
from shared.privacy.sealing import Sealed, is_sealed
from shared.runtime.clock import now

EPOCHS = {contract_of(FeedEpochBegun).type}


@dataclass(frozen=True)
class Entry:
    """A leaf on its way into the log, with the sealed values that stay beside it."""

    index: int
    leaf: Leaf
    leaf_bytes: bytes
    leaf_hash: bytes
    sealed: dict[str, Sealed]


def append_to_log(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    """Sequences events behind the head of the log, in the order in which they come.

    The head is locked, so that there is one writer at a time; the caller moves its cursors in the same transaction. An
    event that a restored publisher tells again under a new epoch is in the log already and gets no second leaf.
    """
    size = int(connection.scalar(text("SELECT size FROM log_head FOR UPDATE")) or 0)
    deliveries = _not_yet_recorded(connection, deliveries)
    if not deliveries:
        return
    counters = _Counters(connection, deliveries)
    received_at = rfc3339(now())
    append_entries(
        connection, [_entry(size + n, delivery, counters, received_at) for n, delivery in enumerate(deliveries)]
    )


def append_entries(connection: Connection, entries: Sequence[Entry]) -> None:
    """Appends leaves that are complete, and brings everything that is derived from leaves up to date.

    Rows are copied; the statements behind them travel in one flight (PostgreSQL pipeline mode).
    """
    insert_tiles(connection, entries)
    _insert_leaves(connection, entries)
    insert_terms(connection, entries)
    leaves = [(entry.index, entry.leaf) for entry in entries]
    for register in REGISTERS:
        register.enter(connection, leaves)
    disclosure_projections.project(connection, leaves)
    with driver_of(connection).pipeline():
        count(connection, entries)
        count_by_day(connection, entries)
        note_epochs(connection, entries)
        _delete_erased_values(connection, entries)
        connection.execute(text("UPDATE log_head SET size = :size"), {"size": entries[-1].index + 1})


def _not_yet_recorded(connection: Connection, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
    """All but those that the log holds under an older epoch. Raises `Halted` if such a one now says something else."""
    if all(delivery.entry.epoch == 1 for delivery in deliveries):
        return deliveries
    rows = connection.execute(
        text("SELECT event_id, leaf FROM leaves WHERE event_id = ANY(:ids)"),
        {"ids": [delivery.recorded.event_id for delivery in deliveries]},
    )
    known = {row.event_id: Leaf.from_bytes(bytes(row.leaf)) for row in rows}
    return [delivery for delivery in deliveries if not _is_repeated(delivery, known.get(delivery.recorded.event_id))]


def _is_repeated(delivery: Delivery, known: Leaf | None) -> bool:
    if known is None or known.epoch >= delivery.entry.epoch:
        return False
    told = leaf_of(delivery, known.workspace_counter, known.received_at)
    if replace(told, epoch=known.epoch, position=known.position) != known:
        raise Halted("event-differs-from-its-record")
    return True


class _Counters:
    """How many events of each workspace the log holds; the count stands in each leaf, so that an omission shows."""

    def __init__(self, connection: Connection, deliveries: Sequence[Delivery]) -> None:
        self._connection = connection
        workspaces = {
            delivery.recorded.envelope["workspace"]
            for delivery in deliveries
            if "workspace" in delivery.recorded.envelope
        }
        rows: Sequence[Row[Any]] = []
        if workspaces:
            rows = connection.execute(
                text("""
                    SELECT workspace, events FROM workspace_counters
                    WHERE workspace = ANY(CAST(:workspaces AS uuid[]))
                """),
                {"workspaces": sorted(workspaces)},
            ).all()
        self._counts: dict[str, int] = {str(row.workspace): row.events for row in rows}

    def next(self, workspace: str | None) -> int | None:
        if workspace is None:
            return None
        self._counts[workspace] = self._counts.get(workspace, 0) + 1
        return self._counts[workspace]


def _entry(index: int, delivery: Delivery, counters: _Counters, received_at: str) -> Entry:
    leaf = leaf_of(delivery, counters.next(delivery.recorded.envelope.get("workspace")), received_at)
    leaf_bytes = leaf.to_bytes()
    return Entry(index, leaf, leaf_bytes, leaf_hash(leaf_bytes), sealed_fields(delivery.recorded))


def sealed_fields(recorded: Recorded) -> dict[str, Sealed]:
    """Return the personal values of an event, by the names of their fields."""
    return {name: Sealed.from_json(value) for name, value in recorded.data.items() if is_sealed(value)}


def leaf_of(delivery: Delivery, workspace_counter: int | None, received_at: str) -> Leaf:
    """Return what the log records of an event: the same event, counter and time always make the same leaf."""
    recorded, envelope = delivery.recorded, delivery.recorded.envelope
    sealed = sealed_fields(recorded)
    subjects = envelope.get("datasubjects")
    return Leaf(
        event_id=envelope["id"],
        publisher=delivery.publisher,
        epoch=delivery.entry.epoch,
        position=delivery.entry.position,
        workspace=envelope.get("workspace"),
        workspace_counter=workspace_counter,
        stream=recorded.stream,
        stream_version=recorded.version,
        type=recorded.type,
        schema_version=recorded.schema_version,
        actor=envelope["actor"],
        subjects=subjects.split(",") if subjects else [],
        correlation=envelope["correlationid"],
        causation=envelope.get("causationid"),
        occurred_at=envelope["time"],
        received_at=received_at,
        data={name: value for name, value in recorded.data.items() if name not in sealed},
        sealed=[
            SealedField(
                field=name,
                category=value.category.value,
                subject=str(value.subject),
                key=str(value.key_id),
                sha256=sha256(value.ciphertext).hexdigest(),
            )
            for name, value in sorted(sealed.items())
        ],
    )


def _insert_leaves(connection: Connection, entries: Sequence[Entry]) -> None:
    copy_rows(
        connection,
        "leaves (leaf_index, leaf, leaf_hash, event_id, publisher, epoch, position, type, actor, occurred_at)",
        [
            (
                entry.index,
                entry.leaf_bytes,
                entry.leaf_hash,
                entry.leaf.event_id,
                entry.leaf.publisher,
                entry.leaf.epoch,
                entry.leaf.position,
                entry.leaf.type,
                entry.leaf.actor,
                entry.leaf.occurred_at,
            )
            for entry in entries
        ],
    )
    insert_values(connection, [(entry.index, name, value) for entry in entries for name, value in entry.sealed.items()])
    _insert_missing_values(connection, entries)


def insert_terms(connection: Connection, entries: Sequence[Entry]) -> None:
    """Enters leaves in the index, under each of their terms."""
    terms = [(number, entry.index) for entry in entries for number in numbers_of(entry.leaf)]
    copy_rows(connection, "leaf_terms (term, leaf_index)", terms)


def insert_values(connection: Connection, values: Sequence[tuple[int, str, Sealed]]) -> None:
    """Keeps sealed values beside their leaves: the leaf's index, the field, and the value."""
    copy_rows(
        connection,
        "sealed_values (leaf_index, field, subject, category, key_id, ciphertext)",
        [
            (index, name, value.subject, value.category.value, value.key_id, value.ciphertext)
            for index, name, value in values
        ],
    )


def _insert_missing_values(connection: Connection, entries: Sequence[Entry]) -> None:
    """Notes what a replayed leaf names and the archive cannot give: it is asked of the publisher later."""
    missing = [
        {"index": entry.index, "field": each.field, "subject": each.subject, "category": each.category}
        for entry in entries
        for each in entry.leaf.sealed
        if each.field not in entry.sealed
    ]
    if missing:
        connection.execute(
            text("""
                INSERT INTO missing_values (leaf_index, field, subject, category)
                VALUES (:index, :field, :subject, :category)
            """),
            missing,
        )


def insert_tiles(connection: Connection, entries: Sequence[Entry]) -> None:
    """Keeps the tiles that leaves make full."""
    size = entries[0].index
    if (size + len(entries)) // 256 == size // 256:
        return
    builder = TileBuilder.resume(StoredTiles(connection), size)
    tiles: list[Tile] = builder.append(entry.leaf_hash for entry in entries)
    connection.execute(
        text("INSERT INTO tiles (level, index, hashes, root) VALUES (:level, :index, :hashes, :root)"),
        [{"level": tile.level, "index": tile.index, "hashes": tile.hashes, "root": tile.root} for tile in tiles],
    )


def count(connection: Connection, entries: Sequence[Entry]) -> None:
    """Counts what the log holds of each workspace and publisher, for those who check that nothing is missing."""
    workspaces = {entry.leaf.workspace: entry.leaf.workspace_counter for entry in entries if entry.leaf.workspace}
    if workspaces:
        connection.execute(
            text("""
                INSERT INTO workspace_counters (workspace, events) VALUES (:workspace, :events)
                ON CONFLICT (workspace) DO UPDATE SET events = excluded.events
            """),
            [{"workspace": workspace, "events": counter} for workspace, counter in workspaces.items()],
        )
    positions: dict[tuple[str, int], list[int]] = {}
    for entry in entries:
        positions.setdefault((entry.leaf.publisher, entry.leaf.epoch), []).append(entry.leaf.position)
    connection.execute(
        text("""
            INSERT INTO audited AS a (publisher, epoch, follows, last_position, positions)
            VALUES (:publisher, :epoch, :first - 1, :last, :positions)
            ON CONFLICT (publisher, epoch) DO UPDATE SET
                last_position = greatest(a.last_position, :last), positions = a.positions + :positions
        """),
        [
            {"publisher": publisher, "epoch": epoch, "first": min(each), "last": max(each), "positions": len(each)}
            for (publisher, epoch), each in positions.items()
        ],
    )


def count_by_day(connection: Connection, entries: Sequence[Entry]) -> None:
    """Counts the records of each day, publisher and type, and keeps between which positions those of a day lie."""
    indexes: dict[tuple[str, str, str], list[int]] = {}
    for entry in entries:
        leaf = entry.leaf
        indexes.setdefault((leaf.occurred_at[:10], leaf.publisher, leaf.type), []).append(entry.index)
    connection.execute(
        text("""
            INSERT INTO log_days AS d (day, publisher, type, records, first_index, last_index)
            VALUES (:day, :publisher, :type, :records, :first, :last)
            ON CONFLICT (day, publisher, type) DO UPDATE SET records = d.records + :records,
                first_index = least(d.first_index, :first), last_index = greatest(d.last_index, :last)
        """),
        [
            {
                "day": day,
                "publisher": publisher,
                "type": type_,
                "records": len(each),
                "first": each[0],
                "last": each[-1],
            }
            for (day, publisher, type_), each in indexes.items()
        ],
    )


def note_epochs(connection: Connection, entries: Sequence[Entry]) -> None:
    """Keeps what a publisher says of an epoch it began: behind which position, and how much of it is no news."""
    for entry in entries:
        if entry.leaf.type in EPOCHS:
            connection.execute(
                text("""
                    UPDATE audited SET follows = :last_common_position, repeated = :repeated_events
                    WHERE publisher = :publisher AND epoch = :epoch
                """),
                {**entry.leaf.data, "publisher": entry.leaf.publisher},
            )


def _delete_erased_values(connection: Connection, entries: Sequence[Entry]) -> None:
    """Deletes the ciphertexts whose keys were destroyed, and stops asking for them; hashes stay in the leaves."""
    for entry in entries:
        erased = erased_by(entry.leaf)
        if erased is None:
            continue
        for table in ("sealed_values", "missing_values"):
            connection.execute(
                text(f"""
                    DELETE FROM {table}
                    WHERE subject = :subject AND category = ANY(:categories) AND leaf_index < :index
                """),  # noqa: S608 - names from the line above
                {"subject": erased.subject, "categories": list(erased.categories), "index": entry.index},
            )
