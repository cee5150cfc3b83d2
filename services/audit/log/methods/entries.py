"""Operations of those who follow the whole log."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from services.audit.application import Audit
from services.audit.log.asking import keep_question
from services.audit.log.entries import READING, entries
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.eventstore.transaction import reading


class Entries:
    """The log, leaf by leaf."""

    app: Audit

    @operation
    def list_entries(self, call: Call, start: int, end: int) -> dict[str, Any]:
        """A page of entries. That it was read is on record, unless it holds nothing but such records.

        Otherwise reading to the end would make the end move on, and whoever follows the log would never have read all.
        """
        with reading(self.app.engine) as connection:
            page = entries(connection, start, end)
        if page.is_news:
            keep_question(self.app.store, call, READING, subjects=[], entries=page.indexes, size=page.checkpoint)
        return {
            "start": page.start,
            "entries": [b64encode(leaf).decode() for leaf in page.leaves],
            "checkpoint": page.checkpoint,
        }
