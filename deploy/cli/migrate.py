"""`okacrm migrate`: the schemas of the running platform, brought up to date."""

from __future__ import annotations

import click

from deploy.cli import state_directory


@click.command()
def migrate() -> None:
    """Bring the database schemas of the running platform up to date."""
    from deploy.local.platform import Platform

    platform = Platform.running(state_directory())
    platform.migrate()
    click.echo(f"Up to date: {', '.join(platform.databases)}")
