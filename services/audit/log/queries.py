"""Audit's reads: records, proofs and completeness, each at a cost of its answer and not of the log."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from services.audit.log.corrections import corrections_of
from services.audit.log.tiles import StoredTiles
from services.audit.search import postings
from services.audit.search.language import Query
from services.audit.tree import evidence, merkle
from services.audit.tree.evidence import RecordProof
from services.audit.tree.leaves import Leaf
from services.audit.tree.notes import Verifier
from services.audit.tree.proofs import TlogProof
from shared.contracts.audit import CheckpointKeyRotated
from shared.contracts.events import contract_of
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339

_PLACE = re.compile(r"(\d{1,15})\.(\d{1,15})", re.ASCII)


@dataclass(frozen=True)
class Place:
    """Where a list goes on: before a position, as the log stood when a checkpoint of `size` leaves was the newest."""

    size: int
    before: int

    def __str__(self) -> str:
        return f"{self.size}.{self.before}"

    @classmethod
    def from_text(cls, text: str) -> Place:
        """The place that a cursor of ours names. Raises `ValueError` for any other text."""
        written = _PLACE.fullmatch(text)
        if written is None:
            raise ValueError("not a cursor")
        place = cls(*map(int, written.groups()))
        if place.before > place.size:
            raise ValueError("not a cursor")
        return place


def published_size(connection: Connection) -> int:
    """How many leaves the latest checkpoint covers."""
    return int(connection.scalar(text("SELECT coalesce(max(size), 0) FROM checkpoints")) or 0)


def is_checkpoint(connection: Connection, size: int) -> bool:
    """Whether the log has a checkpoint of this size."""
    return bool(connection.scalar(text("SELECT EXISTS (SELECT FROM checkpoints WHERE size = :size)"), {"size": size}))


def latest_checkpoint(connection: Connection) -> tuple[int, str]:
    """The size of the latest checkpoint, and its signed note. Raises `Problem("not-yet-published")` before the first.

    Both come from one statement, since a newer checkpoint may be published between two.
    """
    row = connection.execute(text("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1")).first()
    if row is None:
        raise Problem("not-yet-published")
    return row.size, row.note


def log_keys(connection: Connection, first: Verifier) -> list[Verifier]:
    """The keys that sign checkpoints, newest first, as the log tells them; `first` is the one it began with.

    A key stands here before it signs anything, for its first checkpoint covers the record that tells of it.
    """
    rows = connection.execute(
        text("SELECT leaf FROM leaf_terms JOIN leaves USING (leaf_index) WHERE term = :type ORDER BY leaf_index DESC"),
        {"type": postings.term_number("type", contract_of(CheckpointKeyRotated).type)},
    )
    rotations = [Leaf.from_bytes(bytes(row.leaf)).data for row in rows]
    if not rotations:
        return [first]
    newest = Verifier.parse(rotations[0]["new_key"])
    return [newest, *(Verifier.parse(each["old_key"]).retired(each["signed_up_to"]) for each in rotations)]


def records(connection: Connection, query: Query, place: Place | None, limit: int) -> dict[str, Any]:
    """A page of published records, newest first, and the cursor of the next one.

    All pages show the log as the checkpoint covers it that was the newest when the first was asked for. A page may be
    short although there is a next one: where a query is hard to answer, it is answered in parts.
    """
    place = place or _newest_place(connection)
    found = postings.find(connection, query, place.before, limit)
    go_on = found.go_on_before
    return {
        "items": record_views(connection, found.leaves, place.size),
        "checkpoint": place.size,
        "next_cursor": str(Place(place.size, go_on)) if go_on else None,
    }


def facets(connection: Connection, query: Query) -> dict[str, Any]:
    """How many records a query wants, by type, publisher and day."""
    return vars(postings.facets(connection, query, published_size(connection)))


def _newest_place(connection: Connection) -> Place:
    size = published_size(connection)
    return Place(size, size)


def record(connection: Connection, event_id: UUID) -> dict[str, Any]:
    """One record with the bytes of its leaf. Raises `Problem("not-found")`."""
    row = _leaf_row(connection, event_id)
    leaf = Leaf.from_bytes(bytes(row.leaf))
    (view,) = record_views(connection, [(row.leaf_index, leaf)], published_size(connection))
    return {
        **view,
        "leaf": b64encode(bytes(row.leaf)).decode(),
        "leaf_hash": b64encode(bytes(row.leaf_hash)).decode(),
    }


def record_views(connection: Connection, leaves: Sequence[tuple[int, Leaf]], published: int) -> list[dict[str, Any]]:
    """Records at their positions as readers see them, with what was stated to be wrong about them."""
    views = [_record_view(index, leaf, published) for index, leaf in leaves]
    corrections = corrections_of(connection, [view["id"] for view in views])
    return [{**view, "corrections": corrections.get(view["id"], [])} for view in views]


def subjects_of(connection: Connection, event_id: UUID) -> list[UUID]:
    """The people whom a record is about. Raises `Problem("not-found")`."""
    return [UUID(subject) for subject in Leaf.from_bytes(bytes(_leaf_row(connection, event_id).leaf)).subjects]


def _record_view(index: int, leaf: Leaf, published: int) -> dict[str, Any]:
    """A record by itself: its leaf, where it stands in the log, and whether a checkpoint covers it."""
    document = leaf.document()
    del document["v"]
    return {
        "id": document.pop("event_id"),
        "feed_position": document.pop("position"),
        "position": index,
        "state": "published" if index < published else "sequenced",
        **document,
    }


def proof(connection: Connection, event_id: UUID) -> dict[str, str]:
    """The inclusion proof of a record in the latest checkpoint, as C2SP tlog-proof and as an evidence bundle.

    Raises `Problem("not-found")`, and `Problem("not-yet-published")` until a checkpoint covers the record.
    """
    row = _leaf_row(connection, event_id)
    size, note = latest_checkpoint(connection)
    if row.leaf_index >= size:
        raise Problem("not-yet-published")
    path = merkle.inclusion_proof(StoredTiles(connection), row.leaf_index, size)
    bundle = evidence.bundle(note, [RecordProof(bytes(row.leaf), row.leaf_index, path)])
    return {"tlog_proof": TlogProof(row.leaf_index, tuple(path), note).format(), "evidence": bundle.decode()}


def consistency(connection: Connection, old: int, new: int) -> list[bytes]:
    """The proof that the tree of `new` leaves extends that of `old`. Raises `Problem("checkpoint-out-of-range")`."""
    if not 1 <= old <= new <= published_size(connection):
        raise Problem("checkpoint-out-of-range")
    return merkle.consistency_proof(StoredTiles(connection), old, new)


def tile(connection: Connection, level: int, index: int, width: int) -> bytes:
    """The first `width` hashes of a tile. Raises `Problem("not-found")` if the latest checkpoint does not cover them.

    Any width up to there is served: it belongs to a tree that the log once had, and will never change.
    """
    covered = published_size(connection) >> (merkle.TILE_HEIGHT * level)
    if not 1 <= width <= merkle.TILE_WIDTH or index < 0 or index * merkle.TILE_WIDTH + width > covered:
        raise Problem("not-found")
    return StoredTiles(connection).tile(level, index, width)[: width * merkle.HASH_SIZE]


def completeness(connection: Connection, publishers: Sequence[str]) -> list[dict[str, Any]]:
    """For each publisher, which part of its feed the log holds, and how far the publisher says its feed goes.

    The positions of each epoch were counted as their leaves were written, and no position can be written twice:
    `contiguous` says that there are as many as the range has places, in every epoch. Where an epoch begins again what
    an older one held, the publisher said of how many; those stand in the log once, under the older epoch.
    """
    rows = connection.execute(
        text("""
            SELECT publisher, c.epoch, c.position, head, head_stated_at, halted,
                   (SELECT count(*) FROM missing_values JOIN leaves l USING (leaf_index)
                    WHERE l.publisher = p.publisher) AS missing
            FROM unnest(CAST(:publishers AS text[])) AS p (publisher)
            LEFT JOIN cursors c USING (publisher)
            WHERE subscription IS NULL OR subscription = 'log'
            ORDER BY publisher
        """),
        {"publishers": list(publishers)},
    ).all()
    epochs = connection.execute(
        text("""
            SELECT publisher, epoch, follows, last_position, positions,
                   positions IN (last_position - follows, last_position - follows - repeated) AS whole,
                   lead(follows) OVER (PARTITION BY publisher ORDER BY epoch) AS goes_on_after
            FROM audited ORDER BY publisher, epoch
        """)
    ).all()
    return [_completeness_view(row, [each for each in epochs if each.publisher == row.publisher]) for row in rows]


def _completeness_view(row: Row[Any], epochs: Sequence[Row[Any]]) -> dict[str, Any]:
    audited_to = row.position or 0
    return {
        "publisher": row.publisher,
        "epoch": row.epoch or 0,
        "audited_from": epochs[0].follows + 1 if epochs else 0,
        "audited_to": audited_to,
        "head": row.head or 0,
        "lag": max(0, (row.head or 0) - audited_to),
        "contiguous": all(each.whole for each in epochs) and _are_linked(epochs),
        "head_stated_at": row.head_stated_at and rfc3339(row.head_stated_at),
        "state": row.halted or ("following" if row.head_stated_at else "not-yet-reached"),
        "missing_values": row.missing,
        "epochs": [
            {
                "epoch": each.epoch,
                "audited_from": each.follows + 1,
                "audited_to": each.last_position,
                "records": each.positions,
                "contiguous": each.whole,
                "goes_on_after": each.goes_on_after,
            }
            for each in epochs
        ],
    }


def _are_linked(epochs: Sequence[Row[Any]]) -> bool:
    """Whether the first epoch begins with the first position, and each later one within reach of one before it."""
    reached = 0
    for each in epochs:
        if each.follows > reached:
            return False
        reached = max(reached, each.last_position)
    return True


@dataclass(frozen=True)
class FeedPlace:
    """A place in a publisher's feed; position 0 is before everything."""

    epoch: int
    position: int
    event_id: UUID | None


def feed_tail(connection: Connection, publisher: str, before: int | None, limit: int) -> dict[str, Any]:
    """Where the log stands in a publisher's feed, and the publisher's latest records below a log position.

    `given_up` marks a record beyond which the publisher's feed had gone on under a newer epoch already. Raises
    `Problem("not-found")` for a publisher that was never reached.
    """
    cursor = connection.execute(
        text("""
            SELECT epoch, position, event_id, halted FROM cursors
            WHERE publisher = :publisher AND subscription = 'log'
        """),
        {"publisher": publisher},
    ).first()
    if cursor is None:
        raise Problem("not-found")
    rows = connection.execute(
        text("""
            SELECT leaf_index, leaf, EXISTS (
                SELECT FROM audited a
                WHERE a.publisher = l.publisher AND a.epoch > l.epoch AND a.follows < l.position
            ) AS given_up
            FROM leaves l WHERE publisher = :publisher AND leaf_index < :before
            ORDER BY leaf_index DESC LIMIT :limit
        """),
        {"publisher": publisher, "before": 2**62 if before is None else before, "limit": limit},
    ).all()
    highest = connection.scalar(
        text("SELECT coalesce(max(epoch), 0) FROM audited WHERE publisher = :publisher"), {"publisher": publisher}
    )
    return {
        "epoch": cursor.epoch,
        "position": cursor.position,
        "event_id": cursor.event_id and str(cursor.event_id),
        "halted": cursor.halted,
        "highest_epoch": highest,
        "records": [
            {"log_position": row.leaf_index, "given_up": row.given_up, **_told(Leaf.from_bytes(bytes(row.leaf)))}
            for row in rows
        ],
    }


def _told(leaf: Leaf) -> dict[str, Any]:
    return {
        "event_id": leaf.event_id,
        "epoch": leaf.epoch,
        "position": leaf.position,
        "type": leaf.type,
        "stream": leaf.stream,
        "stream_version": leaf.stream_version,
        "subjects": list(leaf.subjects),
        "actor": leaf.actor,
        "category": leaf.data.get("category"),
        "occurred_at": leaf.occurred_at,
    }


def resume_feed(connection: Connection, publisher: str, stands: FeedPlace, resumes: FeedPlace) -> None:
    """Moves the cursor of the log from where it stands to a place that publisher and log have in common.

    Raises `Problem("conflict")` if it stands elsewhere, or if the log does not hold that event at that position.
    """
    held = connection.scalar(
        text("SELECT EXISTS (SELECT FROM leaves WHERE publisher = :p AND position = :position AND event_id = :id)"),
        {"p": publisher, "position": resumes.position, "id": resumes.event_id},
    )
    if not held and resumes.position > 0:
        raise Problem("conflict")
    moved = connection.execute(
        text("""
            UPDATE cursors SET epoch = :epoch, position = :position, event_id = :event_id, head = :position,
                head_stated_at = NULL, halted = NULL
            WHERE publisher = :publisher AND subscription = 'log' AND epoch = :stands_epoch
                AND position = :stands_position AND event_id IS NOT DISTINCT FROM :stands_event
        """),
        {
            "publisher": publisher,
            **vars(resumes),
            "stands_epoch": stands.epoch,
            "stands_position": stands.position,
            "stands_event": stands.event_id,
        },
    )
    if moved.rowcount == 0:
        raise Problem("conflict")


def _leaf_row(connection: Connection, event_id: UUID) -> Row[Any]:
    row = connection.execute(
        text("SELECT leaf_index, leaf, leaf_hash FROM leaves WHERE event_id = :event_id"), {"event_id": event_id}
    ).first()
    if row is None:
        raise Problem("not-found")
    return row
