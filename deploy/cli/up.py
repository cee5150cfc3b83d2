"""`okacrm up`: the whole platform in this terminal, until Ctrl-C."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import TYPE_CHECKING

import click

from deploy.cli import state_directory

if TYPE_CHECKING:
    from deploy.local.platform import Platform


@click.command()
def up() -> None:
    """Run the platform here until Ctrl-C."""
    from deploy.local.platform import Platform
    from deploy.local.supervisor import Interrupted

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    platform = Platform(state_directory(), int(os.environ.get("OKACRM_HTTP_PORT", "8000")))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Stopping has already begun when a second signal comes, and must not be broken by it.
        signal.signal(number, lambda *_: platform.supervisor.interrupt())
    began = time.monotonic()
    with platform:
        try:
            platform.start(announce=click.echo)
            _describe(platform, time.monotonic() - began)
            platform.supervisor.await_interrupt()
        except Interrupted:
            pass
        click.echo("\nStopping")
    click.echo("Everything has stopped")


def _describe(platform: Platform, seconds: float) -> None:
    rows = [
        ("Gateway", platform.base_url),
        ("API", f"{platform.base_url}/docs, as OpenAPI at {platform.base_url}/openapi.json"),
        ("Processes", ", ".join(f"{name} ({pid})" for name, pid in platform.pids().items())),
        ("Logs", str(platform.state.logs)),
        ("Stop", f"Ctrl-C here, or `kill {os.getpid()}` from another terminal"),
    ]
    click.echo(f"\nOkacrm is running, after {seconds:.1f} seconds.\n")
    for title, text in rows:
        click.echo(f"  {title:<10} {text}")
