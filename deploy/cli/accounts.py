"""`okacrm accounts`: what operators decide about an account, such as when nobody of staff can."""

from __future__ import annotations

from uuid import UUID

import click

from shared.contracts.vocabulary import STAFF_GUARDS

ACCOUNT_ID = click.argument("account_id", type=click.UUID)


@click.group()
def accounts() -> None:
    """Guards of an account, and who may sign in to it."""


@accounts.command()
@ACCOUNT_ID
@click.option("--role", type=click.Choice(STAFF_GUARDS), required=True, help="The guard to add.")
def add_guard(account_id: UUID, role: str) -> None:
    """Let the person of ACCOUNT_ID act for the house."""
    _decide("add_guard", account_id, guard=role)
    click.echo(f"Account {account_id} holds the guard {role}.")


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


def _decide(operation: str, account_id: UUID, **arguments: str) -> None:
    from deploy.cli._operator import operator_calls

    with operator_calls() as call:
        call("identity", operation, {"account_id": str(account_id), **arguments})
