"""`okacrm status`: what runs here and whether it answers."""

from __future__ import annotations

import time

import click

from deploy.cli import state_directory


@click.command()
@click.option("--wait", "patience", type=float, default=0.0, help="Seconds to wait until all is ready.")
def status(patience: float) -> None:
    """Show what runs; succeed when all of it is ready."""
    from deploy.local.platform import Platform
    from deploy.local.state import PlatformError

    deadline = time.monotonic() + patience
    while True:
        try:
            platform = Platform.running(state_directory())
            readiness, pids = platform.readiness(), platform.pids()
            if all(readiness.values()) or time.monotonic() > deadline:
                break
        except PlatformError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.25)
    click.echo(f"{platform.base_url}  (process {platform.description.pid}, state in {platform.state.root})\n")
    for name, ready in readiness.items():
        click.echo(f"  {name:<18} {pids.get(name, '-'):>8}  {'ready' if ready else 'not ready'}")
    if not all(readiness.values()):
        raise SystemExit(1)
