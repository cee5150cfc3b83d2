"""`okacrm service NAME`: the process that answers calls to one service."""

from __future__ import annotations

import click


@click.command()
@click.argument("name")
def service(name: str) -> None:
    """Run one service here, with the settings of the environment."""
    from shared.service.processes import run_service

    run_service(name)
