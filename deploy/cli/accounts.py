"""`okacrm accounts`: what operators decide about an account, such as when nobody of staff can."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import click

from shared.contracts.vocabulary import STAFF_GUARDS

ACCOUNT_ID = click.argument("account_id", type=click.UUID)
REQUEST_ID = click.argument("request_id", type=click.UUID)
ROLE = click.Choice(STAFF_GUARDS)


@click.group()
def accounts() -> None:
    """Guards of an account, and who may sign in to it."""


@accounts.command()
@ACCOUNT_ID
@click.option("--role", type=ROLE, required=True, help="The guard to ask for.")
def request_guard(account_id: UUID, role: str) -> None:
    """Ask that the person of ACCOUNT_ID may act for the house, which somebody of the house has to approve."""
    made = _decide("request_guard", account_id, guard=role)
    click.echo(
        f"Request {made['request_id']} waits until {made['expires_at']} for somebody of the house to approve it."
    )


@accounts.command()
def guard_requests() -> None:
    """List the requests that somebody may act for the house, and that wait to be decided."""
    for each in _ask("list_guard_requests")["items"]:
        asked_by = each["requested_by"] or "an operator"
        click.echo(f"{each['request_id']}  {each['guard']:<10}  for {each['account_id']}, asked by {asked_by}")


@accounts.command()
@REQUEST_ID
def approve_guard(request_id: UUID) -> None:
    """Approve REQUEST_ID as a second person, which it takes somebody of the house to have asked for."""
    _ask("approve_guard", request_id=str(request_id))
    click.echo(f"Request {request_id} is approved.")


@accounts.command()
@REQUEST_ID
def refuse_guard(request_id: UUID) -> None:
    """Refuse REQUEST_ID."""
    _ask("refuse_guard", request_id=str(request_id))
    click.echo(f"Request {request_id} is refused.")


@accounts.command()
@ACCOUNT_ID
@click.option("--role", type=ROLE, required=True, help="The guard to take away.")
def revoke_guard(account_id: UUID, role: str) -> None:
    """Let the person of ACCOUNT_ID act for the house no longer, and end their sessions and API tokens."""
    _decide("revoke_guard", account_id, guard=role)
    click.echo(f"Account {account_id} does not hold the guard {role} any more.")


@accounts.command()
@ACCOUNT_ID
def deactivate(account_id: UUID) -> None:
    """End all sessions of ACCOUNT_ID and let nobody sign in to it."""
    _decide("deactivate_account", account_id)
    click.echo(f"Account {account_id} is deactivated.")


@accounts.command()
@ACCOUNT_ID
def reactivate(account_id: UUID) -> None:
    """Let the person of ACCOUNT_ID sign in again."""
    _decide("reactivate_account", account_id)
    click.echo(f"Account {account_id} is active.")


@accounts.command()
@ACCOUNT_ID
def disable_second_factor(account_id: UUID) -> None:
    """Let the person of ACCOUNT_ID sign in with the password alone, once they have shown who they are."""
    _decide("disable_second_factor", account_id)
    click.echo(f"Account {account_id} has no second factor.")


def _decide(operation: str, account_id: UUID, **arguments: str) -> dict[str, Any]:
    return _ask(operation, account_id=str(account_id), **arguments)


def _ask(operation: str, **arguments: str) -> dict[str, Any]:
    from deploy.cli._operator import operator_calls

    with operator_calls() as call:
        return call("identity", operation, arguments)
