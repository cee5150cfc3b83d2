"""`okacrm status`: what runs here, how far everything has come, and what needs somebody to look."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from deploy.cli import state_directory

if TYPE_CHECKING:
    from deploy.local.overview import Overview


@click.command()
@click.option("--wait", "patience", type=float, default=0.0, help="Seconds to wait until all is well.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def status(patience: float, as_json: bool) -> None:
    """Show what runs and how far it has come.

    Exits with 1 when something is not ready, halted, or behind for more than a minute.
    """
    from deploy.local.overview import look_at
    from deploy.local.platform import Platform
    from deploy.local.state import PlatformError

    deadline = time.monotonic() + patience
    while True:
        try:
            overview = look_at(Platform.running(state_directory()))
            if overview.well or time.monotonic() > deadline:
                break
        except PlatformError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.25)
    click.echo(json.dumps(overview.as_document(), indent=2) if as_json else "\n".join(_as_text(overview)))
    if not overview.well:
        raise SystemExit(1)


def _as_text(overview: Overview) -> Iterator[str]:
    from deploy.local.overview import spell

    yield f"{overview.url}  (process {overview.pid}, state in {overview.state})"
    yield from _table(
        ("process", "pid", ""),
        [(each.name, each.pid, "ready" if each.ready else "NOT READY") for each in overview.processes],
    )
    yield from _table(
        ("feed", "epoch", "head", "published", "outbox", "oldest waiting"),
        [
            (each.service, each.epoch, each.head, each.published, each.outbox, spell(each.waiting_seconds))
            for each in overview.feeds
        ],
    )
    yield from _table(
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
            for each in overview.cursors
        ],
    )
    if (log := overview.log) is not None:
        yield from _table(
            ("log", "records", "checkpoint", "signed", "archived", "signer"),
            [
                (
                    "audit",
                    log.records,
                    log.checkpoint,
                    f"{spell(log.checkpoint_seconds_ago)} ago" if log.checkpoint else "-",
                    log.archive if log.archived is None else log.archived,
                    log.signer,
                )
            ],
        )
    yield from _table(
        ("queue", "messages", "consumers"), [(each.name, each.messages, each.consumers) for each in overview.queues]
    )
    yield ""
    yield from [f"! {trouble}" for trouble in overview.troubles] or ["All is well."]


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
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
