"""`okacrm settings`: every variable of the environment that is read."""

from __future__ import annotations

import click


@click.command()
def settings() -> None:
    """Print every setting there is, as docs/settings.md shows it."""
    from shared.runtime.config import settings_page

    click.echo(settings_page(), nl=False)
