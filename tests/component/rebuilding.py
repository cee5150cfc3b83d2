"""What tests of rebuilding ask a database: its tables, the rows in them, and whether they are new tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, text

from shared.eventstore import twins
from shared.eventstore.rebuilding import ReadModel, Rebuilder
from tests.component.conftest import Databases

TABLES_OF_EVERY_SERVICE = {
    "alembic_version",
    "commands",
    "cursors",
    "events",
    "feed",
    "feed_epochs",
    "feed_head",
    "outbox",
    "parked_events",
    "parked_streams",
}


def tables_of(databases: Databases, service: str) -> set[str]:
    """The tables in a service's database, without those that every service has."""
    with databases.engine(service, "owner").connect() as connection:
        names = connection.scalars(text("SELECT relname FROM pg_class WHERE relkind = 'r' AND oid >= 16384"))
        return set(names) - TABLES_OF_EVERY_SERVICE


def rows_of(databases: Databases, service: str, tables: Iterable[str]) -> dict[str, list[str]]:
    """The rows of tables as text, in an order of their own."""
    with databases.engine(service, "owner").connect() as connection:
        return {table: sorted(connection.scalars(text(f"SELECT {table}::text FROM {table}"))) for table in tables}


def rebuild(databases: Databases, service: str, *models: ReadModel) -> None:
    """Rebuilds read models, and shows that each of their tables is another one now and like it was but for its rows."""
    owner = databases.engine(service, "owner")
    tables = [table for model in models for table in model.tables]
    with owner.begin() as connection:
        before = _looks(connection, tables)
    for model in models:
        Rebuilder(owner, tell=lambda line: None).rebuild(model)
    with owner.begin() as connection:
        after = _looks(connection, tables)
        assert connection.scalar(text("SELECT count(*) FROM rebuilding.rebuilds")) == 0
    for table in tables:
        assert before[table][0] != after[table][0], table
        assert before[table][1] == after[table][1], table


def _looks(connection: Connection, tables: Sequence[str]) -> dict[str, tuple[int, list[str]]]:
    """Of each table which one it is, and how it is made."""
    return {
        table: (
            int(connection.scalar(text("SELECT CAST(to_regclass(:name) AS oid)"), {"name": f"public.{table}"}) or 0),
            twins.description(connection, twins.LIVE, table),
        )
        for table in tables
    }
