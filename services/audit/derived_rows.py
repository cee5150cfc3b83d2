"""Checking rows of which each follows from one leaf: they are derived again, in the walk over the leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from services.audit.leaves import Leaf
from shared.runtime.checking import Following, Report, stream

Row = Mapping[str, Any]
"""The columns of a row, but for the index of its leaf."""


class DerivedRows:
    """One table with at most one row for each leaf, under the leaf's index. `derive` says which row that is."""

    def __init__(
        self, connection: Connection, report: Report, table: str, derive: Callable[[Leaf], Row | None]
    ) -> None:
        rows = stream(connection, f"SELECT * FROM {table} ORDER BY leaf_index")  # noqa: S608 - named by the code
        self._rows = Following(rows, "leaf_index")
        self._report, self._table, self._derive = report, table, derive

    def check(self, index: int, leaf: Leaf) -> None:
        """Compares what is stored under the next leaf with what follows from it."""
        try:
            expected = self._derive(leaf)
        except (LookupError, TypeError, ValueError):
            self._report.add("leaf-invalid", f"leaf {index}", f"what {self._table} is made of")
            self.skip(index)
            return
        found = None
        for row in self._rows.up_to(index):
            if row.leaf_index == index and expected is not None:
                found = row._mapping
            else:
                self._without_leaf(row.leaf_index)
        if expected is None:
            return
        if found is None:
            self._report.add("derived-row-missing", f"{self._table}, leaf {index}")
            return
        for name, value in expected.items():
            where = f"{self._table}, leaf {index}, {name}"
            self._report.unless_equal("derived-row-differs", where, value, _as_written(found[name], value))
        self._report.count(self._table.replace("_", " "))

    def skip(self, index: int) -> None:
        """Passes over what stands under a leaf from which nothing can be derived."""
        list(self._rows.up_to(index))

    def finish(self) -> None:
        """What is left stands under no leaf."""
        for row in self._rows.rest():
            self._without_leaf(row.leaf_index)

    def _without_leaf(self, index: int) -> None:
        self._report.add("derived-row-without-leaf", f"{self._table}, leaf {index}")


def _as_written(found: Any, expected: Any) -> Any:
    """A value of a row as a leaf writes it, so that both can be compared: ids as text, times as times."""
    return found if isinstance(expected, datetime) else str(found)
