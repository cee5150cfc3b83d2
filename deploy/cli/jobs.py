"""`okacrm jobs`: scheduled work that failed, and having it tried again."""

from __future__ import annotations

import json

import click

from deploy.cli import operator_environment, state_directory
from deploy.cli._tables import job_table


@click.group()
def jobs() -> None:
    """Scheduled work that failed."""


@jobs.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def show(as_json: bool) -> None:
    """List the jobs that failed when they were tried last.

    Exits with 1 if one is parked.
    """
    from dataclasses import asdict

    from deploy.local.overview import look_at
    from deploy.local.platform import Platform

    failing = look_at(Platform.running(state_directory())).jobs
    if as_json:
        click.echo(json.dumps([asdict(each) for each in failing], indent=2))
    else:
        click.echo("\n".join(job_table(failing)))
    if any(each.parked_seconds_ago is not None for each in failing):
        raise SystemExit(1)


@jobs.command()
@click.argument("service")
@click.argument("kind")
@click.argument("key", default="")
def retry(service: str, kind: str, key: str) -> None:
    """Have the parked job of SERVICE with this KIND and KEY tried again, at once and as often as a new one."""
    from shared.contracts.services import SERVICE_NAMES
    from shared.runtime.config import Settings
    from shared.runtime.database import connect
    from shared.work.jobs import database_time, revive

    if service not in SERVICE_NAMES:
        raise click.BadParameter(f"one of {', '.join(SERVICE_NAMES)}", param_hint="SERVICE")
    engine = connect(
        Settings(operator_environment(f"courier {service}")).database_url, pool_size=1, application_name="operator"
    )
    with engine.begin() as connection:
        revived = revive(connection, kind, key, database_time(connection))
    engine.dispose()
    if not revived:
        raise click.ClickException("no such job is parked")
    click.echo("It will be tried again.")
