"""Checking the registers of recipients and disclosures: each row is derived again from its leaf."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row

from services.audit.disclosing_events import Carriers
from services.audit.disclosure_projections import (
    DisclosureRow,
    EndingRow,
    VersionRow,
    disclosure_row,
    ending_row,
    version_row,
)
from services.audit.leaves import Leaf
from shared.runtime.checking import Following, Report, stream, told

_DAYS = "SELECT day, recipient_kind, country, transfer_mechanism, disclosures FROM disclosure_days ORDER BY day"


@dataclass
class _Register:
    """One table that holds at most one row for each leaf, and what is said of rows that do not follow from theirs."""

    rows: Following
    missing: str
    differs: str
    without_leaf: str


class DisclosureCheck:
    """Follows the walk over the leaves."""

    def __init__(self, connection: Connection, report: Report) -> None:
        self._connection, self._report = connection, report
        self._carriers = Carriers()
        self._counted: Counter[tuple[date, str, str | None, str | None]] = Counter()
        self._versions = _Register(
            _rows(connection, "recipient_versions", VersionRow),
            missing="recipient-version-missing",
            differs="recipient-version-differs",
            without_leaf="recipient-version-without-leaf",
        )
        self._endings = _Register(
            _rows(connection, "recipient_endings", EndingRow),
            missing="recipient-ending-missing",
            differs="recipient-ending-differs",
            without_leaf="recipient-ending-without-leaf",
        )
        self._disclosures = _Register(
            _rows(connection, "disclosures", DisclosureRow),
            missing="disclosure-missing",
            differs="disclosure-differs",
            without_leaf="disclosure-without-leaf",
        )

    def follow(self, index: int, leaf: Leaf) -> None:
        """The next leaf of the log."""
        try:
            self._carriers.learn(leaf)
            version, ending = version_row(index, leaf), ending_row(index, leaf)
            disclosure = disclosure_row(index, leaf, self._carriers)
        except (KeyError, TypeError, ValueError):
            self._report.add("disclosure-not-derivable", f"leaf {index}")
            self.skip(index)
            return
        self._compare(self._versions, index, version)
        self._compare(self._endings, index, ending)
        self._compare(self._disclosures, index, disclosure)
        if disclosure is not None:
            self._counted[disclosure.counted_under] += 1
            self._report.count("disclosures")

    def skip(self, index: int) -> None:
        """A leaf that cannot be read: nothing can be said about what is derived from it."""
        for register in (self._versions, self._endings, self._disclosures):
            list(register.rows.up_to(index))

    def finish(self) -> None:
        for register in (self._versions, self._endings, self._disclosures):
            for row in register.rows.rest():
                self._report.add(register.without_leaf, f"leaf {row.leaf_index}")
        self._check_days()

    def _compare(self, register: _Register, index: int, derived: Any) -> None:
        stored: Row[Any] | None = None
        for row in register.rows.up_to(index):
            if row.leaf_index == index and derived is not None:
                stored = row
            else:
                self._report.add(register.without_leaf, f"leaf {row.leaf_index}")
        if derived is None:
            return
        if stored is None:
            self._report.add(register.missing, f"leaf {index}")
            return
        for field in fields(derived):
            where = f"leaf {index}, {field.name}"
            expected, found = getattr(derived, field.name), getattr(stored, field.name)
            self._report.unless_equal(register.differs, where, expected, found)

    def _check_days(self) -> None:
        stored = {
            (row.day, row.recipient_kind, row.country, row.transfer_mechanism): row.disclosures
            for row in stream(self._connection, _DAYS)
        }
        for key in sorted(stored.keys() | self._counted.keys(), key=str):
            where = f"day {', '.join(told(each) for each in key)}"
            self._report.unless_equal("disclosure-day-differs", where, self._counted[key], stored.get(key, 0))


def _rows(connection: Connection, table: str, kind: type[Any]) -> Following:
    columns = ", ".join(field.name for field in fields(kind))
    query = f"SELECT {columns} FROM {table} ORDER BY leaf_index"  # noqa: S608 - names from the code
    return Following(stream(connection, query), "leaf_index")
