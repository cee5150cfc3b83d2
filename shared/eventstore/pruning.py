"""Pruning: rows that serve nobody any more are deleted, some time after a moment that they tell themselves.

What is pruned is what a service keeps beside its events: answers to commands that nobody sends again, tokens that have
expired, mails that were sent. Events are never among it, and no role may delete them. Time is the database's own, so
that a process whose clock is wrong deletes nothing too early.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from threading import Event

import structlog
from sqlalchemy import Engine, text

log = structlog.get_logger()

EVERY_SECONDS = 3600.0
BATCH = 1000
"""So many rows of a table are deleted in one transaction, which holds its locks for milliseconds."""


@dataclass(frozen=True)
class Prune:
    """Rows of a table go when the time in their column `since` is as long ago as they are `kept`.

    Rows that are in use at that moment are left to the next time. Those of a table that is `only_written` are never
    updated, so that nobody holds one.
    """

    table: str
    since: str
    kept: timedelta
    only_written: bool = False


COMMANDS = Prune("commands", since="recorded_at", kept=timedelta(days=30), only_written=True)
"""How long a command that is sent again is known: longer than anybody waits for an answer, and not for ever."""


class Pruner:
    """Prunes the tables of one database, until `stopping` is set. Several at the same time do no harm."""

    def __init__(self, engine: Engine, prunes: Sequence[Prune], stopping: Event) -> None:
        self._engine = engine
        self._prunes = prunes
        self._stopping = stopping

    def prune(self) -> None:
        """Deletes all that is due, table by table."""
        for prune in self._prunes:
            pruned = 0
            while not self._stopping.is_set():
                batch = self._prune_batch(prune)
                pruned += batch
                if batch < BATCH:
                    break
            if pruned:
                log.info("pruned", table=prune.table, rows=pruned)

    def _prune_batch(self, prune: Prune) -> int:
        unless_in_use = "" if prune.only_written else "FOR UPDATE SKIP LOCKED"
        with self._engine.begin() as connection:
            return connection.execute(
                text(f"""
                    DELETE FROM {prune.table} WHERE ctid = ANY(ARRAY(
                        SELECT ctid FROM {prune.table} WHERE {prune.since} <= now() - :kept LIMIT :batch {unless_in_use}
                    ))
                """),  # noqa: S608 - names from the code
                {"kept": prune.kept, "batch": BATCH},
            ).rowcount
