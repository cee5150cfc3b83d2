"""`okacrm subscriptions`: how far each subscription has come, what it parked, and trying that again."""

from __future__ import annotations

import json

import click

from deploy.cli import operator_environment, state_directory
from deploy.cli._tables import parked_table, subscription_table


@click.group()
def subscriptions() -> None:
    """What services do about events, their own and those of others."""


@subscriptions.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def show(as_json: bool) -> None:
    """List subscriptions with their cursors, and the streams that they parked.

    Exits with 1 if a subscription is halted or has parked something.
    """
    from dataclasses import asdict

    from deploy.local.overview import look_at
    from deploy.local.platform import Platform

    overview = look_at(Platform.running(state_directory()))
    if as_json:
        document = {
            "subscriptions": [asdict(each) for each in overview.cursors],
            "parked": [asdict(each) for each in overview.parked],
        }
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo("\n".join([*subscription_table(overview.cursors), *parked_table(overview.parked)]))
    if overview.parked or any(each.halted for each in overview.cursors):
        raise SystemExit(1)


@subscriptions.command()
@click.argument("subscription", metavar="SERVICE.SUBSCRIPTION")
@click.argument("stream", required=False)
def retry(subscription: str, stream: str | None) -> None:
    """Have a subscription try again what it parked, in order: one STREAM, or all.

    An event that fails once more leaves its stream parked, with everything behind it. `list` shows what is left.
    """
    from shared.bus.parking import want_again
    from shared.contracts.services import SERVICE_NAMES
    from shared.runtime.config import Settings
    from shared.runtime.database import connect

    service, _, name = subscription.partition(".")
    if service not in SERVICE_NAMES or not name:
        raise click.BadParameter(
            f"one of {', '.join(SERVICE_NAMES)}, a dot and a name", param_hint="SERVICE.SUBSCRIPTION"
        )
    settings = Settings(operator_environment(f"courier {service}"))
    engine = connect(settings.database_url, pool_size=1, application_name="operator")
    with engine.begin() as connection:
        wanted = want_again(connection, name, stream)
    engine.dispose()
    if not wanted:
        raise click.ClickException(f"{subscription} has parked no such stream" if stream else "nothing is parked")
    click.echo(f"{wanted} streams will be tried again, each from the event it stands at.")
