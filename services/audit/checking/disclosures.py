"""Checking the registers of recipients and disclosures: each row is derived again from its leaf."""

from __future__ import annotations

from collections import Counter
from datetime import date

from sqlalchemy import Connection

from services.audit.checking.derived_rows import DerivedRows
from services.audit.disclosures.disclosing_events import Carriers
from services.audit.disclosures.projections import DisclosureRow, disclosure_row, ending_row, version_row
from services.audit.tree.leaves import Leaf
from shared.contracts.events import InvalidEvent
from shared.runtime.checking import Report, stream, told

_DAYS = "SELECT day, recipient_kind, country, transfer_mechanism, disclosures FROM disclosure_days ORDER BY day"


class DisclosureCheck:
    """Follows the walk over the leaves, and knows at each of them which recipients there were by then."""

    def __init__(self, connection: Connection, report: Report) -> None:
        self._connection, self._report = connection, report
        self._carriers = Carriers()
        self._counted: Counter[tuple[date, str, str | None, str | None]] = Counter()
        self._registers = (
            DerivedRows(connection, report, "recipient-version", "recipient_versions", version_row),
            DerivedRows(connection, report, "recipient-ending", "recipient_endings", ending_row),
            DerivedRows(connection, report, "disclosure", "disclosures", self._disclosure),
        )

    def check(self, index: int, leaf: Leaf) -> None:
        """The next leaf of the log."""
        try:
            self._carriers.learn(leaf)
        except (InvalidEvent, LookupError, TypeError):
            self._report.add("leaf-invalid", f"leaf {index}", "what is known of recipients")
        for register in self._registers:
            register.check(index, leaf)

    def skip(self, index: int) -> None:
        """A leaf that cannot be read: nothing can be said about what is derived from it."""
        for register in self._registers:
            register.skip(index)

    def finish(self) -> None:
        for register in self._registers:
            register.finish()
        self._check_days()

    def _disclosure(self, index: int, leaf: Leaf) -> DisclosureRow | None:
        row = disclosure_row(index, leaf, self._carriers)
        if row is not None:
            self._counted[row.counted_under] += 1
        return row

    def _check_days(self) -> None:
        stored = {
            (row.day, row.recipient_kind, row.country, row.transfer_mechanism): row.disclosures
            for row in stream(self._connection, _DAYS)
        }
        for key in sorted(stored.keys() | self._counted.keys(), key=str):
            where = f"day {', '.join(told(each) for each in key)}"
            self._report.unless_equal("disclosure-day-differs", where, self._counted[key], stored.get(key, 0))
