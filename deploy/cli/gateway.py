"""`okacrm gateway`: the process that speaks HTTP."""

from __future__ import annotations

import click


@click.command()
def gateway() -> None:
    """Run the gateway here, with the settings of the environment."""
    from gateway.process import run

    run()
