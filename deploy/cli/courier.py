"""`okacrm courier NAME`: the process that carries the events of one service out and in."""

from __future__ import annotations

import click


@click.command()
@click.argument("name")
def courier(name: str) -> None:
    """Run the courier of one service here, with the settings of the environment."""
    from shared.service.processes import run_courier

    run_courier(name)
