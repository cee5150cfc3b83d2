"""The checkpoints that were ever signed, in order, in files outside the database: none of them can go unnoticed.

A checkpoint is kept when the signer's guard holds it and before the database does. So the newest that is kept tells
whether the guard was put back, and a database that was restored from an older copy is given back what it lacks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, text

from services.audit.log.archive import Archive, ArchiveDamaged, ArchiveWriter
from services.audit.log.queries import published_size
from services.audit.log.signer import GuardUnusable

SUFFIX = ".checkpoints"
TAIL = 16
"""So many of the newest are held in memory."""

_INSERT = text("INSERT INTO checkpoints (size, note, signed_at) VALUES (:size, :note, :now) ON CONFLICT DO NOTHING")
_BEYOND = text("SELECT note FROM checkpoints WHERE size > :size ORDER BY size")
_COUNTED = text("SELECT entries FROM comparisons WHERE store = 'checkpoints'")


def checkpoint_directory(log_directory: Path) -> Path:
    """Where the checkpoints are kept in the log's folder."""
    return log_directory / "checkpoints"


@dataclass(frozen=True)
class KeptCheckpoint:
    """A signed note, and the size of the tree that it commits to."""

    size: int
    note: str

    @classmethod
    def of_note(cls, note: str) -> KeptCheckpoint:
        return cls(int(note.split("\n")[1]), note)

    @classmethod
    def of_line(cls, line: bytes) -> KeptCheckpoint:
        """Raises `ArchiveDamaged` for a line that was not written by `as_line`."""
        try:
            return cls.of_note(json.loads(line))
        except (AttributeError, LookupError, ValueError):
            raise ArchiveDamaged("a line of the kept checkpoints is none") from None

    def as_line(self) -> bytes:
        return json.dumps(self.note, ensure_ascii=False).encode()


NONE = KeptCheckpoint(0, "")


class KeptCheckpoints:
    """The checkpoints that are kept, read."""

    def __init__(self, log_directory: Path) -> None:
        self._archive = Archive(checkpoint_directory(log_directory), suffix=SUFFIX)

    def count(self) -> int:
        """How many are kept. Raises `ArchiveDamaged`."""
        return self._archive.size()

    def read(self, start: int = 0) -> Iterator[KeptCheckpoint]:
        """The checkpoints behind the first `start` of them, in order. Raises `ArchiveDamaged`."""
        return map(KeptCheckpoint.of_line, self._archive.read(start))


class CheckpointKeeper:
    """Keeps checkpoints, alone until it is closed. Opening raises `ArchiveBusy` and `ArchiveDamaged`."""

    def __init__(self, log_directory: Path) -> None:
        self._writer = ArchiveWriter(checkpoint_directory(log_directory), suffix=SUFFIX)
        self._tail: list[KeptCheckpoint] = self._read(max(0, self._writer.size() - TAIL))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()

    def begin_with(self, connection: Connection) -> None:
        """Keep what the database holds beyond: that of a log whose checkpoints were not kept yet, or of a newer copy.

        Raises `ArchiveDamaged` where there were more than there are now.
        """
        counted = connection.scalar(_COUNTED) or 0
        if self._writer.size() < counted:
            raise ArchiveDamaged(
                f"{self._writer.directory} holds {self._writer.size()} checkpoints and has held {counted}: restore it "
                "from its backup. If that copy was made while the log was in use, set entries of the store checkpoints "
                "to 0 in the table comparisons."
            )
        newest = self._tail[-1].size if self._tail else 0
        notes = connection.scalars(_BEYOND, {"size": newest}).all()
        self._append([KeptCheckpoint.of_note(note) for note in notes])

    def keep(self, note: str) -> None:
        """Keep the checkpoint that was signed last, durably. Raises `GuardUnusable` if an earlier one claims to be.

        The one of the empty tree, with which every log begins, says nothing and is not kept.
        """
        signed = KeptCheckpoint.of_note(note)
        newest = self._tail[-1] if self._tail else NONE
        if signed == newest or signed.size == newest.size == 0:
            return
        if signed.size <= newest.size:
            raise GuardUnusable(
                f"The guard holds a checkpoint of {signed.size} leaves, and one of {newest.size} leaves was signed: it "
                "was put back. Put the newest checkpoint there that was ever published, byte for byte."
            )
        self._append([signed])

    def publish(self, connection: Connection, now: datetime) -> None:
        """Put into the database what it lacks behind its newest checkpoint."""
        published = published_size(connection)
        # Mostly it is the newest alone. Only a restored database lacks more than are in memory.
        is_reached = not self._tail or self._tail[0].size <= published
        for each in self._tail if is_reached else self._read(0):
            if each.size > published:
                connection.execute(_INSERT, {"size": each.size, "note": each.note, "now": now})

    def _append(self, checkpoints: list[KeptCheckpoint]) -> None:
        if checkpoints:
            self._writer.append(self._writer.size(), [each.as_line() for each in checkpoints])
            self._tail = [*self._tail, *checkpoints][-TAIL:]

    def _read(self, start: int) -> list[KeptCheckpoint]:
        return [KeptCheckpoint.of_line(line) for line in self._writer.read(start)]
