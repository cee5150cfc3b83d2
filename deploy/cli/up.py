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

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command()
@click.option("--servers-only", is_flag=True, help="PostgreSQL and RabbitMQ alone, to put a database back.")
def up(servers_only: bool) -> None:
    """Run the platform here until Ctrl-C."""
    # A signal waits until there is something that it can end.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    from deploy.local.interruption import Interrupted
    from deploy.local.platform import Platform
    from shared.runtime.config import Settings

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    platform = Platform(state_directory(), Settings.from_environment().http_port)
    for number in ENDING:
        signal.signal(number, lambda *_: platform.supervisor.interruption.ask())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    began = time.monotonic()
    with platform:
        try:
            if servers_only:
                platform.start_servers()
                _describe_servers(platform)
            else:
                platform.start(announce=click.echo)
                _describe(platform, time.monotonic() - began)
            platform.supervisor.interruption.wait()
        except Interrupted:
            pass
        click.echo("\nStopping; Ctrl-C once more hurries")
    click.echo("Everything has stopped")


def _describe_servers(platform: Platform) -> None:
    server = platform.description.postgres
    click.echo("PostgreSQL and RabbitMQ run alone; `okacrm up` without --servers-only runs everything.\n")
    click.echo(f"  PostgreSQL  {server.host}:{server.port}, passwords in {platform.state.secrets}")
    click.echo(f"  Databases   {', '.join(database.name for database in platform.databases.values())}")
    click.echo("  Stop        Ctrl-C")


def _describe(platform: Platform, seconds: float) -> None:
    rows = [
        ("Gateway", platform.base_url),
        ("API", f"{platform.base_url}/docs, as OpenAPI at {platform.base_url}/openapi.json"),
        ("Metrics", platform.metrics_url),
        ("Mail", platform.description.mail_page or "sent by the server of OKACRM_SMTP_URL"),
        ("Processes", ", ".join(f"{name} ({pid})" for name, pid in platform.pids().items())),
        ("Logs", str(platform.state.logs)),
        ("Stop", f"Ctrl-C here, or `kill {os.getpid()}` from another terminal"),
    ]
    click.echo(f"\nOkacrm is running, after {seconds:.1f} seconds.\n")
    for title, text in rows:
        click.echo(f"  {title:<10} {text}")
