"""Operations on the records of the log."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from services.audit.application import Audit
from services.audit.log import queries
from services.audit.log.asking import keep_question, place_of
from services.audit.log.queries import Place
from services.audit.search.language import Query, QueryInvalid, parse_known
from services.audit.search.postings import is_held
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.eventstore.transaction import reading


class Records:
    """Who did what to whose data, and when."""

    app: Audit

    @operation
    def list_records(
        self, call: Call, q: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            query = query_of(connection, q)
            page = queries.records(connection, query, place_of(connection, cursor, Place), limit)
        self._keep(call, "records", query, page["checkpoint"])
        return page

    @operation
    def count_records(self, call: Call, q: str | None = None) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            query = query_of(connection, q)
            size, counted = queries.published_size(connection), queries.facets(connection, query)
        self._keep(call, "facets", query, size)
        return counted

    @operation
    def read_record(self, call: Call, record_id: str) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            size, found = queries.published_size(connection), queries.record(connection, UUID(record_id))
        self._keep_of_record(call, "record", found, size)
        return found

    @operation
    def prove_record(self, call: Call, record_id: str) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            size, found = queries.published_size(connection), queries.record(connection, UUID(record_id))
            proof = queries.proof(connection, UUID(record_id))
        self._keep_of_record(call, "proof", found, size)
        return proof

    def _keep(self, call: Call, question: str, query: Query, size: int) -> None:
        keep_question(self.app.store, call, question, subjects=query.subjects, query=str(query), size=size)

    def _keep_of_record(self, call: Call, question: str, found: dict[str, Any], size: int) -> None:
        subjects = [UUID(subject) for subject in found["subjects"]]
        keep_question(self.app.store, call, question, subjects=subjects, record_id=UUID(found["id"]), size=size)


def query_of(connection: Connection, q: str | None) -> Query:
    """The query that a text stands for. Raises `Problem("validation-failed")`, which points at what is wrong."""
    try:
        return parse_known(q or "", partial(is_held, connection))
    except QueryInvalid as invalid:
        error = {"query": "q", "message": str(invalid), "position": invalid.position, "length": invalid.length}
        raise Problem("validation-failed", errors=[error]) from None
