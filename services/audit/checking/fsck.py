"""Checking the audit log: everything it stores is derived again from the bytes of its leaves.

One walk over the leaves in their order, with everything else read beside it in the same order. What is derived is
compared with what is stored; nothing stored is believed, but that a leaf says what it says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, text

from services.audit.checking.derived_rows import Derive, DerivedRows
from services.audit.checking.disclosures import DisclosureCheck
from services.audit.checking.exports import check_exports
from services.audit.intake.refill import VALUE_DIFFERS
from services.audit.intake.registers import REGISTERS
from services.audit.intake.sequencing import EPOCHS
from services.audit.log.archive import Archive, ArchiveDamaged, archive_directory
from services.audit.log.erasures import ERASURES, ErasedValues, erased_by
from services.audit.log.kept_checkpoints import KeptCheckpoint, KeptCheckpoints
from services.audit.log.queries import log_keys
from services.audit.log.signer import GuardUnusable, guard_file, listed_keys
from services.audit.search.postings import numbers_of, term_number
from services.audit.tree import merkle
from services.audit.tree.leaves import Leaf, LeafInvalid
from services.audit.tree.merkle import Tile, TileBuilder, leaf_hash
from services.audit.tree.notes import NoteInvalid, NoteSigner, Verifier, format_keys, holds_key, verify_checkpoint
from shared.privacy.keyring import keys_among
from shared.runtime import clock
from shared.runtime.checking import PAGE, Following, Report, Tally, at_one_moment, stream, told

GUARD_PATIENCE = 5
"""How often the guard is looked at: between signing and storing a checkpoint it is ahead for a moment."""

RECORDED_WITHIN = timedelta(minutes=10)
"""After so long a destroyed key is on record, in the log, and what it sealed is gone."""

_LEAVES = """
    SELECT leaf_index, leaf, leaf_hash, event_id, publisher, epoch, position, type, actor, occurred_at
    FROM leaves ORDER BY leaf_index
"""
_TERMS = "SELECT leaf_index, term FROM leaf_terms ORDER BY leaf_index"
_SEALED = """
    SELECT leaf_index, field, subject, category, key_id, ciphertext FROM sealed_values ORDER BY leaf_index, field
"""
_MISSING_VALUES = "SELECT leaf_index, field, reason FROM missing_values ORDER BY leaf_index, field"
_CHECKPOINTS = "SELECT size, note FROM checkpoints ORDER BY size"
_TILE = text("SELECT hashes, root FROM tiles WHERE level = :level AND index = :index")
_ERASURES_OF = text("""
    SELECT leaf_index, leaf FROM leaf_terms JOIN leaves USING (leaf_index)
    WHERE term = :subject AND type = ANY(:types)
""")
_NOT_ERASED = text("""
    SELECT leaf_index, field FROM sealed_values
    WHERE subject = :subject AND category = ANY(:categories) AND leaf_index < :index
    ORDER BY leaf_index, field LIMIT 10
""")


def check_log(
    engine: Engine,
    first_key: Verifier,
    directory: Path | None,
    subscription: str,
    report: Report,
    private_keys: Sequence[NoteSigner] | None = None,
    keyring: Engine | None = None,
) -> None:
    """Everything that does not hold in the log. `directory` is where its archive and guard are, if they can be seen.

    So are `private_keys`, of which one must be the key that signs. What an erasure must have taken is derived twice:
    from the leaves that tell of erasures, and, with the database of the `keyring`, from the keys that are destroyed,
    whatever any leaf tells.

    `first_key` is the key that it began with. Which ones took over is read in the log itself, and must be what the
    signer lists; a checkpoint counts under a key of which the log tells, and of a retired one up to where it signed.

    A log in use is judged as it stood at one moment. Its files go on growing, so the archive is measured before that
    moment, when it cannot be ahead of the database, and its end after it, when it cannot be behind what was signed.
    """
    if directory is None:
        report.notes.append("the log directory was not given: archive and guard were not looked at")
    if keyring is None:
        report.notes.append("the keyring was not given: the keys of sealed values were not looked at")
    archive = None if directory is None else _Archived(archive_directory(directory), report)
    kept = None if directory is None else _Kept(directory, report)
    keys_of_values = _KeysOfValues(keyring, report)
    with _moment_of_the_guard(engine, directory, report) as connection:
        keys = log_keys(connection, first_key)
        _check_keys(keys, first_key, directory, report)
        if private_keys is not None:
            _check_private_keys(keys, private_keys, directory, report)
        _Check(connection, keys, archive, kept, subscription, report, keys_of_values).run()


def _check_keys(keys: Sequence[Verifier], first_key: Verifier, directory: Path | None, report: Report) -> None:
    """The signer may list a key of which the log does not tell yet, before that key has signed anything."""
    try:
        listed = (listed_keys(directory) if directory else []) or [first_key]
    except GuardUnusable as unusable:
        report.add("log-keys-differ", "keys", format_keys(keys), str(unusable))
        return
    trusted = listed[-len(keys) :] if directory else [*keys[:-1], first_key]
    sizes_agree = [key.signed_up_to for key in trusted[1:]] == [key.signed_up_to for key in keys[1:]]
    if trusted != list(keys) or (directory and not sizes_agree):
        report.add("log-keys-differ", "keys", format_keys(keys), format_keys(listed))


def _check_private_keys(
    told_keys: Sequence[Verifier], private_keys: Sequence[NoteSigner], directory: Path | None, report: Report
) -> None:
    """While another key takes over, the list beside the guard knows before the log which one signs."""
    try:
        signs = ((listed_keys(directory) if directory else []) or told_keys)[0]
    except GuardUnusable:
        # That the list cannot be read has been said.
        return
    if not holds_key(private_keys, signs):
        found = format_keys([key.verifier for key in private_keys])
        report.add("log-private-key-differs", "private key", str(signs), found)


@contextmanager
def _moment_of_the_guard(engine: Engine, directory: Path | None, report: Report) -> Iterator[Connection]:
    """A moment at which the guard is the newest checkpoint; a finding if there is none."""
    for attempt in range(GUARD_PATIENCE):
        with at_one_moment(engine) as connection:
            newest = connection.scalar(text("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1"))
            guard = _read_guard(directory) if directory else newest
            agree = guard == newest or (newest is None and guard is not None and guard.split("\n")[1:2] == ["0"])
            if agree or attempt == GUARD_PATIENCE - 1:
                if not agree:
                    report.add("guard-differs", "guard", _note(newest), _note(guard))
                yield connection
                return
        time.sleep(0.3)


def _read_guard(directory: Path) -> str | None:
    try:
        return guard_file(directory).read_bytes().decode()
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _note(note: str | None) -> str:
    return "" if note is None else f"note {sha256(note.encode()).hexdigest()}"


class _Archived:
    """The archive, read alongside the leaves as far as it went when the check began."""

    def __init__(self, directory: Path, report: Report) -> None:
        self._archive = Archive(directory)
        self._report = report
        self._leaves: Iterator[bytes] = iter(())
        self.size = self._measure()
        if self.size is not None:
            self._leaves = self._archive.read()

    def _measure(self) -> int | None:
        try:
            return self._archive.size()
        except ArchiveDamaged as damage:
            self._report.add("archive-damaged", "archive", found=str(damage))
            return None

    def compare(self, index: int, leaf: bytes) -> None:
        """The next leaf of the log is the next of the archive, as far as it goes."""
        if self.size is None or index >= self.size:
            return
        try:
            line = next(self._leaves, b"")
        except ArchiveDamaged as damage:
            self._report.add("archive-damaged", "archive", found=str(damage))
            self.size = None
            return
        if line != leaf:
            self._report.add("archived-leaf-differs", f"leaf {index}", sha256(leaf).digest(), sha256(line).digest())

    def skip(self, index: int) -> None:
        """The log has no leaf here; the archive may."""
        if self.size is not None and index < self.size:
            next(self._leaves, None)

    def finish(self, size: int, signed: int) -> None:
        if self.size is None:
            return
        if self.size > size:
            self._report.add("archive-ahead-of-the-log", "archive", f"at most {size}", self.size)
        now = self._measure()
        if now is not None and now < signed:
            self._report.add("archive-behind-a-checkpoint", "archive", f"at least {signed}", now)


class _Kept:
    """The kept checkpoints, read alongside those of the database as far as they went when the check began."""

    def __init__(self, directory: Path, report: Report) -> None:
        self._report = report
        self._newest = 0
        self._checkpoints: Iterator[KeptCheckpoint] = iter(())
        try:
            kept = KeptCheckpoints(directory)
            count = kept.count()
            self._newest = max((each.size for each in kept.read(max(0, count - 1))), default=0)
            self._checkpoints = islice(kept.read(), count)
        except ArchiveDamaged as damage:
            self._report.add("archive-damaged", "checkpoints", found=str(damage))
        self._next = self._advance()

    def compare(self, size: int, note: str) -> None:
        """The next checkpoint of the database is the next of those that were kept."""
        self._skip(size)
        if self._next is not None and self._next.size == size:
            self._report.unless_equal("checkpoint-differs", f"checkpoint {size}", self._next.note, note)
            self._next = self._advance()
        elif 0 < size <= self._newest or self._newest == 0 < size:
            self._report.add("checkpoint-not-kept", f"checkpoint {size}", found=_note(note))

    def finish(self) -> None:
        self._skip(self._newest + 1)

    def _skip(self, size: int) -> None:
        """What was kept of smaller trees, and was not compared, the database lacks."""
        while self._next is not None and self._next.size < size:
            self._report.add("checkpoint-missing", f"checkpoint {self._next.size}", _note(self._next.note))
            self._next = self._advance()

    def _advance(self) -> KeptCheckpoint | None:
        try:
            return next(self._checkpoints, None)
        except ArchiveDamaged as damage:
            self._report.add("archive-damaged", "checkpoints", found=str(damage))
            return None


class _KeysOfValues:
    """No sealed value is kept whose key was destroyed, as the keyring tells it, which is asked page by page."""

    def __init__(self, keyring: Engine | None, report: Report) -> None:
        self._keyring, self._report = keyring, report
        self._began = clock.now()
        self._page: list[tuple[str, UUID]] = []

    def check(self, where: str, key_id: UUID) -> None:
        self._page.append((where, key_id))
        if len(self._page) >= PAGE:
            self.finish()

    def finish(self) -> None:
        page, self._page = self._page, []
        if self._keyring is None or not page:
            return
        known = keys_among(self._keyring, {key_id for _, key_id in page})
        for where, key_id in page:
            destroyed_at = known.get(key_id)
            if key_id not in known:
                self._report.add("sealed-value-of-an-unknown-key", where, found=key_id)
            elif destroyed_at and destroyed_at < self._began - RECORDED_WITHIN:
                self._report.add("sealed-value-of-a-destroyed-key", where, found=key_id)


@dataclass
class _Day:
    """How many records of one type a day brought, and between which positions they lie."""

    records: int = 0
    first_index: int | None = None
    last_index: int | None = None

    def add(self, index: int) -> None:
        self.records += 1
        self.first_index = index if self.first_index is None else self.first_index
        self.last_index = index


def _of_leaf(derive: Callable[[Leaf], Any]) -> Derive:
    """For rows that do not repeat where their leaf stands."""
    return lambda index, leaf: derive(leaf)


class _Check:
    """One walk over the log."""

    def __init__(
        self,
        connection: Connection,
        keys: Sequence[Verifier],
        archive: _Archived | None,
        kept: _Kept | None,
        subscription: str,
        report: Report,
        keys_of_values: _KeysOfValues,
    ) -> None:
        self._connection = connection
        self._keys_of_values = keys_of_values
        self._archive = archive
        self._subscription = subscription
        self._report = report
        self._tree = TileBuilder()
        self._checkpoints = _Checkpoints(connection, keys, self._tree, kept, report)
        self._feeds = _Feeds(connection, subscription, report)
        self._workspaces = Tally()
        self._days: dict[tuple[str, str, str], _Day] = {}
        self._terms = Following(stream(connection, _TERMS), "leaf_index")
        self._sealed = Following(stream(connection, _SEALED), "leaf_index")
        self._awaited = Following(stream(connection, _MISSING_VALUES), "leaf_index")
        self._registers: tuple[DerivedRows | DisclosureCheck, ...] = (
            *(DerivedRows(connection, report, each.name, each.table, _of_leaf(each.derive)) for each in REGISTERS),
            DisclosureCheck(connection, report),
        )

    def run(self) -> None:
        size = int(self._connection.scalar(text("SELECT size FROM log_head")) or 0)
        self._checkpoints.reach(0)
        for row in stream(self._connection, _LEAVES):
            while self._tree.size < row.leaf_index:
                self._missing(self._tree.size)
            self._leaf(row)
            self._report.count_of("leaves", size)
        self._report.unless_equal("log-head-differs", "log_head", self._tree.size, size)
        self._checkpoints.finish()
        self._check_tiles_beyond_the_tree()
        beside = {
            "term-without-leaf": self._terms,
            "sealed-value-without-leaf": self._sealed,
            "missing-value-without-leaf": self._awaited,
        }
        for what, following in beside.items():
            for row in following.rest():
                self._report.add(what, f"leaf {row.leaf_index}")
        for register in self._registers:
            register.finish()
        self._keys_of_values.finish()
        self._feeds.finish()
        self._check_counters()
        self._check_days()
        check_exports(self._connection, self._report)
        if self._archive:
            self._archive.finish(self._tree.size, self._checkpoints.newest)

    def _missing(self, index: int) -> None:
        """A hole: nothing over it can be derived, and every hash above it will be told to differ."""
        self._report.add("leaf-missing", f"leaf {index}")
        self._grow(index, bytes(merkle.HASH_SIZE))
        if self._archive:
            self._archive.skip(index)

    def _leaf(self, row: Row[Any]) -> None:
        index, data = row.leaf_index, bytes(row.leaf)
        where = f"leaf {index}"
        derived = leaf_hash(data)
        self._report.unless_equal("leaf-hash-differs", where, derived, bytes(row.leaf_hash))
        self._grow(index, derived)
        if self._archive:
            self._archive.compare(index, data)
        try:
            leaf = Leaf.from_bytes(data)
            occurred_at = datetime.fromisoformat(leaf.occurred_at)
        except (LeafInvalid, ValueError) as error:
            reason = str(error) if isinstance(error, LeafInvalid) else "leaf-occurred_at"
            self._report.add("leaf-invalid", where, "a canonical leaf v1", reason)
            for following in (self._terms, self._sealed, self._awaited):
                list(following.up_to(index))
            for register in self._registers:
                register.skip(index)
            return
        columns = {
            "event_id": (leaf.event_id, str(row.event_id)),
            "publisher": (leaf.publisher, row.publisher),
            "epoch": (leaf.epoch, row.epoch),
            "position": (leaf.position, row.position),
            "type": (leaf.type, row.type),
            "actor": (leaf.actor, row.actor),
            "occurred_at": (occurred_at, row.occurred_at),
        }
        for name, (expected, found) in columns.items():
            self._report.unless_equal("leaf-differs-from-its-row", f"{where}, {name}", expected, found)
        self._feeds.follow(index, leaf)
        self._check_terms(index, leaf)
        self._check_sealed(index, leaf)
        for register in self._registers:
            register.check(index, leaf)
        self._count(index, leaf)
        self._days.setdefault((leaf.occurred_at[:10], leaf.publisher, leaf.type), _Day()).add(index)
        if erased := self._erased_by(index, leaf):
            self._check_erased(index, erased)

    # --- the tree

    def _grow(self, index: int, derived: bytes) -> None:
        for tile in self._tree.append([derived]):
            self._check_tile(tile)
        self._checkpoints.reach(index + 1)

    def _check_tile(self, tile: Tile) -> None:
        where = f"tile {tile.level}/{tile.index}"
        row = self._connection.execute(_TILE, {"level": tile.level, "index": tile.index}).first()
        self._report.count("tiles")
        if row is None:
            self._report.add("tile-missing", where, tile.root)
            return
        if bytes(row.hashes) != tile.hashes:
            stored, size = bytes(row.hashes), merkle.HASH_SIZE
            pairs = ((tile.hashes[at : at + size], stored[at : at + size]) for at in range(0, len(tile.hashes), size))
            place, (expected, found) = next((n, pair) for n, pair in enumerate(pairs) if pair[0] != pair[1])
            self._report.add("tile-differs", f"{where}, hash {place}", expected, found)
        self._report.unless_equal("tile-root-differs", where, tile.root, bytes(row.root))

    def _check_tiles_beyond_the_tree(self) -> None:
        """A few full levels are all that a tree has, so this reads along the tiles' own index."""
        full = [self._tree.size >> (merkle.TILE_HEIGHT * (level + 1)) for level in range(8)]
        query = """
            SELECT tiles.level, tiles.index FROM tiles
            LEFT JOIN unnest(CAST(:full AS bigint[])) WITH ORDINALITY AS tree (width, number)
                ON number = tiles.level + 1
            WHERE tree.width IS NULL OR tiles.index < 0 OR tiles.index >= tree.width
            ORDER BY tiles.level, tiles.index
        """
        for row in stream(self._connection, query, full=full):
            self._report.add("tile-beyond-the-log", f"tile {row.level}/{row.index}")

    # --- what is kept beside the leaves

    def _check_terms(self, index: int, leaf: Leaf) -> None:
        missing = numbers_of(leaf)
        for row in self._terms.up_to(index):
            if row.leaf_index != index or row.term not in missing:
                self._report.add("term-without-leaf", f"leaf {row.leaf_index}", found=row.term)
            else:
                missing.remove(row.term)
        for number in sorted(missing):
            self._report.add("term-missing", f"leaf {index}", told(str(number)))

    def _check_sealed(self, index: int, leaf: Leaf) -> None:
        missing = {each.field: each for each in leaf.sealed}
        for row in self._sealed.up_to(index):
            where = f"leaf {row.leaf_index}, field {told(row.field)}"
            each = missing.pop(row.field, None) if row.leaf_index == index else None
            if each is None:
                self._report.add("sealed-value-without-leaf", where, found=row.key_id)
                continue
            self._report.count("sealed values")
            self._keys_of_values.check(where, row.key_id)
            columns = {
                "sha256": (each.sha256, sha256(bytes(row.ciphertext)).hexdigest()),
                "subject": (each.subject, str(row.subject)),
                "category": (each.category, row.category),
                "key": (each.key, str(row.key_id)),
            }
            for name, (expected, found) in columns.items():
                self._report.unless_equal("sealed-value-differs", f"{where}, {name}", expected, found)
        for row in self._awaited.up_to(index):
            # A restored log has only the hash, and has asked for the value or knows why it cannot be had.
            if row.leaf_index != index or row.field not in missing:
                where = f"leaf {row.leaf_index}, field {told(row.field)}"
                self._report.add("missing-value-without-leaf", where, found=row.reason)
            elif row.reason != VALUE_DIFFERS:
                del missing[row.field]
                self._report.looked_at["sealed values awaited or lost"] += 1
        for each in missing.values():
            if self._was_erased(index, each.subject, each.category):
                self._report.looked_at["sealed values erased"] += 1
            else:
                self._report.add("sealed-value-missing", f"leaf {index}, field {told(each.field)}", each.sha256)

    def _was_erased(self, index: int, subject: str, category: str) -> bool:
        """Whether the log says, later on, that the keys of this value were destroyed."""
        number = term_number("subject", subject)
        rows = self._connection.execute(_ERASURES_OF, {"subject": number, "types": ERASURES})
        for row in rows:
            try:
                erased = erased_by(Leaf.from_bytes(bytes(row.leaf)))
            except (LeafInvalid, LookupError, ValueError):
                continue
            if row.leaf_index > index and erased and str(erased.subject) == subject and category in erased.categories:
                return True
        return False

    def _check_erased(self, index: int, erased: ErasedValues) -> None:
        """What an erasure took must be gone."""
        parameters = {"subject": erased.subject, "categories": list(erased.categories), "index": index}
        for row in self._connection.execute(_NOT_ERASED, parameters):
            self._report.add(
                "sealed-value-not-erased", f"leaf {row.leaf_index}, field {told(row.field)}", f"erased by leaf {index}"
            )

    def _erased_by(self, index: int, leaf: Leaf) -> ErasedValues | None:
        try:
            return erased_by(leaf)
        except (LookupError, ValueError):
            self._report.add("leaf-invalid", f"leaf {index}", "whose keys were destroyed")
            return None

    # --- counters

    def _count(self, index: int, leaf: Leaf) -> None:
        if leaf.workspace is not None and leaf.workspace_counter is not None:
            before = self._workspaces.put(leaf.workspace, leaf.workspace_counter)
            where = f"leaf {index}, workspace {leaf.workspace}"
            self._report.unless_equal("workspace-counter-not-contiguous", where, before + 1, leaf.workspace_counter)

    def _check_days(self) -> None:
        rows = self._connection.execute(
            text("SELECT day, publisher, type, records, first_index, last_index FROM log_days")
        )
        stored = {
            (row.day.isoformat(), row.publisher, row.type): _Day(row.records, row.first_index, row.last_index)
            for row in rows
        }
        for key in sorted(stored.keys() | self._days.keys()):
            expected, found = self._days.get(key, _Day()), stored.get(key, _Day())
            for name in vars(expected):
                where = f"day {', '.join(map(told, key))}, {name}"
                self._report.unless_equal("day-differs", where, getattr(expected, name), getattr(found, name))

    def _check_counters(self) -> None:
        for row in stream(self._connection, "SELECT workspace, events FROM workspace_counters ORDER BY workspace"):
            where = f"workspace {row.workspace}"
            counted = self._workspaces.take(str(row.workspace))
            self._report.unless_equal("workspace-counter-differs", where, counted, row.events)
            self._report.count("workspaces")
        for workspace, counted in self._workspaces.items():
            self._report.add("workspace-counter-missing", f"workspace {workspace}", counted)


class _Checkpoints:
    """Every stored checkpoint is signed, and over the tree that the leaves make; they are those that were kept."""

    def __init__(
        self, connection: Connection, keys: Sequence[Verifier], tree: TileBuilder, kept: _Kept | None, report: Report
    ) -> None:
        self._rows = Following(stream(connection, _CHECKPOINTS), "size")
        self._keys, self._tree, self._kept, self._report = keys, tree, kept, report
        self.newest = 0

    def reach(self, size: int) -> None:
        """The tree has this size now."""
        for row in self._rows.up_to(size):
            self._check(row, merkle.root(self._tree, size) if row.size == size else None)

    def finish(self) -> None:
        for row in self._rows.rest():
            self._report.add(
                "checkpoint-beyond-the-log", f"checkpoint {row.size}", f"at most {self._tree.size}", row.size
            )
            self._check(row, None)
        if self._kept:
            self._kept.finish()

    def _check(self, row: Row[Any], root: bytes | None) -> None:
        where = f"checkpoint {row.size}"
        if self._kept:
            self._kept.compare(row.size, row.note)
        self._report.count("checkpoints")
        self.newest = max(self.newest, row.size)
        try:
            checkpoint = verify_checkpoint(row.note, self._keys, sole_signature=True)
        except NoteInvalid as error:
            self._report.add("checkpoint-not-signed", where, "signed by this log", str(error))
            return
        self._report.unless_equal("checkpoint-size-differs", where, row.size, checkpoint.size)
        if root is not None and checkpoint.size == row.size:
            self._report.unless_equal("checkpoint-root-differs", where, root, checkpoint.root)


@dataclass
class _Epoch:
    """What leaves say of one epoch: where it begins and ends, how many there are, and how many events come again."""

    follows: int
    last: int
    positions: int = 0
    repeated: int = 0
    begins_at: str = ""

    @property
    def stated(self) -> dict[str, int]:
        return {
            "follows": self.follows,
            "last_position": self.last,
            "positions": self.positions,
            "repeated": self.repeated,
        }


class _Feeds:
    """The positions of each publisher's feed follow each other, and cursors and counts say how far they go."""

    def __init__(self, connection: Connection, subscription: str, report: Report) -> None:
        self._connection, self._subscription, self._report = connection, subscription, report
        self._epochs: dict[str, dict[int, _Epoch]] = {}
        self._last: dict[str, tuple[int, int, str]] = {}

    def follow(self, index: int, leaf: Leaf) -> None:
        """A new epoch begins where the publisher was restored to: behind the last position or right after it."""
        publisher = leaf.publisher
        epochs = self._epochs.setdefault(publisher, {})
        newest, position, _ = self._last.get(publisher, (leaf.epoch, 0, ""))
        where = f"leaf {index}, publisher {told(publisher)}"
        reached = max((each.last for each in epochs.values()), default=0)
        epoch = epochs.setdefault(leaf.epoch, _Epoch(leaf.position - 1, leaf.position - 1, begins_at=where))
        # What a restored publisher tells again has its leaf under an older epoch: only then are places left out.
        may_leave_out = leaf.epoch != min(epochs) and leaf.position > position
        if leaf.epoch < newest:
            self._report.add("epoch-goes-back", where, f"at least {newest}", leaf.epoch)
        elif leaf.epoch > newest and leaf.position > reached + 1:
            self._report.add("feed-position-not-contiguous", where, f"at most {position + 1}", leaf.position)
        elif leaf.epoch == newest and not may_leave_out:
            self._report.unless_equal("feed-position-not-contiguous", where, position + 1, leaf.position)
        epoch.last = max(epoch.last, leaf.position)
        epoch.positions += 1
        if leaf.type in EPOCHS:
            self._begin(epochs.get(leaf.data["epoch"]), leaf)
        self._last[publisher] = (leaf.epoch, leaf.position, leaf.event_id)

    def _begin(self, epoch: _Epoch | None, leaf: Leaf) -> None:
        if epoch is not None:
            epoch.follows, epoch.repeated = leaf.data["last_common_position"], leaf.data["repeated_events"]

    def finish(self) -> None:
        self._check_epochs()
        self._check_cursors()
        self._check_audited()

    def _check_epochs(self) -> None:
        for epochs in self._epochs.values():
            for number, epoch in epochs.items():
                places = epoch.last - epoch.follows
                if number != min(epochs) and epoch.positions not in (places, places - epoch.repeated):
                    expected = f"{places - epoch.repeated} records of epoch {number}"
                    self._report.add("feed-position-not-contiguous", epoch.begins_at, expected, epoch.positions)

    def _check_cursors(self) -> None:
        rows = self._connection.execute(
            text("SELECT publisher, epoch, position, event_id FROM cursors WHERE subscription = :name"),
            {"name": self._subscription},
        ).all()
        cursors = {row.publisher: (row.epoch, row.position, row.event_id and str(row.event_id)) for row in rows}
        for publisher in sorted(cursors.keys() | self._last.keys()):
            expected = self._last.get(publisher, (0, 0, None))
            found = cursors.get(publisher)
            if found is None:
                self._report.add("cursor-missing", f"publisher {told(publisher)}", _place(expected))
            elif found != expected:
                self._report.add("cursor-differs", f"publisher {told(publisher)}", _place(expected), _place(found))

    def _check_audited(self) -> None:
        rows = self._connection.execute(
            text("SELECT publisher, epoch, follows, last_position, positions, repeated FROM audited")
        )
        stored = {
            (row.publisher, row.epoch): _Epoch(row.follows, row.last_position, row.positions, row.repeated)
            for row in rows
        }
        derived = {
            (publisher, number): epoch for publisher, epochs in self._epochs.items() for number, epoch in epochs.items()
        }
        nothing = _Epoch(0, 0)
        for publisher, number in sorted(stored.keys() | derived.keys()):
            expected = derived.get((publisher, number), nothing).stated
            found = stored.get((publisher, number), nothing).stated
            for name in expected:
                where = f"publisher {told(publisher)}, epoch {number}, {name}"
                self._report.unless_equal("audited-differs", where, expected[name], found[name])


def _place(cursor: tuple[int, int, str | None]) -> str:
    epoch, position, event_id = cursor
    return f"{epoch}/{position} {told(event_id)}"


def _time(written: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(written)
    except (TypeError, ValueError):
        return None
