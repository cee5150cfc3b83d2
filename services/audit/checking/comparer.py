"""Comparing in the background what is stored with what was recorded, page by page and at a bounded rate.

Four stores are gone through again and again, from their first entry to their end: the feed of each publisher against
the leaves, the leaves against the archive, and the checkpoints against those that were kept in files. How far a round
has come stands in the database, and so does what was found, until its place holds again.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection, Engine, text

from services.audit.checking.comparing import PAGE, Stretch, differences, stands_at
from services.audit.log.archive import Archive, ArchiveDamaged, archive_directory
from services.audit.log.kept_checkpoints import TAIL, KeptCheckpoint, KeptCheckpoints
from services.audit.log.queries import published_size
from services.audit.tree.merkle import leaf_hash
from shared.bus.actors import Actor
from shared.bus.envelope import unwrapped
from shared.bus.rpc import RpcClient
from shared.runtime.checking import Finding, told

log = structlog.get_logger()

FINDINGS_OF_A_PAGE = 20
"""So many are kept; `okacrm events fsck` and `okacrm audit fsck` tell all."""

Located = tuple[int, Finding]
"""Something that does not hold, and the place in its store; 0 for the store as a whole."""

_BEGIN = text("INSERT INTO comparisons (store) VALUES (:store) ON CONFLICT DO NOTHING")
_POSITION = text("SELECT position FROM comparisons WHERE store = :store")
_COUNTED = text("UPDATE comparisons SET entries = :entries WHERE store = :store")
_MOVED = text("UPDATE comparisons SET position = :position WHERE store = :store")
_ENDED = text("UPDATE comparisons SET position = 0, ended_at = now() WHERE store = :store")
_FORGET = text("DELETE FROM comparison_findings WHERE store = :store AND position > :after AND position <= :up_to")
_FIND = text("""
    INSERT INTO comparison_findings (store, position, what, place, expected, found)
    VALUES (:store, :position, :what, :place, :expected, :found)
""")
_EVERYTHING = 2**62


@dataclass(frozen=True)
class Page:
    """What was compared: the places behind the last page up to `up_to`, and whether they are the last of the store."""

    up_to: int
    is_last: bool
    findings: Sequence[Located]


class Store(Protocol):
    """Something that is stored twice. Its places count from 1."""

    name: str

    def count(self) -> tuple[int, list[Finding]]:
        """How many entries there are, and what that number contradicts."""

    def compare(self, after: int) -> Page:
        """Compares the next places."""


class Comparer:
    """Compares a page at a time, store by store. One that is away or at fault leaves the others their turn."""

    def __init__(self, engine: Engine, stores: Sequence[Store], pages_per_minute: int) -> None:
        self._engine = engine
        self._turns = cycle(stores)
        self._counted: set[str] = set()
        self.period = 60 / pages_per_minute
        """Seconds from one page to the next."""

    def compare_next(self) -> None:
        """Compares one page of the store whose turn it is."""
        self._compare(next(self._turns))

    def _compare(self, store: Store) -> None:
        after = self._position(store)
        # Counting finds that something is missing wherever it was, so each start and each round begin with it.
        if after == 0 or store.name not in self._counted:
            entries, findings = store.count()
            with self._engine.begin() as connection:
                _replace(connection, store, -1, 0, [(0, finding) for finding in findings])
                if not findings:
                    # Else it stays known how many there were.
                    connection.execute(_COUNTED, {"store": store.name, "entries": entries})
            self._counted.add(store.name)
        page = store.compare(after)
        with self._engine.begin() as connection:
            _replace(connection, store, after, _EVERYTHING if page.is_last else page.up_to, page.findings)
            connection.execute(_ENDED if page.is_last else _MOVED, {"store": store.name, "position": page.up_to})

    def _position(self, store: Store) -> int:
        with self._engine.begin() as connection:
            connection.execute(_BEGIN, {"store": store.name})
            return int(connection.scalar(_POSITION, {"store": store.name}) or 0)


def _replace(connection: Connection, store: Store, after: int, up_to: int, findings: Sequence[Located]) -> None:
    """Keeps what was found in these places, and nothing that was found there before."""
    connection.execute(_FORGET, {"store": store.name, "after": after, "up_to": up_to})
    for position, finding in findings[:FINDINGS_OF_A_PAGE]:
        connection.execute(
            _FIND,
            {
                "store": store.name,
                "position": position,
                "what": finding.what,
                "place": finding.where,
                "expected": finding.expected,
                "found": finding.found,
            },
        )
    if findings:
        # Nothing personal stands in a finding.
        log.error("store_differs_from_record", store=store.name, findings=len(findings), first=str(findings[0][1]))


class ComparedFeed:
    """What a publisher tells of its events, against their leaves."""

    def __init__(self, engine: Engine, rpc: RpcClient, publisher: str, subscription: str) -> None:
        self.name = publisher
        self._engine = engine
        self._rpc = rpc
        self._subscription = subscription

    def count(self) -> tuple[int, list[Finding]]:
        stands = self._stands()
        counts = self._review(0, limit=0, count=True)
        where, head = f"{self.name} feed", counts["head"]
        findings = []
        if head < stands:
            findings.append(Finding("feed-behind-the-log", where, f"at least {stands}", str(head)))
        if counts["numbered"] != head:
            findings.append(Finding("feed-rows-differ", where, str(head), str(counts["numbered"])))
        placed = counts["numbered"] + counts["waiting"]
        if counts["events"] != placed:
            findings.append(Finding("events-differ-from-their-places", where, str(placed), str(counts["events"])))
        return counts["events"], findings

    def compare(self, after: int) -> Page:
        last = self._stands()
        answer = self._review(after, limit=PAGE, count=False)
        stretch = Stretch.of(after, [unwrapped(message.encode()) for message in answer["entries"]], last)
        with self._engine.connect() as connection:
            findings = [*differences(connection, self.name, stretch)]
        return Page(stretch.up_to, stretch.up_to >= last, findings)

    def _stands(self) -> int:
        with self._engine.connect() as connection:
            return stands_at(connection, self.name, self._subscription)

    def _review(self, after: int, *, limit: int, count: bool) -> dict[str, Any]:
        answer: dict[str, Any] = self._rpc.call(
            self.name,
            "review_feed",
            {"after": after, "limit": limit, "count": count},
            actor=Actor("service", "audit"),
            correlation_id=str(uuid.uuid4()),
        )
        return answer


class ComparedLeaves:
    """The leaves, against the archive."""

    name = "leaves"

    def __init__(self, engine: Engine, log_directory: Path) -> None:
        self._engine = engine
        self._archive = Archive(archive_directory(log_directory))

    def count(self) -> tuple[int, list[Finding]]:
        with self._engine.connect() as connection:
            published = published_size(connection)
        archived, findings = self._archived()
        with self._engine.connect() as connection:
            row = connection.execute(text("SELECT size, (SELECT count(*) FROM leaves) AS leaves FROM log_head")).one()
        if archived is not None and not published <= archived <= row.size:
            findings.append(Finding("archive-differs", "archive", f"{published} to {row.size}", str(archived)))
        if row.leaves != row.size:
            findings.append(Finding("leaves-differ", "leaves", str(row.size), str(row.leaves)))
        return row.leaves, findings

    def compare(self, after: int) -> Page:
        archived, damage = self._archived()
        if archived is None:
            return Page(after, True, [(after + 1, finding) for finding in damage])
        up_to = min(after + PAGE, archived)
        try:
            lines = list(islice(self._archive.read(after), max(0, up_to - after)))
        except ArchiveDamaged as error:
            return Page(up_to, up_to >= archived, [(after + 1, _damaged("archive", error))])
        with self._engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT leaf_index, leaf, leaf_hash FROM leaves WHERE leaf_index >= :first AND leaf_index < :last"
                ),
                {"first": after, "last": up_to},
            )
            leaves = {row.leaf_index: (bytes(row.leaf), bytes(row.leaf_hash)) for row in rows}
        findings = [*_differing_leaves(after, lines, leaves)]
        return Page(up_to, up_to >= archived, findings)

    def _archived(self) -> tuple[int | None, list[Finding]]:
        try:
            return self._archive.size(), []
        except ArchiveDamaged as damage:
            return None, [_damaged("archive", damage)]


class ComparedCheckpoints:
    """The checkpoints in the database, against those that were kept in files."""

    name = "checkpoints"

    def __init__(self, engine: Engine, log_directory: Path) -> None:
        self._engine = engine
        self._kept = KeptCheckpoints(log_directory)

    def count(self) -> tuple[int, list[Finding]]:
        with self._engine.connect() as connection:
            published = published_size(connection)
        try:
            kept = self._kept.count()
            tail = list(self._kept.read(max(0, kept - TAIL)))
        except ArchiveDamaged as damage:
            return 0, [_damaged("checkpoints", damage)]
        newest = tail[-1].size if tail else 0
        findings = []
        if newest < published:
            findings.append(Finding("kept-checkpoints-differ", "checkpoints", f"at least {published}", str(newest)))
        with self._engine.connect() as connection:
            row = connection.execute(
                text(
                    "SELECT count(*) AS stored, coalesce(max(size), 0) AS newest FROM checkpoints WHERE size <= :size"
                ),
                {"size": newest},
            ).one()
        expected = kept - sum(each.size > row.newest for each in tail)
        if row.stored != expected:
            findings.append(Finding("checkpoints-differ", "checkpoints", str(expected), str(row.stored)))
        return kept, findings

    def compare(self, after: int) -> Page:
        # One more in front tells behind which size the page begins.
        before = min(after, 1)
        try:
            kept = list(islice(self._kept.read(after - before), before + PAGE))
        except ArchiveDamaged as damage:
            return Page(after, True, [(after + 1, _damaged("checkpoints", damage))])
        begins = kept[0].size if before and kept else 0
        page = kept[before:]
        with self._engine.connect() as connection:
            # Asked first: what is signed in between may be in the files alone, and nothing else may be.
            published = published_size(connection)
            rows = connection.execute(
                text("SELECT size, note FROM checkpoints WHERE size > :begins AND size <= :ends"),
                {"begins": begins, "ends": page[-1].size if page else 0},
            )
            notes = {row.size: row.note for row in rows}
        findings = [*_differing_checkpoints(after, [each for each in page if each.size <= published], notes)]
        return Page(after + len(page), len(page) < PAGE, findings)


def _differing_leaves(
    after: int, lines: Sequence[bytes], leaves: Mapping[int, tuple[bytes, bytes]]
) -> Iterator[Located]:
    for index, line in enumerate(lines, start=after):
        where = f"leaf {index}"
        if index not in leaves:
            yield index + 1, Finding("leaf-missing", where, told(leaf_hash(line)))
            continue
        leaf, stored_hash = leaves[index]
        if leaf != line:
            yield index + 1, Finding("archived-leaf-differs", where, told(leaf_hash(leaf)), told(leaf_hash(line)))
        elif leaf_hash(leaf) != stored_hash:
            yield index + 1, Finding("leaf-hash-differs", where, told(leaf_hash(leaf)), told(stored_hash))


def _differing_checkpoints(after: int, kept: Sequence[KeptCheckpoint], notes: Mapping[int, str]) -> Iterator[Located]:
    for place, each in enumerate(kept, start=after + 1):
        where = f"checkpoint {each.size}"
        if each.size not in notes:
            yield place, Finding("checkpoint-missing", where, told(each.note))
        elif notes[each.size] != each.note:
            yield place, Finding("checkpoint-differs", where, told(each.note), told(notes[each.size]))
    for size in sorted(notes.keys() - {each.size for each in kept}):
        yield after + 1, Finding("checkpoint-not-kept", f"checkpoint {size}", found=told(notes[size]))


def _damaged(where: str, damage: ArchiveDamaged) -> Finding:
    """The message of a damage was written for the operator, and names a file."""
    return Finding("archive-damaged", where, found=str(damage))
