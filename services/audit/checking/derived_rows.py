"""Checking rows of which each follows from one leaf: they are derived again, in the walk over the leaves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from services.audit.tree.leaves import Leaf
from shared.runtime.checking import Following, Report, stream

Derive = Callable[[int, Leaf], Any]
"""Gives the row that follows from a leaf at its index, with an attribute for each column; None if there is none."""


class DerivedRows:
    """One table with at most one row for each leaf, under the leaf's index.

    What is found is called after `name`: `<name>-missing`, `<name>-differs` or `<name>-without-leaf`.
    """

    def __init__(self, connection: Connection, report: Report, name: str, table: str, derive: Derive) -> None:
        rows = stream(connection, f"SELECT * FROM {table} ORDER BY leaf_index")  # noqa: S608 - named by the code
        self._rows = Following(rows, "leaf_index")
        self._report, self._name, self._table, self._derive = report, name, table, derive

    def check(self, index: int, leaf: Leaf) -> None:
        """Compares what is stored under the next leaf with what follows from it."""
        try:
            expected = self._derive(index, leaf)
        except (LookupError, TypeError, ValueError):
            self._report.add("leaf-invalid", f"leaf {index}", f"what {self._table} is made of")
            self.skip(index)
            return
        found = None
        for row in self._rows.up_to(index):
            if row.leaf_index == index and expected is not None:
                found = row
            else:
                self._without_leaf(row.leaf_index)
        if expected is None:
            return
        if found is None:
            self._report.add(f"{self._name}-missing", f"leaf {index}")
            return
        for column, said in vars(expected).items():
            where = f"leaf {index}, {column}"
            self._report.unless_equal(f"{self._name}-differs", where, *_alike(said, getattr(found, column)))
        self._report.count(self._table.replace("_", " "))

    def skip(self, index: int) -> None:
        """Passes over what stands under a leaf from which nothing can be derived."""
        list(self._rows.up_to(index))

    def finish(self) -> None:
        """What is left stands under no leaf."""
        for row in self._rows.rest():
            self._without_leaf(row.leaf_index)

    def _without_leaf(self, index: int) -> None:
        self._report.add(f"{self._name}-without-leaf", f"leaf {index}")


def _alike(said: Any, stored: Any) -> tuple[Any, Any]:
    """What a leaf says and what a row holds, in one form: leaves write ids and times as text."""
    if isinstance(stored, UUID):
        return said and str(said), str(stored)
    if isinstance(stored, datetime) and isinstance(said, str):
        return datetime.fromisoformat(said), stored
    return said, stored
