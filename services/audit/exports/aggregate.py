"""The export: records of the log that an officer asked for as a file, of the log as it was at one checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.contracts.audit import ExportCompleted, ExportFailed, ExportPrepared, ExportRequested
from shared.contracts.events import Event
from shared.eventstore.aggregates import Aggregate, evolve


@dataclass
class Export(Aggregate, stream="export"):
    """One export, which is asked for once and ends once: made, or failed."""

    id: UUID
    ended: bool = False

    def request(
        self,
        form: str,
        query: str,
        *,
        size: int,
        workspaces: Sequence[Mapping[str, Any]],
        publishers: Sequence[Mapping[str, Any]],
        now: datetime,
    ) -> Iterator[Event]:
        """Asks for what a query in its plainest form wants of the first `size` records.

        `workspaces` and `publishers` are the heads of those that the query names (`WorkspaceHead`, `PublisherHead`).
        """
        yield ExportRequested(
            export_id=self.id,
            form=form,
            query=query,
            size=size,
            workspaces=[dict(each) for each in workspaces],
            publishers=[dict(each) for each in publishers],
            requested_at=now,
        )

    def prepare(self, *, records: int, files: Sequence[Mapping[str, Any]], now: datetime) -> Iterator[Event]:
        """State what a bundle will hold, as a `PreparedFile` each. Nothing happens to an export that has ended."""
        if not self.ended:
            yield ExportPrepared(
                export_id=self.id, records=records, files=[dict(each) for each in files], prepared_at=now
            )

    def complete(self, *, records: int, length: int, sha256: str, now: datetime) -> Iterator[Event]:
        """Nothing happens to an export that has ended: it was made by another process, of the same records."""
        if not self.ended:
            yield ExportCompleted(export_id=self.id, records=records, length=length, sha256=sha256, completed_at=now)

    def fail(self, reason: str, *, now: datetime) -> Iterator[Event]:
        """Nothing happens to an export that has ended."""
        if not self.ended:
            yield ExportFailed(export_id=self.id, reason=reason, failed_at=now)

    @evolve
    def _requested(self, event: ExportRequested) -> None:
        """It is open as long as nothing more is said of it."""

    @evolve
    def _prepared(self, event: ExportPrepared) -> None:
        """It is open still."""

    @evolve
    def _completed(self, event: ExportCompleted) -> None:
        self.ended = True

    @evolve
    def _failed(self, event: ExportFailed) -> None:
        self.ended = True
