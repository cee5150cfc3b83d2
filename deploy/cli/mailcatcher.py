"""`okacrm mailcatcher`: the local process that takes every mail and delivers none."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--smtp-port", type=int, required=True)
@click.option("--http-port", type=int, required=True)
def mailcatcher(folder: Path, smtp_port: int, http_port: int) -> None:
    """Catch mail in FOLDER until Ctrl-C."""
    from deploy.local.mailcatcher import run

    run(folder, smtp_port=smtp_port, http_port=http_port)
