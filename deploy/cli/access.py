"""`okacrm access`: who may do what over HTTP."""

from __future__ import annotations

import click


@click.command()
def access() -> None:
    """Print who may do what over HTTP, as docs/access.md shows it."""
    from gateway.access import access_page
    from gateway.routes import ROUTES

    click.echo(access_page(ROUTES), nl=False)
