"""The archive: every leaf of the log in order, in files outside the database.

From it a log restored from an older copy of its database is brought back to the very tree that was signed; reading the
feeds again could put publishers in another order and fork the log. So leaves are archived, durably, before any
checkpoint over them is signed.

One leaf a line, as the exact bytes that are hashed; 65,536 lines a file; each file named by the index of its first
leaf, counted from 0. Files only grow. Checkpoints are archived in the same way (`services.audit.log.kept_checkpoints`).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

SEGMENT_LEAVES = 65_536
LEAVES = ".leaves"

_CHUNK = 1 << 20


class ArchiveBusy(Exception):
    """Another process has the archive open for writing."""


class ArchiveDamaged(Exception):
    """A file of the archive, named in the message, is missing or has lost lines; restore it from its backup."""


class ArchiveRefused(Exception):
    """Leaves that do not continue the archive; the message says which index was offered and which comes next."""


def archive_directory(log_directory: Path) -> Path:
    """Where the archive is kept in the log's folder."""
    return log_directory / "archive"


def sync_directory(directory: Path) -> None:
    """Make names created or renamed in `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Archive:
    """The archive, read. A reader needs no lock: while a writer is at work it sees whole leaves only."""

    def __init__(self, directory: Path, segment_leaves: int = SEGMENT_LEAVES, *, suffix: str = LEAVES) -> None:
        self.directory = directory
        self.segment_leaves = segment_leaves
        self.suffix = suffix

    def size(self) -> int:
        """Number of leaves; counts the lines of the last file. Raises `ArchiveDamaged`."""
        segments = self._segments()
        if not segments:
            return 0
        lines, _ = _whole_lines(segments[-1])
        if lines > self.segment_leaves:
            raise ArchiveDamaged(f"{segments[-1].name} holds more than {self.segment_leaves} leaves")
        return (len(segments) - 1) * self.segment_leaves + lines

    def read(self, start: int = 0) -> Iterator[bytes]:
        """The leaves from index `start` to the end, in order. Raises `ArchiveDamaged`."""
        first, skip = divmod(start, self.segment_leaves)
        segments = self._segments()[first:]
        for number, segment in enumerate(segments, start=1):
            lines = 0
            with segment.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    lines += 1
                    if lines > skip:
                        yield line[:-1]
            if number < len(segments) and lines != self.segment_leaves:
                raise ArchiveDamaged(f"{segment.name} holds {lines} leaves and is followed by another file")
            skip = 0

    def _segments(self) -> list[Path]:
        """The files in order; none may be missing between the first and the last."""
        segments = sorted(self.directory.glob(f"*{self.suffix}"))
        for number, segment in enumerate(segments):
            if segment != self._segment(number):
                raise ArchiveDamaged(f"{self._segment(number).name} is missing")
        return segments

    def _segment(self, number: int) -> Path:
        return self.directory / f"{number * self.segment_leaves:016d}{self.suffix}"


class ArchiveWriter(Archive):
    """The archive, open for appending by this process alone, until closed or the process ends.

    `torn_bytes` is how much of an unfinished last line, left by a crash, was cut off on opening; it was never confirmed
    to anyone, and whoever appends next writes that leaf again. Opening raises `ArchiveBusy` and `ArchiveDamaged`.
    """

    def __init__(self, directory: Path, segment_leaves: int = SEGMENT_LEAVES, *, suffix: str = LEAVES) -> None:
        super().__init__(directory, segment_leaves, suffix=suffix)
        directory.mkdir(parents=True, exist_ok=True)
        sync_directory(directory.parent)
        self._lock = _lock(directory / "lock")
        try:
            self.torn_bytes = self._recover()
            self._size = super().size()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let another process write."""
        self._lock.close()

    def size(self) -> int:
        """Number of leaves that are durably archived."""
        return self._size

    def append(self, position: int, leaves: Sequence[bytes]) -> None:
        """Add leaves, the first of which has index `position`; when this returns they survive a power cut.

        Raises `ArchiveRefused` when `position` is not `size()`, `ValueError` for a leaf that is empty or holds a
        newline, and `OSError` when the disk fails. After an `OSError` this writer is closed: open another one and
        continue from its `size()`, since some of the leaves may have been written.
        """
        if self._lock.closed:
            raise ArchiveRefused("the archive was closed, by its owner or by an earlier failure")
        if position != self._size:
            raise ArchiveRefused(f"leaf {position} was offered, the next one is {self._size}")
        if any(not leaf or b"\n" in leaf for leaf in leaves):
            raise ValueError("a leaf is a line: not empty, without newline")
        try:
            self._write(leaves)
        except BaseException:
            self.close()
            raise
        self._size = position + len(leaves)

    def _write(self, leaves: Sequence[bytes]) -> None:
        """Write file after file, each made durable before the next exists, so that only the last can ever be torn."""
        written = 0
        while written < len(leaves):
            number, used = divmod(self._size + written, self.segment_leaves)
            part = leaves[written : written + self.segment_leaves - used]
            with self._segment(number).open("ab") as file:
                file.write(b"".join([leaf + b"\n" for leaf in part]))
                file.flush()
                os.fsync(file.fileno())
            if used == 0:
                sync_directory(self.directory)
            written += len(part)

    def _recover(self) -> int:
        """Cut off an unfinished last line and make durable what a crash may have left in memory only."""
        segments = self._segments()
        if not segments:
            return 0
        _, whole = _whole_lines(segments[-1])
        with segments[-1].open("r+b") as file:
            torn = file.seek(0, os.SEEK_END) - whole
            file.truncate(whole)
            os.fsync(file.fileno())
        sync_directory(self.directory)
        return torn


def _whole_lines(segment: Path) -> tuple[int, int]:
    """How many finished lines a file has, and how many bytes they take."""
    lines = whole = position = 0
    with segment.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if (last := chunk.rfind(b"\n")) >= 0:
                lines += chunk.count(b"\n")
                whole = position + last + 1
            position += len(chunk)
    return lines, whole


def _lock(path: Path) -> FileIO:
    """Hold a file exclusively; the operating system lets go of it when this process ends, however it ends."""
    file = FileIO(path, "a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise ArchiveBusy(f"{path.parent} is open for writing in another process") from None
    return file
