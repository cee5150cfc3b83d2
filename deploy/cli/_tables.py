"""What commands show in columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.local.overview import Cursor, Export, Job, Parked


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Rows under their heads, numbers to the right; nothing if there are no rows."""
    rows = [["-" if cell is None else cell for cell in row] for row in rows]
    if not rows:
        return
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(head), *(len(row[n]) for row in texts)) for n, head in enumerate(heads)]
    numeric = [any(isinstance(row[n], int) for row in rows) for n in range(len(heads))]
    yield ""
    for cells in (heads, *texts):
        parts = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, numeric, strict=True)
        ]
        yield f"  {'  '.join(parts)}".rstrip()


def subscription_table(cursors: Iterable[Cursor]) -> Iterator[str]:
    """How far each subscription has come in the feeds that it follows."""
    from deploy.local.overview import spell

    return table(
        ("subscription", "follows", "position", "behind", "since", "last heard", ""),
        [
            (
                f"{each.service}.{each.subscription}",
                each.publisher,
                f"{each.epoch}/{each.position}",
                each.lag,
                spell(each.waiting_seconds),
                spell(each.heard_seconds_ago),
                f"HALTED {each.halted}" if each.halted else "following",
            )
            for each in cursors
        ],
    )


def parked_table(parked: Iterable[Parked]) -> Iterator[str]:
    """The streams that reactions parked: where each stands, and why."""
    from deploy.local.overview import spell

    return table(
        ("parked by", "stream", "events", "stands at", "since", ""),
        [
            (
                f"{each.service}.{each.subscription}",
                each.stream,
                each.events,
                each.event_type,
                spell(each.parked_seconds_ago),
                "to be tried again" if each.wanted else each.reason,
            )
            for each in parked
        ],
    )


def job_table(jobs: Iterable[Job]) -> Iterator[str]:
    """Scheduled work that failed: how often, and what becomes of it."""
    from deploy.local.overview import spell

    return table(
        ("job", "key", "attempts", "parked", ""),
        [
            (
                f"{each.service}.{each.kind}",
                each.key or None,
                each.attempts,
                spell(each.parked_seconds_ago),
                each.reason or "is tried again",
            )
            for each in jobs
        ],
    )


def export_table(exports: Iterable[Export]) -> Iterator[str]:
    """The exports that could not be carried on: how often in a row, with what error, and what becomes of them."""
    from deploy.local.overview import spell

    return table(
        ("export", "form", "records", "failures", "error", "since", ""),
        [
            (
                each.export_id,
                each.form,
                each.records,
                each.failures,
                each.error,
                spell(each.parked_seconds_ago),
                "to be tried again" if each.parked_seconds_ago is None else "PARKED",
            )
            for each in exports
        ],
    )
