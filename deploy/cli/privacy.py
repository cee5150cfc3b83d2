"""`okacrm privacy`: which personal data there are, what for, and who holds them."""

from __future__ import annotations

import json

import click


@click.group()
def privacy() -> None:
    """Which personal data there are."""


@privacy.command("map")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def print_map(as_json: bool) -> None:
    """Print the register of processing activities and the data map, as docs/data-map.md shows them."""
    from shared.privacy.data_map import data_map_page, register

    click.echo(json.dumps(register(), indent=2, ensure_ascii=False) + "\n" if as_json else data_map_page(), nl=False)
