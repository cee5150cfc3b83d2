"""The log as a projection of every feed: events in, leaves, tiles and the consent register out, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, text

from services.audit.leaves import Leaf, SealedField
from services.audit.merkle import Tile, TileBuilder, leaf_hash
from services.audit.tiles import StoredTiles
from shared.bus.subscriptions import Delivery
from shared.contracts.events import contract_of
from shared.contracts.identity import AccountDataErased, AccountErased, ConsentGranted, ConsentWithdrawn
from shared.contracts.times import rfc3339
from shared.eventstore.recorded import Recorded
from shared.privacy.categories import Category
from shared.privacy.sealing import Sealed, is_sealed
from shared.runtime.clock import now

CONSENT_STATES = {contract_of(ConsentGranted).type: "granted", contract_of(ConsentWithdrawn).type: "withdrawn"}
ERASURES = {contract_of(AccountErased).type, contract_of(AccountDataErased).type}


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

    The head is locked, so that there is one writer at a time; the caller moves its cursors in the same transaction.
    """
    size = int(connection.scalar(text("SELECT size FROM log_head FOR UPDATE")) or 0)
    counters = _Counters(connection, deliveries)
    received_at = rfc3339(now())
    append_entries(
        connection, [_entry(size + n, delivery, counters, received_at) for n, delivery in enumerate(deliveries)]
    )


def append_entries(connection: Connection, entries: Sequence[Entry]) -> None:
    """Appends leaves that are complete, and brings everything that is derived from leaves up to date."""
    _insert_leaves(connection, entries)
    _insert_tiles(connection, entries)
    _insert_consents(connection, entries)
    _count(connection, entries)
    _delete_erased_values(connection, entries)
    connection.execute(text("UPDATE log_head SET size = :size"), {"size": entries[-1].index + 1})


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
    recorded = delivery.recorded
    sealed = {name: Sealed.from_json(value) for name, value in recorded.data.items() if is_sealed(value)}
    leaf = _leaf(delivery, recorded, sealed, counters, received_at)
    leaf_bytes = leaf.to_bytes()
    return Entry(index, leaf, leaf_bytes, leaf_hash(leaf_bytes), sealed)


def _leaf(
    delivery: Delivery, recorded: Recorded, sealed: dict[str, Sealed], counters: _Counters, received_at: str
) -> Leaf:
    envelope = recorded.envelope
    workspace = envelope.get("workspace")
    subjects = envelope.get("datasubjects")
    return Leaf(
        event_id=envelope["id"],
        publisher=delivery.publisher,
        epoch=delivery.entry.epoch,
        position=delivery.entry.position,
        workspace=workspace,
        workspace_counter=counters.next(workspace),
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
    connection.execute(
        text("""
            INSERT INTO leaves
                (leaf_index, leaf, leaf_hash, event_id, publisher, epoch, position, type, actor, occurred_at)
            SELECT * FROM unnest(
                CAST(:indexes AS bigint[]), CAST(:leaves AS bytea[]), CAST(:hashes AS bytea[]), CAST(:ids AS uuid[]),
                CAST(:publishers AS text[]), CAST(:epochs AS integer[]), CAST(:positions AS bigint[]),
                CAST(:types AS text[]), CAST(:actors AS text[]), CAST(:times AS timestamptz[])
            )
        """),
        {
            "indexes": [entry.index for entry in entries],
            "leaves": [entry.leaf_bytes for entry in entries],
            "hashes": [entry.leaf_hash for entry in entries],
            "ids": [entry.leaf.event_id for entry in entries],
            "publishers": [entry.leaf.publisher for entry in entries],
            "epochs": [entry.leaf.epoch for entry in entries],
            "positions": [entry.leaf.position for entry in entries],
            "types": [entry.leaf.type for entry in entries],
            "actors": [entry.leaf.actor for entry in entries],
            "times": [entry.leaf.occurred_at for entry in entries],
        },
    )
    subjects = [(subject, entry.index) for entry in entries for subject in dict.fromkeys(entry.leaf.subjects)]
    if subjects:
        connection.execute(
            text(
                "INSERT INTO leaf_subjects SELECT * FROM unnest(CAST(:subjects AS uuid[]), CAST(:indexes AS bigint[]))"
            ),
            {"subjects": [subject for subject, _ in subjects], "indexes": [index for _, index in subjects]},
        )
    values = [(entry.index, name, value) for entry in entries for name, value in entry.sealed.items()]
    if values:
        connection.execute(
            text("""
                INSERT INTO sealed_values (leaf_index, field, subject, category, key_id, ciphertext)
                SELECT * FROM unnest(
                    CAST(:indexes AS bigint[]), CAST(:fields AS text[]), CAST(:subjects AS uuid[]),
                    CAST(:categories AS text[]), CAST(:keys AS uuid[]), CAST(:bytes AS bytea[])
                )
            """),
            {
                "indexes": [index for index, _, _ in values],
                "fields": [name for _, name, _ in values],
                "subjects": [value.subject for _, _, value in values],
                "categories": [value.category.value for _, _, value in values],
                "keys": [value.key_id for _, _, value in values],
                "bytes": [value.ciphertext for _, _, value in values],
            },
        )


def _insert_tiles(connection: Connection, entries: Sequence[Entry]) -> None:
    size = entries[0].index
    if (size + len(entries)) // 256 == size // 256:
        return
    builder = TileBuilder.resume(StoredTiles(connection), size)
    tiles: list[Tile] = builder.append(entry.leaf_hash for entry in entries)
    connection.execute(
        text("INSERT INTO tiles (level, index, hashes, root) VALUES (:level, :index, :hashes, :root)"),
        [{"level": tile.level, "index": tile.index, "hashes": tile.hashes, "root": tile.root} for tile in tiles],
    )


def _insert_consents(connection: Connection, entries: Sequence[Entry]) -> None:
    changes = [entry for entry in entries if entry.leaf.type in CONSENT_STATES]
    if changes:
        connection.execute(
            text("""
                INSERT INTO consents (subject, purpose, state, effective_at, recorded_at, leaf_index)
                SELECT * FROM unnest(
                    CAST(:subjects AS uuid[]), CAST(:purposes AS text[]), CAST(:states AS text[]),
                    CAST(:effective AS timestamptz[]), CAST(:recorded AS timestamptz[]), CAST(:indexes AS bigint[])
                )
            """),
            {
                "subjects": [entry.leaf.subjects[0] for entry in changes],
                "purposes": [entry.leaf.data["purpose"] for entry in changes],
                "states": [CONSENT_STATES[entry.leaf.type] for entry in changes],
                "effective": [entry.leaf.data["effective_at"] for entry in changes],
                "recorded": [entry.leaf.received_at for entry in changes],
                "indexes": [entry.index for entry in changes],
            },
        )


def _count(connection: Connection, entries: Sequence[Entry]) -> None:
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
    for publisher in dict.fromkeys(entry.leaf.publisher for entry in entries):
        positions = [entry.leaf.position for entry in entries if entry.leaf.publisher == publisher]
        connection.execute(
            text("""
                INSERT INTO audited AS a (publisher, first_position, last_position, positions)
                VALUES (:publisher, :first, :last, :positions)
                ON CONFLICT (publisher) DO UPDATE SET first_position = least(a.first_position, :first),
                    last_position = greatest(a.last_position, :last), positions = a.positions + :positions
            """),
            {"publisher": publisher, "first": min(positions), "last": max(positions), "positions": len(positions)},
        )


def _delete_erased_values(connection: Connection, entries: Sequence[Entry]) -> None:
    """Deletes the ciphertexts whose keys were destroyed; their hashes stay in the leaves."""
    for entry in entries:
        if entry.leaf.type in ERASURES:
            category = entry.leaf.data.get("category")
            erased = [category] if category else [each.value for each in Category if not each.kept_by_law]
            connection.execute(
                text("DELETE FROM sealed_values WHERE subject = :subject AND category = ANY(:categories)"),
                {"subject": entry.leaf.subjects[0], "categories": erased},
            )
