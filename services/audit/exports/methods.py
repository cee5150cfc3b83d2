"""Operations on exports: an officer asks for records as a file, and fetches it part by part once it is made."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.audit.application import Audit
from services.audit.exports import queries as export_queries
from services.audit.exports.aggregate import Export
from services.audit.log.methods.records import query_of
from services.audit.log.queries import latest_checkpoint
from services.audit.questions.aggregate import Question
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.eventstore.aggregates import position
from shared.eventstore.limits import Limit
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.service.wiring import command_of

OPEN = Limit("too-many-exports", most=10)
"""Exports of one officer that are under way."""


class Exports:
    """Records of the log as files, each for who asked for it."""

    app: Audit

    @operation
    def request_export(self, call: Call, q: str | None, form: str) -> Outcome:
        """The export is of the log at the newest checkpoint; asking for it is on record, also under each person."""
        with reading(self.app.engine) as connection:
            query = query_of(connection, q)

        def request(work: UnitOfWork) -> Outcome:
            OPEN.reserve(
                work.connection, call.actor, lambda: export_queries.open_exports(work.connection, str(call.actor))
            )
            size, _ = latest_checkpoint(work.connection)
            workspaces, publishers = export_queries.heads(work.connection, query, size)
            export, question = Export(work.new_id()), Question(work.new_id())
            asked = question.ask("export", subjects=query.subjects, query=str(query), size=size, now=work.now)
            work.record(question, asked)
            requested = export.request(
                form, str(query), size=size, workspaces=workspaces, publishers=publishers, now=work.now
            )
            work.record(export, requested)
            return {"export_id": str(export.id), **position(export)}

        return self.app.store.perform(command_of(call), request)

    @operation
    def list_exports(self, call: Call, cursor: str | None = None, limit: int = 20) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            return export_queries.own_exports(connection, str(call.actor), UUID(cursor) if cursor else None, limit)

    @operation
    def read_export(self, call: Call, export_id: str) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            row = export_queries.own_export(connection, UUID(export_id), str(call.actor))
            return export_queries.completed_view(connection, row)

    @operation
    def read_export_part(self, call: Call, export_id: str, number: int) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            row = export_queries.own_export(connection, UUID(export_id), str(call.actor))
            return {"content": export_queries.part(connection, row, number)}
