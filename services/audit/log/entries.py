"""The entries of the log: its leaves in order and as they are hashed, for whoever follows the whole log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from services.audit.log.queries import latest_checkpoint
from services.audit.tree.leaves import Leaf
from shared.contracts.audit import QuestionAsked
from shared.contracts.events import contract_of

MOST_ENTRIES = 500
"""Of a page. Leaves have less than a kilobyte, but for those of unusual events."""

READING = "entries"
"""What reading them is called among the questions that are on record."""


@dataclass(frozen=True)
class Page:
    """Consecutive leaves from index `start` on, which the checkpoint of size `checkpoint` covers."""

    start: int
    leaves: Sequence[bytes]
    checkpoint: int
    is_news: bool
    """Whether anything in it is not merely about somebody having read entries."""

    @property
    def indexes(self) -> range:
        return range(self.start, self.start + len(self.leaves))


def entries(connection: Connection, start: int, end: int) -> Page:
    """The published leaves from index `start` to index `end`, or as many of them as a page holds.

    Raises `Problem("not-yet-published")` before the first checkpoint.
    """
    size, _ = latest_checkpoint(connection)
    rows = connection.execute(
        text("SELECT leaf, type FROM leaves WHERE leaf_index >= :start AND leaf_index < :stop ORDER BY leaf_index"),
        {"start": start, "stop": min(end + 1, start + MOST_ENTRIES, size)},
    ).all()
    return Page(start, [bytes(row.leaf) for row in rows], size, not all(map(_is_about_reading, rows)))


def _is_about_reading(row: Row[Any]) -> bool:
    if row.type != contract_of(QuestionAsked).type:
        return False
    return bool(Leaf.from_bytes(bytes(row.leaf)).data["question"] == READING)
