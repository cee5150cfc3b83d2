"""Rows of people who are erased, which go with them."""

from __future__ import annotations

from sqlalchemy import Connection, text

from shared.contracts.identity import (
    AccountErased,
)
from shared.eventstore.projections import OwnProjection
from shared.eventstore.recorded import Recorded


def drop_rows_of_erased(projection: OwnProjection, column: str = "account_id") -> None:
    """Let a projection drop the rows of whoever is erased."""
    (table,) = projection.tables

    @projection.on(AccountErased)
    def remove(connection: Connection, event: AccountErased, recorded: Recorded) -> None:
        connection.execute(
            text(f"DELETE FROM {table} WHERE {column} = :account_id"),  # noqa: S608 - names from the code
            {"account_id": event.account_id},
        )
