"""`okacrm exports`: exports of the log that could not be made, and having them tried again."""

from __future__ import annotations

import json
from uuid import UUID

import click

from deploy.cli import operator_environment, state_directory
from deploy.cli._tables import export_table


@click.group()
def exports() -> None:
    """Exports of the audit log that could not be made."""


@exports.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def show(as_json: bool) -> None:
    """List the exports that failed when they were tried last.

    Exits with 1 if one is parked.
    """
    from dataclasses import asdict

    from deploy.local.overview import look_at
    from deploy.local.platform import Platform

    failing = look_at(Platform.running(state_directory())).exports
    if as_json:
        click.echo(json.dumps([asdict(each) for each in failing], indent=2))
    else:
        click.echo("\n".join(export_table(failing)))
    if any(each.parked_seconds_ago is not None for each in failing):
        raise SystemExit(1)


@exports.command()
@click.argument("export_id", required=False, type=click.UUID)
def retry(export_id: UUID | None) -> None:
    """Have parked exports tried again: the one with EXPORT_ID, or all. Each goes on behind its last part."""
    from services.audit.exports.making import retry_parked
    from shared.runtime.config import Settings
    from shared.runtime.database import connect

    settings = Settings(operator_environment("courier audit"))
    engine = connect(settings.database_url, pool_size=1, application_name="operator")
    with engine.begin() as connection:
        wanted = retry_parked(connection, export_id)
    engine.dispose()
    if not wanted:
        raise click.ClickException("no such export is parked" if export_id else "nothing is parked")
    click.echo(f"{wanted} exports will be tried again.")
