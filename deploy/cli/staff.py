"""`okacrm staff`: the people of the house, who do not register themselves."""

from __future__ import annotations

import click

from deploy.cli._typed import address, line
from shared.contracts.time_zones import TIME_ZONES
from shared.contracts.vocabulary import LOCALES, STAFF_GUARDS


@click.group()
def staff() -> None:
    """Accounts of compliance officers and staff."""


@staff.command()
@click.argument("email", callback=address)
@click.option("--role", type=click.Choice(STAFF_GUARDS), required=True, help="The guard the account holds.")
@click.option("--name", callback=line, default=None, help="The person's name; else the local part of the address.")
@click.option(
    "--time-zone",
    type=click.Choice(sorted(TIME_ZONES)),
    metavar="ZONE",
    default="Etc/UTC",
    show_default=True,
)
@click.option("--country", default="ZZ", show_default=True, help="ISO 3166-1; ZZ is unknown.")
@click.option("--locale", type=click.Choice(LOCALES), default=None, help="In which language to write to them.")
def create(email: str, role: str, name: str | None, time_zone: str, country: str, locale: str | None) -> None:
    """Create an account for EMAIL, and print a token with which its person chooses a password.

    This is how the first people of the house come to be: whoever runs the platform vouches for them, alone. Later ones
    are asked for by one person and approved by another; see `okacrm accounts request-guard`.

    The token counts once and for half an hour; it is also in the link of a mail to EMAIL. It is the last line printed.
    """
    from deploy.cli._operator import operator_calls

    registration = {
        "email": email,
        "name": name or email.partition("@")[0],
        "time_zone": time_zone,
        "country": country,
        "locale": locale,
        "age_stated": True,
    }
    with operator_calls() as call:
        made = call("identity", "create_staff", {"registration": registration, "guard": role})
    click.echo(f"Created account {made['account_id']} with the guard {role}.")
    click.echo(f"Until {made['expires_at']}, POST /v1/password-resets takes a password with this token, once:")
    click.echo(made["token"])
