"""The index of the log: under each term the positions of its leaves, and how many leaves each day brought.

A term is a qualifier with one value, kept as a number of 64 bits, since a term may be as long as an id and the index
holds several for each leaf. What is found is compared with the leaf before it is shown, so that two terms with one
number could only cost time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, text

from services.audit.search.language import Period, Query, Term, terms_of
from services.audit.tree.leaves import Leaf

MOST_STEPS = 2_500
"""Into how many places of the index one question looks at most; beyond that it is answered in part, and goes on."""
FACETS_OF = 1_000
"""Of how many of the newest records the facets are counted where they cannot be read from the counts by day."""
_COUNTED_BY_DAY = {"type", "publisher"}

_FIND = text("""
    SELECT found.leaf_index, found.wanted, leaf
    FROM find_leaves(:terms, :group_ends, :unwanted, :since, :until, :outside_since, :outside_until,
                     :lowest, :before, :page, :steps) AS found
    LEFT JOIN leaves ON found.wanted AND leaves.leaf_index = found.leaf_index
    ORDER BY found.leaf_index DESC
""")
_BOUNDS = text("""
    SELECT min(first_index), max(last_index) FROM log_days
    WHERE day BETWEEN coalesce(:first_day, CAST('-infinity' AS date)) AND coalesce(:last_day, CAST('infinity' AS date))
""")


@dataclass(frozen=True)
class Found:
    """Leaves that a query wants, at their positions and newest first.

    `go_on_before` is the position before which to go on; None if that was all.
    """

    leaves: Sequence[tuple[int, Leaf]]
    go_on_before: int | None


def term_number(qualifier: str, value: str) -> int:
    """The number under which a term stands in the index."""
    return int.from_bytes(sha256(f"{qualifier}:{value}".encode()).digest()[:8], "big", signed=True)


def is_held(connection: Connection, qualifier: str, value: str) -> bool:
    """Whether the log holds a record under a value of a qualifier."""
    query = text("SELECT EXISTS (SELECT FROM leaf_terms WHERE term = :term)")
    return bool(connection.scalar(query, {"term": term_number(qualifier, value)}))


def numbers_of(leaf: Leaf) -> set[int]:
    """The numbers of all terms under which a leaf is found."""
    return {term_number(qualifier, value) for qualifier, values in terms_of(leaf).items() for value in values}


def find(connection: Connection, query: Query, before: int, limit: int) -> Found:
    """At most `limit` leaves before position `before`. The cost is bounded by `MOST_STEPS`, whatever the log holds.

    The newest common leaf of several lists is looked for by leaping from list to list: each in turn says at which
    position it goes on at or below the one that the others have reached.
    """
    lowest, before = bounds(connection, query, before)
    wanted = [term for term in query.terms if not term.negated]
    groups = [[term_number(term.qualifier, value) for value in term.values] for term in wanted]
    unwanted = [term for term in query.terms if term.negated]
    rows = connection.execute(
        _FIND,
        {
            "terms": [number for group in groups for number in group],
            "group_ends": list(accumulate(len(group) for group in groups)),
            "unwanted": [term_number(term.qualifier, value) for term in unwanted for value in term.values],
            "since": query.since,
            "until": query.until,
            "outside_since": [each.since for each in query.outside],
            "outside_until": [each.until for each in query.outside],
            "lowest": lowest,
            "before": before,
            "page": limit + 1,
            "steps": MOST_STEPS,
        },
    ).all()
    hits = [row for row in rows if row.wanted]
    stopped_at = next((row.leaf_index for row in rows if not row.wanted), None)
    leaves = [(row.leaf_index, Leaf.from_bytes(bytes(row.leaf))) for row in hits[:limit]]
    shown = [(index, leaf) for index, leaf in leaves if query.holds(leaf)]
    if len(hits) > limit:
        return Found(shown, hits[limit - 1].leaf_index)
    return Found(shown, stopped_at)


def bounds(connection: Connection, query: Query, before: int) -> tuple[int, int]:
    """From which position on and before which one the periods of a query can lie, from the counts by day."""
    if query.since is None and query.until is None:
        return 0, before
    until = query.until and query.until - timedelta.resolution
    row = connection.execute(_BOUNDS, {"first_day": _day(query.since), "last_day": _day(until)}).one()
    if row[0] is None:
        return 0, 0
    return row[0], min(before, row[1] + 1)


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


@dataclass(frozen=True)
class Facets:
    """How many records there are, in all and by type, publisher and day (UTC).

    `complete` is False where only the newest records were counted.
    """

    records: int
    by_type: dict[str, int]
    by_publisher: dict[str, int]
    by_day: dict[str, int]
    complete: bool


def facets(connection: Connection, query: Query, before: int) -> Facets:
    """The facets of what a query wants before position `before`, counted at a cost that does not grow with the log.

    A query by type, publisher and whole days is counted exactly from the counts by day, which may be some moments ahead
    of the newest checkpoint; of any other the newest `FACETS_OF` records are counted.
    """
    if _is_counted_by_day(query):
        return _facets_by_day(connection, query)
    found = find(connection, query, before, FACETS_OF)
    counted = ((leaf.type, leaf.publisher, leaf.occurred_at[:10], 1) for _, leaf in found.leaves)
    return _tally(counted, complete=found.go_on_before is None)


def _is_counted_by_day(query: Query) -> bool:
    return all(term.qualifier in _COUNTED_BY_DAY for term in query.terms) and all(
        _is_whole_days(period) for period in (*query.within, *query.outside)
    )


def _is_whole_days(period: Period) -> bool:
    return all(moment is None or moment.time() == time.min for moment in (period.since, period.until))


def _facets_by_day(connection: Connection, query: Query) -> Facets:
    parameters: dict[str, Any] = {}
    conditions = ["true"]
    for number, term in enumerate(query.terms):
        parameters[f"values_{number}"] = list(term.values)
        conditions.append(_condition(term, number))
    for number, (period, inside) in enumerate([(p, True) for p in query.within] + [(p, False) for p in query.outside]):
        parameters |= {f"since_{number}": _day(period.since), f"until_{number}": _day(period.until)}
        within = (
            f"(day >= coalesce(:since_{number}, CAST('-infinity' AS date)) "
            f"AND day < coalesce(:until_{number}, CAST('infinity' AS date)))"
        )
        conditions.append(within if inside else f"NOT {within}")
    rows = connection.execute(
        text(f"SELECT type, publisher, day, records FROM log_days WHERE {' AND '.join(conditions)}"),  # noqa: S608
        parameters,
    )
    return _tally(((row.type, row.publisher, row.day.isoformat(), row.records) for row in rows), complete=True)


def _condition(term: Term, number: int) -> str:
    return f"{'NOT ' if term.negated else ''}{term.qualifier} = ANY(:values_{number})"


def _tally(counts: Iterable[tuple[str, str, str, int]], complete: bool) -> Facets:
    by_type: Counter[str] = Counter()
    by_publisher: Counter[str] = Counter()
    by_day: Counter[str] = Counter()
    for type_, publisher, day, records in counts:
        by_type[type_] += records
        by_publisher[publisher] += records
        by_day[day] += records
    return Facets(
        sum(by_type.values()),
        dict(by_type.most_common()),
        dict(by_publisher.most_common()),
        dict(sorted(by_day.items())),
        complete,
    )
