"""Reading all that a query wants, in the order of the log: for exports, where the whole matters and not the first page.

The log is read in windows of so many leaves, so that each statement costs what a window costs, however large the log
is and however rare the records are. No leaf is parsed: the index is believed, in which a term is 64 bits of a hash.
That two terms have the same does not happen, and ids are drawn by the platform, so that nobody can bring it about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from services.audit.search.language import Query
from services.audit.search.postings import bounds, term_number

WINDOW = 2_000
MOST_WINDOWS = 200
"""So many are read at most before an answer, which may then be empty."""


@dataclass(frozen=True)
class Swept:
    """Leaves by their index, in the order of the log, and the index from which to go on."""

    leaves: Sequence[tuple[int, bytes]]
    next_index: int


def sweep(connection: Connection, query: Query, first: int, size: int, most: int) -> Swept:
    """At most `most` leaves that a query wants from index `first` on, of the first `size` of the log."""
    lowest, end = bounds(connection, query, size)
    place = max(first, lowest)
    statement, parameters = _statement(query)
    found: list[tuple[int, bytes]] = []
    for _ in range(MOST_WINDOWS):
        if place >= end or len(found) >= most:
            break
        until = min(place + WINDOW, end)
        window = {"first": place, "last": until, "most": most - len(found)}
        rows = connection.execute(statement, parameters | window).all()
        place = rows[-1].leaf_index + 1 if len(rows) == window["most"] else until
        found += [(row.leaf_index, bytes(row.leaf)) for row in rows]
    return Swept(found, place if place < end else size)


def leaves_at(connection: Connection, indexes: Sequence[int]) -> list[tuple[int, bytes]]:
    """The leaves at these indexes, in the order of the log."""
    rows = connection.execute(
        text("SELECT leaf_index, leaf FROM leaves WHERE leaf_index = ANY(:indexes) ORDER BY leaf_index"),
        {"indexes": list(indexes)},
    )
    return [(row.leaf_index, bytes(row.leaf)) for row in rows]


def _statement(query: Query) -> tuple[Any, dict[str, Any]]:
    """The leaves of a window that stand under one term of each group and under no unwanted one, and occurred then."""
    conditions = ["leaf_index >= :first", "leaf_index < :last"]
    parameters: dict[str, Any] = {}
    for number, term in enumerate(query.terms):
        parameters[f"term_{number}"] = [term_number(term.qualifier, value) for value in term.values]
        found = f"SELECT leaf_index FROM leaf_terms WHERE term = ANY(:term_{number}) AND leaf_index >= :first"  # noqa: S608
        conditions.append(f"leaf_index {'NOT IN' if term.negated else 'IN'} ({found} AND leaf_index < :last)")
    for number, (period, negated) in enumerate(
        [(each, False) for each in query.within] + [(each, True) for each in query.outside]
    ):
        parameters |= {f"since_{number}": period.since, f"until_{number}": period.until}
        conditions.append(
            f"{'NOT ' if negated else ''}"
            f"(occurred_at >= coalesce(CAST(:since_{number} AS timestamptz), '-infinity') "
            f"AND occurred_at < coalesce(CAST(:until_{number} AS timestamptz), 'infinity'))"
        )
    statement = f"""
        SELECT leaf_index, leaf FROM leaves WHERE {" AND ".join(conditions)} ORDER BY leaf_index LIMIT :most
    """  # noqa: S608 - conditions from the lines above
    return text(statement), parameters
