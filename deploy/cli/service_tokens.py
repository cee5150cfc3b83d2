"""`okacrm service-tokens`: what programs of internal teams follow feeds with."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import click

from shared.contracts.identity.service_tokens import LONGEST_TEAM_NAME, SHORTEST_TEAM_NAME, TEAM_NAME
from shared.contracts.services import PUBLISHERS


@click.group("service-tokens")
def service_tokens() -> None:
    """Tokens with which programs of internal teams follow feeds over HTTP."""


def _team(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not (SHORTEST_TEAM_NAME <= len(value) <= LONGEST_TEAM_NAME and re.match(TEAM_NAME, value)):
        raise click.BadParameter("lower-case letters, digits and single dashes, such as data-platform")
    return value


def _feeds(context: click.Context, parameter: click.Parameter, value: str) -> list[str]:
    feeds = value.split(",")
    if unknown := set(feeds) - set(PUBLISHERS):
        raise click.BadParameter(f"nobody publishes {', '.join(sorted(unknown))}; there are {', '.join(PUBLISHERS)}")
    return feeds


@service_tokens.command()
@click.argument("team", callback=_team)
@click.option("--feeds", callback=_feeds, required=True, help="The services to follow, separated by commas.")
@click.option("--days", type=click.IntRange(1, 365), default=365, show_default=True, help="How long it lasts.")
def create(team: str, feeds: list[str], days: int) -> None:
    """Create a token for the programs of TEAM. It is the last line printed, and shown nowhere else.

    TEAM is a name of a team or a program, never of a person: it is on record for good.
    """
    from deploy.cli._operator import operator_calls
    from shared.contracts.times import rfc3339

    # A minute short of the longest life there is, whatever the clocks of both sides say.
    expires_at = rfc3339(datetime.now(UTC) + timedelta(days=days, minutes=-1))
    with operator_calls() as call:
        issued = call("identity", "issue_service_token", {"team": team, "feeds": feeds, "expires_at": expires_at})
    click.echo(f"Created token {issued['token_id']} of {team} for {', '.join(feeds)}, until {expires_at}:")
    click.echo(issued["token"])


@service_tokens.command("list")
def show() -> None:
    """List the tokens that were not revoked, also those that have expired."""
    from deploy.cli._operator import operator_calls
    from deploy.cli._tables import table

    with operator_calls() as call:
        held = call("identity", "list_service_tokens", {})["items"]
    rows = [
        (
            each["token_id"],
            each["team"],
            ",".join(each["feeds"]),
            each["issued_at"],
            each["expires_at"],
            each["last_used_at"],
        )
        for each in held
    ]
    click.echo("\n".join(table(("token", "team", "feeds", "issued", "expires", "last used"), rows)))


@service_tokens.command()
@click.argument("token_id", type=click.UUID)
def revoke(token_id: UUID) -> None:
    """Revoke the token with the id TOKEN_ID: within a second it is refused everywhere."""
    from deploy.cli._operator import operator_calls

    with operator_calls() as call:
        call("identity", "revoke_service_token", {"token_id": str(token_id)})
    click.echo(f"Revoked token {token_id}.")
