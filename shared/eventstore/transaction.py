"""How a service speaks to its database: reads that stand alone, and writes that travel in one flight.

A command costs two round trips: its reads, and then BEGIN, everything it writes and COMMIT together (PostgreSQL
pipeline mode). Connections are in autocommit, so that a read needs neither a BEGIN nor a ROLLBACK around it; between
reading and writing, the expected versions of streams guard what was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError

from shared.contracts.problems import Problem
from shared.runtime.faults import Fault, fault_of


class Transaction:
    """A connection, on which a transaction may be begun and must be committed to have an effect.

    A database that is lost, full, busy or too slow means that nothing was done, as a `Problem`; one that is lost during
    the commit means that nobody knows.
    """

    connection: Connection

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._begun = False
        self._committing = False

    def __enter__(self) -> Transaction:
        try:
            self.connection = self._engine.connect()
        except (OperationalError, TimeoutError):
            raise Problem("service-unavailable") from None
        return self

    def begin(self) -> None:
        """From here on, what is read stays locked or what is written stays pending until the commit."""
        if not self._begun:
            self.connection.exec_driver_sql("BEGIN")
            self._begun = True

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Sends what is executed inside in one flight with the COMMIT; it stands when this returns.

        Nothing executed inside may ask for a result. Raises the error of the first statement that failed; then nothing
        of the transaction stands.
        """
        driver = driver_of(self.connection)
        self._committing = True
        with driver.pipeline():
            if not self._begun:
                driver.execute("BEGIN")
            yield
            driver.execute("COMMIT")
        self._committing = False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: Any) -> None:
        try:
            self.connection.close()
        except (DBAPIError, psycopg.Error):
            if not self.connection.closed:
                self.connection.invalidate()
        fault = fault_of(error) if error is not None else None
        if fault not in (None, Fault.OURS):
            # What the server refuses it did not do; if it went away, nobody knows.
            is_unknown = self._committing and fault is Fault.LOST
            raise Problem("outcome-unknown" if is_unknown else "service-unavailable") from None


class reading:  # noqa: N801 - reads as a statement: `with reading(engine) as connection`
    """A connection for queries; the database being away becomes `Problem("service-unavailable")`."""

    def __init__(self, engine: Engine) -> None:
        self._transaction = Transaction(engine)

    def __enter__(self) -> Connection:
        return self._transaction.__enter__().connection

    def __exit__(self, *error: Any) -> None:
        self._transaction.__exit__(*error)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction for rows that belong to no event; it is committed at the end, and undone by any exception."""
    with Transaction(engine) as transaction:
        transaction.begin()
        yield transaction.connection
        with transaction.commit():
            pass


def driver_of(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection underneath, for the few statements that every command runs."""
    return cast(psycopg.Connection[Any], connection.connection.driver_connection)


def copy_rows(connection: Connection, into: str, rows: Sequence[Sequence[Any]]) -> None:
    """Inserts rows by COPY. `into` is the table and its columns, as SQL; the rows' values are in their order."""
    if rows:
        with driver_of(connection).cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
