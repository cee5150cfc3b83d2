"""`okacrm status`: what runs here, how far everything has come, and what needs somebody to look."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from deploy.cli import state_directory
from deploy.cli._tables import export_table, job_table, parked_table, subscription_table, table

if TYPE_CHECKING:
    from deploy.local.overview import Overview


@click.command()
@click.option("--wait", "patience", type=float, default=0.0, help="Seconds to wait until all is well.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def status(patience: float, as_json: bool) -> None:
    """Show what runs and how far it has come.

    Exits with 1 when something is not ready, halted, behind for more than a minute, or differs from what was recorded.
    With --wait, a backlog that is being worked off is waited for as long as it comes nearer to its end.
    """
    from deploy.local.overview import look_at, wait_until_well
    from deploy.local.platform import Platform

    overview = wait_until_well(
        lambda: look_at(Platform.running(state_directory())),
        patience,
        clock=time.monotonic,
        pause=lambda: time.sleep(0.25),
    )
    click.echo(json.dumps(overview.as_document(), indent=2) if as_json else "\n".join(_as_text(overview)))
    if not overview.well:
        raise SystemExit(1)


def _as_text(overview: Overview) -> Iterator[str]:
    from deploy.local.overview import spell

    yield f"{overview.url}  (process {overview.pid}, state in {overview.state}, metrics at {overview.metrics})"
    yield from table(
        ("process", "pid", ""),
        [(each.name, each.pid, "ready" if each.ready else "NOT READY") for each in overview.processes],
    )
    yield from table(
        ("feed", "epoch", "head", "published", "outbox", "oldest waiting"),
        [
            (each.service, each.epoch, each.head, each.published, each.outbox, spell(each.waiting_seconds))
            for each in overview.feeds
        ],
    )
    yield from subscription_table(overview.cursors)
    yield from parked_table(overview.parked)
    yield from export_table(overview.exports)
    yield from job_table(overview.jobs)
    yield from table(
        ("failing loop", "failures", "reason", "since", "last"),
        [
            (
                f"{each.service}.{each.name}",
                each.failures,
                each.reason,
                spell(each.failing_seconds),
                f"{spell(each.failed_seconds_ago)} ago",
            )
            for each in overview.loops
        ],
    )
    yield from table(
        ("mails", "waiting", "overdue"),
        [(each.service, each.waiting, spell(each.overdue_seconds)) for each in overview.mails],
    )
    if (log := overview.log) is not None:
        yield from table(
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
    yield from table(
        ("compared", "position", "entries", "last round", "findings"),
        [
            (
                each.store,
                each.position,
                each.entries,
                "-" if each.ended_seconds_ago is None else f"{spell(each.ended_seconds_ago)} ago",
                each.findings,
            )
            for each in overview.comparisons
        ],
    )
    yield from table(
        ("queue", "messages", "consumers"), [(each.name, each.messages, each.consumers) for each in overview.queues]
    )
    yield ""
    yield from [f"! {trouble}" for trouble in overview.troubles] or ["All is well."]
