"""Audit's read models, as they are rebuilt from the leaves of the log, and its tables that follow from none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, text

from services.audit.disclosures import projections as disclosure_projections
from services.audit.exports.projections import projections
from services.audit.intake.registers import REGISTERS, Register
from services.audit.intake.sequencing import Entry, count, count_by_day, insert_terms, insert_tiles, note_epochs
from services.audit.pruning import PRUNED
from services.audit.tree.leaves import Leaf
from services.audit.tree.merkle import leaf_hash
from shared.bus.rebuilding import ReadFeed
from shared.eventstore.rebuilding import WINDOW, ReadModel, Step, own_read_models

NOT_DERIVED: Mapping[str, str] = {
    "leaves": "the log itself",
    "log_head": "how many leaves the log has",
    "checkpoints": "what was signed",
    "sealed_values": "sealed values beside the leaves, which hold their hashes only",
    "missing_values": "which of them are to be fetched again",
    "export_progress": "how far exports have come, and how often making one failed",
    "export_parts": "parts of exports, as they were made",
    "comparisons": "how far what is stored was compared with the log",
    "comparison_findings": "what was found by that",
    "loops": "how loops of the courier stand",
}
"""Tables beside the events that are made again of nothing else, by what they hold."""


class Leaves:
    """The leaves of the log in their order. A place is how many came before it."""

    start = "0"

    def end(self, connection: Connection) -> int:
        return int(connection.scalar(text("SELECT size FROM log_head")) or 0)

    def read(self, connection: Connection, place: str) -> Step:
        return self._read(connection, int(place), min(int(place) + WINDOW, self.end(connection)))

    def hold(self, connection: Connection, place: str) -> Step:
        """Lock the head, as whoever appends to the log does."""
        size = int(connection.scalar(text("SELECT size FROM log_head FOR UPDATE")) or 0)
        return self._read(connection, int(place), size)

    def _read(self, connection: Connection, first: int, size: int) -> Step:
        rows = connection.execute(
            text("""
                SELECT leaf_index, leaf FROM leaves
                WHERE leaf_index >= :first AND leaf_index < :size ORDER BY leaf_index
            """),
            {"first": first, "size": size},
        )
        return Step([_entry(row.leaf_index, bytes(row.leaf)) for row in rows], str(size), size)


def _entry(index: int, leaf: bytes) -> Entry:
    return Entry(index, Leaf.from_bytes(leaf), leaf, leaf_hash(leaf), {})


def read_models(read_feed: ReadFeed) -> tuple[ReadModel, ...]:
    """Return every read model; nobody's feed is asked for, since the log holds them all."""
    return (
        *(_of_leaves(register.table, (register.table,), partial(_enter, register)) for register in REGISTERS),
        _of_leaves(
            "disclosures",
            ("recipient_versions", "recipient_endings", "disclosures", "disclosure_days"),
            _disclose,
        ),
        _of_leaves("leaf_terms", ("leaf_terms",), insert_terms),
        _of_leaves("log_days", ("log_days",), count_by_day),
        _of_leaves("counters", ("workspace_counters", "audited"), _count),
        _of_leaves("tiles", ("tiles",), insert_tiles),
        *own_read_models(projections, PRUNED),
    )


def _of_leaves(name: str, tables: tuple[str, ...], enter: Callable[[Connection, Sequence[Entry]], None]) -> ReadModel:
    def apply(connection: Connection, entries: Sequence[Any]) -> None:
        if entries:
            enter(connection, entries)

    return ReadModel(name, tables, Leaves(), apply)


def _enter(register: Register, connection: Connection, entries: Sequence[Entry]) -> None:
    register.enter(connection, _placed(entries))


def _disclose(connection: Connection, entries: Sequence[Entry]) -> None:
    disclosure_projections.project(connection, _placed(entries))


def _count(connection: Connection, entries: Sequence[Entry]) -> None:
    count(connection, entries)
    note_epochs(connection, entries)


def _placed(entries: Sequence[Entry]) -> list[tuple[int, Leaf]]:
    return [(entry.index, entry.leaf) for entry in entries]
